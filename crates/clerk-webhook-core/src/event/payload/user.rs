//! Users.

use serde::{Deserialize, Serialize};

use super::{
    EmailAddress, EnterpriseAccount, ExternalAccount, Metadata, OrganizationMembership, Passkey, PhoneNumber,
    SamlAccount, ScimUserMetadata, Web3Wallet,
};
use crate::Timestamp;

/// A user, the `data` of `user.created` and `user.updated`.
///
/// Only the id is certain. A user can sign up with a phone number, a wallet or a user name alone, so
/// `email_addresses` can be empty. The order of the addresses means nothing:
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
    /// The id in the application's own system, where it has set one.
    pub external_id: Option<String>,
    /// The id of the primary e-mail address; `None` for users without any.
    ///
    /// [`primary_email_address`](Self::primary_email_address) returns the address.
    pub primary_email_address_id: Option<String>,
    /// The id of the primary phone number; [`primary_phone_number`](Self::primary_phone_number) returns it.
    pub primary_phone_number_id: Option<String>,
    /// The id of the primary wallet; [`primary_web3_wallet`](Self::primary_web3_wallet) returns it.
    pub primary_web3_wallet_id: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// The given name; `None` is common.
    pub first_name: Option<String>,
    /// The family name; `None` is common.
    pub last_name: Option<String>,
    /// The language, as a BCP 47 tag; since October 2025.
    pub locale: Option<String>,
    /// The time zone; since 2026.
    pub timezone: Option<String>,
    /// The picture under its deprecated name.
    pub profile_image_url: Option<String>,
    /// The picture, or the one Clerk made up.
    pub image_url: Option<String>,
    /// Whether the picture is the user's own.
    pub has_image: Option<bool>,
    /// Metadata that the frontend may read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Metadata of the backend.
    #[serde(default)]
    pub private_metadata: Metadata,
    /// Metadata that the frontend may write, so nothing in it can be trusted.
    #[serde(default)]
    pub unsafe_metadata: Metadata,
    /// The e-mail addresses, verified or not, in no promised order.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub email_addresses: Vec<EmailAddress>,
    /// The phone numbers, verified or not, in no promised order.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub phone_numbers: Vec<PhoneNumber>,
    /// The wallets, verified or not, in no promised order.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub web3_wallets: Vec<Web3Wallet>,
    /// The passkeys.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub passkeys: Vec<Passkey>,
    /// Whether the user has a password.
    pub password_enabled: Option<bool>,
    /// When the password was last changed.
    pub password_last_updated_at: Option<Timestamp>,
    /// Whether a second factor is switched on.
    pub two_factor_enabled: Option<bool>,
    /// Whether an authenticator app is a second factor.
    pub totp_enabled: Option<bool>,
    /// Whether backup codes are a second factor.
    pub backup_code_enabled: Option<bool>,
    /// When a second factor was last switched on; stays when it is switched off again.
    pub mfa_enabled_at: Option<Timestamp>,
    /// When the second factor was last switched off; stays when it is switched on again.
    pub mfa_disabled_at: Option<Timestamp>,
    /// The accounts at OAuth providers.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub external_accounts: Vec<ExternalAccount>,
    /// The accounts at SAML identity providers, superseded by `enterprise_accounts`.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub saml_accounts: Vec<SamlAccount>,
    /// The accounts at enterprise identity providers; since December 2024.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub enterprise_accounts: Vec<EnterpriseAccount>,
    /// The memberships in organizations; Clerk leaves them out of webhooks as far as is known.
    #[serde(default, deserialize_with = "super::embedded_list")]
    pub organization_memberships: Vec<OrganizationMembership>,
    /// When the user last signed in; `None` on `user.created`.
    pub last_sign_in_at: Option<Timestamp>,
    /// When the user was last active, to the day.
    pub last_active_at: Option<Timestamp>,
    /// When the user accepted the terms of the application.
    pub legal_accepted_at: Option<Timestamp>,
    /// Whether the user is banned.
    pub banned: Option<bool>,
    /// Whether the user is locked out after too many attempts.
    pub locked: Option<bool>,
    /// Whether the user's directory has removed them, which is no `user.deleted`; since May 2026.
    pub deprovisioned: Option<bool>,
    /// The **seconds** until the lock-out ends; `None` for a locked user means never.
    pub lockout_expires_in_seconds: Option<i64>,
    /// The attempts left until the lock-out; `None` where the instance has none.
    pub verification_attempts_remaining: Option<i64>,
    /// Whether the user may delete their own account.
    pub delete_self_enabled: Option<bool>,
    /// Whether the user may create organizations.
    pub create_organization_enabled: Option<bool>,
    /// How many organizations the user may create, 0 = unlimited.
    ///
    /// [`organization_creation_limit`](Self::organization_creation_limit) reads it.
    pub create_organizations_limit: Option<i64>,
    /// Whether the user skips the check of new devices; since December 2025.
    pub bypass_client_trust: Option<bool>,
    /// The directory the user comes from; its absence proves nothing.
    pub scim: Option<ScimUserMetadata>,
    /// When the user was created.
    pub created_at: Option<Timestamp>,
    /// When the user last changed: of two payloads the later one wins, whatever order they arrive in.
    pub updated_at: Option<Timestamp>,
}

