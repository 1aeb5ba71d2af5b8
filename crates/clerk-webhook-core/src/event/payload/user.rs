//! Users.

use serde::{Deserialize, Serialize};

use super::{
    EmailAddress, EnterpriseAccount, ExternalAccount, Metadata, OrganizationMembership, Passkey, PhoneNumber,
    SamlAccount, ScimUserMetadata, Web3Wallet,
};
use crate::Timestamp;

/// A user: the `data` of `user.created` and `user.updated`.
///
/// Only the id is required. A user can sign up with only a phone number, a wallet or a username, so
/// `email_addresses` can be empty. The order of the addresses has no meaning. Use
/// [`primary_email_address`](Self::primary_email_address) instead of the first address:
///
/// ```
/// use clerk_webhook_core::event::payload::{EmailAddress, User};
///
/// let user: User = serde_json::from_str(
///     r#"{"email_addresses":[
///           {"email_address":"old@example.com","id":"idn_1","verification":null},
///           {"email_address":"ada@example.com","id":"idn_2",
///            "verification":{"status":"verified","strategy":"email_code"}}],
///         "first_name":"Ada","id":"user_2fAq","last_name":null,"primary_email_address_id":"idn_2"}"#,
/// )?;
///
/// let primary = user.primary_email_address();
/// assert_eq!(primary.and_then(|email| email.email_address.as_deref()), Some("ada@example.com"));
/// assert!(primary.is_some_and(EmailAddress::is_verified));
/// assert_eq!(user.full_name().as_deref(), Some("Ada"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// The id (`user_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The id in the application's own system, if the application has set it.
    pub external_id: Option<String>,
    /// The id of the primary email address; `None` for users without an email address.
    ///
    /// [`primary_email_address`](Self::primary_email_address) returns the address.
    pub primary_email_address_id: Option<String>,
    /// The id of the primary phone number; [`primary_phone_number`](Self::primary_phone_number) returns the
    /// number.
    pub primary_phone_number_id: Option<String>,
    /// The id of the primary wallet; [`primary_web3_wallet`](Self::primary_web3_wallet) returns the wallet.
    pub primary_web3_wallet_id: Option<String>,
    /// The username.
    pub username: Option<String>,
    /// The given name; often `None`.
    pub first_name: Option<String>,
    /// The family name; often `None`.
    pub last_name: Option<String>,
    /// The language, as a BCP 47 tag; since October 2025.
    pub locale: Option<String>,
    /// The time zone; since 2026.
    pub timezone: Option<String>,
    /// The URL of the picture. Deprecated: use `image_url`.
    pub profile_image_url: Option<String>,
    /// The URL of the picture, or of Clerk's default picture.
    pub image_url: Option<String>,
    /// Whether the picture is not Clerk's default picture.
    pub has_image: Option<bool>,
    /// Metadata that the frontend can read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Metadata that only the backend can read.
    #[serde(default)]
    pub private_metadata: Metadata,
    /// Metadata that the frontend can write. Do not trust it.
    #[serde(default)]
    pub unsafe_metadata: Metadata,
    /// The email addresses, verified and unverified, in no guaranteed order.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub email_addresses: Vec<EmailAddress>,
    /// The phone numbers, verified and unverified, in no guaranteed order.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub phone_numbers: Vec<PhoneNumber>,
    /// The wallets, verified and unverified, in no guaranteed order.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub web3_wallets: Vec<Web3Wallet>,
    /// The passkeys.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub passkeys: Vec<Passkey>,
    /// Whether the user has a password.
    pub password_enabled: Option<bool>,
    /// The time of the last password change.
    pub password_last_updated_at: Option<Timestamp>,
    /// Whether a second factor is enabled.
    pub two_factor_enabled: Option<bool>,
    /// Whether an authenticator app is a second factor.
    pub totp_enabled: Option<bool>,
    /// Whether backup codes are a second factor.
    pub backup_code_enabled: Option<bool>,
    /// The time at which a second factor was last enabled. Disabling the second factor does not change it.
    pub mfa_enabled_at: Option<Timestamp>,
    /// The time at which the second factor was last disabled. Enabling a second factor does not change it.
    pub mfa_disabled_at: Option<Timestamp>,
    /// The accounts at OAuth providers.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub external_accounts: Vec<ExternalAccount>,
    /// The accounts at SAML identity providers; replaced by `enterprise_accounts`.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub saml_accounts: Vec<SamlAccount>,
    /// The accounts at enterprise identity providers; since December 2024.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub enterprise_accounts: Vec<EnterpriseAccount>,
    /// The user's memberships in organizations. Webhooks are not known to contain them.
    #[serde(default, deserialize_with = "super::embedded_list")]
    pub organization_memberships: Vec<OrganizationMembership>,
    /// The time of the last sign-in; `None` in `user.created`.
    pub last_sign_in_at: Option<Timestamp>,
    /// The day on which the user was last active.
    pub last_active_at: Option<Timestamp>,
    /// The time at which the user accepted the application's terms.
    pub legal_accepted_at: Option<Timestamp>,
    /// Whether the user is banned.
    pub banned: Option<bool>,
    /// Whether the user is locked out after too many attempts.
    pub locked: Option<bool>,
    /// Whether the user's directory removed the user. In this case, Clerk does not send `user.deleted`. Clerk
    /// has sent this field since May 2026.
    pub deprovisioned: Option<bool>,
    /// The time until the lockout ends, in seconds; for a locked user, `None` means that the lockout does not
    /// end.
    pub lockout_expires_in_seconds: Option<i64>,
    /// The number of attempts that remain before the user is locked out; `None` if the instance does not lock
    /// users out.
    pub verification_attempts_remaining: Option<i64>,
    /// Whether the user can delete the account.
    pub delete_self_enabled: Option<bool>,
    /// Whether the user can create organizations.
    pub create_organization_enabled: Option<bool>,
    /// The maximum number of organizations that the user can create; 0 means unlimited.
    ///
    /// [`organization_creation_limit`](Self::organization_creation_limit) returns `None` for 0.
    pub create_organizations_limit: Option<i64>,
    /// Whether Clerk skips the new-device check for the user; since December 2025.
    pub bypass_client_trust: Option<bool>,
    /// The directory that provisions the user. Even if it is `None`, the user can belong to a directory.
    pub scim: Option<ScimUserMetadata>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change. Deliveries can arrive in any order, so keep the payload with the later
    /// time.
    pub updated_at: Option<Timestamp>,
}

