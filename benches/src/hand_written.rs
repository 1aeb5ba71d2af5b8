//! Verification and decoding as an application would write them by hand.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::Timestamp;
use clerk_webhook_core::event::payload::{
    EmailAddress, EnterpriseAccount, ExternalAccount, OrganizationMembership, Passkey, PhoneNumber,
    SamlAccount, ScimUserMetadata, Web3Wallet,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use crate::delivery::SECRET;

/// Verifies as Svix documents it: join the parts with dots, compute the HMAC, decode base64, compare.
#[derive(Clone)]
pub struct HandWritten {
    key: Vec<u8>,
}

impl HandWritten {
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a secret must not have a default")]
    pub fn new() -> Self {
        Self { key: STANDARD.decode(&SECRET["whsec_".len()..]).unwrap() }
    }

    #[must_use]
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        self.check(headers, body).is_some()
    }

    fn check(&self, headers: &HeaderMap, body: &[u8]) -> Option<()> {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let id = header("svix-id")?;
        let timestamp = header("svix-timestamp")?;
        let signatures = header("svix-signature")?;

        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
        if now.abs_diff(timestamp.parse().ok()?) > 300 {
            return None;
        }
        let signed = format!("{id}.{timestamp}.{}", str::from_utf8(body).ok()?);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(signed.as_bytes());
        signatures
            .split(' ')
            .filter_map(|token| STANDARD.decode(token.strip_prefix("v1,")?).ok())
            .any(|signature| mac.clone().verify_slice(&signature).is_ok())
            .then_some(())
    }
}

/// The enum that serde's documentation suggests for `{"data":…,"type":"…"}`.
#[derive(Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum TaggedEvent {
    #[serde(rename = "user.created")]
    UserCreated(TaggedUser),
    #[serde(rename = "user.updated")]
    UserUpdated(TaggedUser),
}

/// A user with the same fields as this project's `User`.
///
/// Its metadata are `Value`s: a tagged enum buffers its content, and `RawValue` cannot be read from that
/// buffer.
#[derive(Deserialize)]
pub struct TaggedUser {
    pub id: String,
    pub external_id: Option<String>,
    pub primary_email_address_id: Option<String>,
    pub primary_phone_number_id: Option<String>,
    pub primary_web3_wallet_id: Option<String>,
    pub username: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub locale: Option<String>,
    pub timezone: Option<String>,
    pub profile_image_url: Option<String>,
    pub image_url: Option<String>,
    pub has_image: Option<bool>,
    #[serde(default)]
    pub public_metadata: Value,
    #[serde(default)]
    pub private_metadata: Value,
    #[serde(default)]
    pub unsafe_metadata: Value,
    #[serde(default)]
    pub email_addresses: Vec<EmailAddress>,
    #[serde(default)]
    pub phone_numbers: Vec<PhoneNumber>,
    #[serde(default)]
    pub web3_wallets: Vec<Web3Wallet>,
    #[serde(default)]
    pub passkeys: Vec<Passkey>,
    pub password_enabled: Option<bool>,
    pub password_last_updated_at: Option<Timestamp>,
    pub two_factor_enabled: Option<bool>,
    pub totp_enabled: Option<bool>,
    pub backup_code_enabled: Option<bool>,
    pub mfa_enabled_at: Option<Timestamp>,
    pub mfa_disabled_at: Option<Timestamp>,
    #[serde(default)]
    pub external_accounts: Vec<ExternalAccount>,
    #[serde(default)]
    pub saml_accounts: Vec<SamlAccount>,
    #[serde(default)]
    pub enterprise_accounts: Vec<EnterpriseAccount>,
    #[serde(default)]
    pub organization_memberships: Vec<OrganizationMembership>,
    pub last_sign_in_at: Option<Timestamp>,
    pub last_active_at: Option<Timestamp>,
    pub legal_accepted_at: Option<Timestamp>,
    pub banned: Option<bool>,
    pub locked: Option<bool>,
    pub deprovisioned: Option<bool>,
    pub lockout_expires_in_seconds: Option<i64>,
    pub verification_attempts_remaining: Option<i64>,
    pub delete_self_enabled: Option<bool>,
    pub create_organization_enabled: Option<bool>,
    pub create_organizations_limit: Option<i64>,
    pub bypass_client_trust: Option<bool>,
    pub scim: Option<ScimUserMetadata>,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
}