impl User {
    /// Returns the primary e-mail address, found by its id and not by its place in the list.
    ///
    /// `None` for users without an e-mail address, and where the list lacks the primary one. The address
    /// need not be verified.
    #[must_use]
    pub fn primary_email_address(&self) -> Option<&EmailAddress> {
        let id = self.primary_email_address_id.as_deref()?;
        self.email_addresses.iter().find(|email| email.id.as_deref() == Some(id))
    }

    /// Returns the primary phone number, found by its id and not by its place in the list.
    #[must_use]
    pub fn primary_phone_number(&self) -> Option<&PhoneNumber> {
        let id = self.primary_phone_number_id.as_deref()?;
        self.phone_numbers.iter().find(|phone| phone.id.as_deref() == Some(id))
    }

    /// Returns the primary wallet, found by its id and not by its place in the list.
    #[must_use]
    pub fn primary_web3_wallet(&self) -> Option<&Web3Wallet> {
        let id = self.primary_web3_wallet_id.as_deref()?;
        self.web3_wallets.iter().find(|wallet| wallet.id.as_deref() == Some(id))
    }

    /// Returns the e-mail addresses that the user has proven to own.
    pub fn verified_email_addresses(&self) -> impl Iterator<Item = &EmailAddress> {
        self.email_addresses.iter().filter(|email| email.is_verified())
    }

    /// Returns given and family name, or the one there is, and `None` without either.
    #[must_use]
    pub fn full_name(&self) -> Option<String> {
        let parts = [&self.first_name, &self.last_name];
        let mut parts = parts.into_iter().flatten().map(|part| part.trim()).filter(|part| !part.is_empty());
        let first = parts.next()?;
        Some(parts.fold(first.to_owned(), |name, part| name + " " + part))
    }

    /// Returns how many organizations the user may create, and `None` where this user has no limit.
    ///
    /// It says nothing of whether the user may create any: that is `create_organization_enabled`.
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
    fn the_id_alone_is_a_user() {
        let user = user(json!({}));
        assert_eq!(user.primary_email_address(), None);
        assert_eq!(user.full_name(), None);
        assert_eq!(user.verified_email_addresses().count(), 0);
        assert!(user.private_metadata.is_empty());
    }

    #[test]
    fn nulls_are_empty() {
        let user = user(json!({
            "email_addresses": null, "phone_numbers": null, "web3_wallets": null, "passkeys": null,
            "external_accounts": null, "saml_accounts": null, "enterprise_accounts": null,
            "organization_memberships": null, "private_metadata": null, "scim": null,
        }));
        assert!(user.email_addresses.is_empty() && user.organization_memberships.is_empty());
        assert!(user.private_metadata.is_empty());
    }

    #[test]
    fn primaries_are_found_by_id() {
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
    fn a_primary_that_is_not_listed_is_none() {
        let email = json!({ "email_address": "ada@example.com" });
        let listed = user(json!({ "primary_email_address_id": "idn_9", "email_addresses": [email] }));
        assert_eq!(listed.primary_email_address(), None);
        // Neither is an address without an id the primary one of a user without a primary id.
        assert_eq!(user(json!({ "email_addresses": [email] })).primary_email_address(), None);
    }

    #[test]
    fn full_names_skip_missing_and_blank_parts() {
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
    fn zero_organizations_is_no_limit() {
        for (limit, expected) in [(json!(0), None), (json!(null), None), (json!(3), Some(3))] {
            let user = user(json!({ "create_organizations_limit": limit }));
            assert_eq!(user.organization_creation_limit(), expected);
        }
    }
}