impl User {
    /// Returns the email address whose id is `primary_email_address_id`.
    ///
    /// Returns `None` if the user has no primary email address, or if `email_addresses` does not contain it.
    /// The address can be unverified.
    #[must_use]
    pub fn primary_email_address(&self) -> Option<&EmailAddress> {
        let id = self.primary_email_address_id.as_deref()?;
        self.email_addresses.iter().find(|email| email.id.as_deref() == Some(id))
    }

    /// Returns the phone number whose id is `primary_phone_number_id`.
    #[must_use]
    pub fn primary_phone_number(&self) -> Option<&PhoneNumber> {
        let id = self.primary_phone_number_id.as_deref()?;
        self.phone_numbers.iter().find(|phone| phone.id.as_deref() == Some(id))
    }

    /// Returns the wallet whose id is `primary_web3_wallet_id`.
    #[must_use]
    pub fn primary_web3_wallet(&self) -> Option<&Web3Wallet> {
        let id = self.primary_web3_wallet_id.as_deref()?;
        self.web3_wallets.iter().find(|wallet| wallet.id.as_deref() == Some(id))
    }

    /// Returns the verified email addresses.
    pub fn verified_email_addresses(&self) -> impl Iterator<Item = &EmailAddress> {
        self.email_addresses.iter().filter(|email| email.is_verified())
    }

    /// Returns the given name and the family name separated by a space, or the one that is present, or `None`
    /// if both are missing.
    #[must_use]
    pub fn full_name(&self) -> Option<String> {
        let parts = [&self.first_name, &self.last_name];
        let mut parts = parts.into_iter().flatten().map(|part| part.trim()).filter(|part| !part.is_empty());
        let first = parts.next()?;
        Some(parts.fold(first.to_owned(), |name, part| name + " " + part))
    }

    /// Returns the maximum number of organizations that the user can create, or `None` if the number is
    /// unlimited.
    ///
    /// `create_organization_enabled` states whether the user can create organizations at all.
    #[must_use]
    pub fn organization_creation_limit(&self) -> Option<i64> {
        self.create_organizations_limit.filter(|limit| *limit > 0)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(mut fields: serde_json::Value) -> User {
        fields["id"] = "user_1".into();
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn decodes_a_user_with_only_an_id() {
        let user = user(json!({}));
        assert_eq!(user.primary_email_address(), None);
        assert_eq!(user.full_name(), None);
        assert_eq!(user.verified_email_addresses().count(), 0);
        assert!(user.private_metadata.is_empty());
    }

    #[test]
    fn decodes_null_as_empty() {
        let user = user(json!({
            "email_addresses": null, "phone_numbers": null, "web3_wallets": null, "passkeys": null,
            "external_accounts": null, "saml_accounts": null, "enterprise_accounts": null,
            "organization_memberships": null, "private_metadata": null, "scim": null,
        }));
        assert!(user.email_addresses.is_empty() && user.organization_memberships.is_empty());
        assert!(user.private_metadata.is_empty());
    }

    #[test]
    fn finds_primary_identifications_by_id() {
        let verified = json!({ "status": "verified", "strategy": "admin" });
        let user = user(json!({
            "primary_email_address_id": "idn_2",
            "email_addresses": [
                { "id": "idn_1", "email_address": "first@example.com" },
                { "id": "idn_2", "email_address": "second@example.com", "verification": verified },
            ],
            "primary_phone_number_id": "idn_4",
            "phone_numbers": [
                { "phone_number": "+12025550100" },
                { "id": "idn_4", "phone_number": "+12025550101" },
            ],
            "primary_web3_wallet_id": "idn_5",
            "web3_wallets": [{ "id": "idn_5", "web3_wallet": "0xada" }],
        }));
        let address = |email: &EmailAddress| email.email_address.clone().unwrap();
        assert_eq!(user.primary_email_address().map(address).unwrap(), "second@example.com");
        assert_eq!(user.primary_phone_number().unwrap().phone_number.as_deref(), Some("+12025550101"));
        assert_eq!(user.primary_web3_wallet().unwrap().web3_wallet.as_deref(), Some("0xada"));
        assert_eq!(user.verified_email_addresses().map(address).collect::<Vec<_>>(), ["second@example.com"]);
    }

    #[test]
    fn returns_none_if_the_primary_address_is_not_in_the_list() {
        let email = json!({ "email_address": "ada@example.com" });
        let listed = user(json!({ "primary_email_address_id": "idn_9", "email_addresses": [email] }));
        assert_eq!(listed.primary_email_address(), None);
        // If the user has no primary email address id, an address without an id is not the primary address.
        assert_eq!(user(json!({ "email_addresses": [email] })).primary_email_address(), None);
    }

    #[test]
    fn the_full_name_skips_missing_and_blank_parts() {
        for (first, last, expected) in [
            (json!("Ada"), json!("Lovelace"), Some("Ada Lovelace")),
            (json!(" Ada "), json!(null), Some("Ada")),
            (json!(null), json!("Lovelace"), Some("Lovelace")),
            (json!(""), json!("Lovelace "), Some("Lovelace")),
            (json!(" "), json!(""), None),
        ] {
            let user = user(json!({ "first_name": first, "last_name": last }));
            assert_eq!(user.full_name().as_deref(), expected);
        }
    }

    #[test]
    fn a_limit_of_zero_or_null_means_unlimited() {
        for (limit, expected) in [(json!(0), None), (json!(null), None), (json!(3), Some(3))] {
            let user = user(json!({ "create_organizations_limit": limit }));
            assert_eq!(user.organization_creation_limit(), expected);
        }
    }
}
