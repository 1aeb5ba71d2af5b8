//! Accounts at other providers with which a user signs in.

use serde::{Deserialize, Serialize};

use super::{Metadata, Verification};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An account at an OAuth provider.
///
/// Clerk used to send Google accounts with other fields (`google_id`, `given_name`, `family_name`, `picture`)
/// and without the fields that other providers' accounts have. Therefore almost all fields are optional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExternalAccount {
    /// The form in which Clerk sent the account.
    #[serde(default)]
    pub object: ExternalAccountKind,
    /// The id (`eac_…`). A Google account has `idn_…` here and `eac_…` in `external_account_id`.
    pub id: Option<String>,
    /// The provider, such as `google` or `oauth_google`.
    pub provider: Option<String>,
    /// The id of the account's identification (`idn_…`).
    pub identification_id: Option<String>,
    /// The user's id at the provider.
    pub provider_user_id: Option<String>,
    /// The OAuth scopes that the user granted, separated by spaces.
    pub approved_scopes: Option<String>,
    /// The email address at the provider.
    pub email_address: Option<String>,
    /// Whether the provider verified the address; since February 2026.
    pub email_address_verified: Option<bool>,
    /// The given name at the provider.
    pub first_name: Option<String>,
    /// The family name at the provider.
    pub last_name: Option<String>,
    /// The URL of the picture at the provider; can be empty. Deprecated: use `image_url`.
    pub avatar_url: Option<String>,
    /// The URL of the picture at the provider.
    pub image_url: Option<String>,
    /// The username at the provider; can be empty.
    pub username: Option<String>,
    /// The phone number at the provider.
    pub phone_number: Option<String>,
    /// Metadata that the frontend can read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// The application's label for the account.
    pub label: Option<String>,
    /// The time at which the user connected the account.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The state of the verification.
    pub verification: Option<Verification>,
    /// The account's `eac_…` id if `id` has a different form; only for Google and Facebook accounts.
    pub external_account_id: Option<String>,
    /// The user's id at Google; only for Google accounts.
    pub google_id: Option<String>,
    /// The given name; only for Google accounts.
    pub given_name: Option<String>,
    /// The family name, can be empty; only for Google accounts.
    pub family_name: Option<String>,
    /// The URL of the picture, can be empty; only for Google accounts.
    pub picture: Option<String>,
}

impl ExternalAccount {
    /// Returns whether the user completed the connection with the provider.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verification.as_ref().is_some_and(Verification::is_verified)
    }
}

open_enum! {
    /// The form of an [`ExternalAccount`].
    ExternalAccountKind {
        ExternalAccount = "external_account",
        GoogleAccount = "google_account",
        FacebookAccount = "facebook_account",
    }
}

/// An account at a SAML identity provider; replaced by [`EnterpriseAccount`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SamlAccount {
    /// The id.
    pub id: Option<String>,
    /// The identity provider, such as `saml_okta`.
    pub provider: Option<String>,
    /// Whether the account is active.
    pub active: Option<bool>,
    /// The email address at the identity provider.
    pub email_address: Option<String>,
    /// The given name at the identity provider.
    pub first_name: Option<String>,
    /// The family name at the identity provider.
    pub last_name: Option<String>,
    /// The user's id at the identity provider.
    pub provider_user_id: Option<String>,
    /// The time of the last sign-in with the account.
    pub last_authenticated_at: Option<Timestamp>,
    /// Attributes from the identity provider, which the frontend can read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// The state of the verification.
    pub verification: Option<Verification>,
    /// The account's connection.
    pub saml_connection: Option<SamlAccountConnection>,
}

/// The connection of a [`SamlAccount`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SamlAccountConnection {
    /// The id.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The email domain. Deprecated since April 2026: use `domains`.
    pub domain: Option<String>,
    /// The email domains; since April 2026.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub domains: Vec<String>,
    /// Whether the connection is enabled.
    pub active: Option<bool>,
    /// The identity provider, such as `saml_okta`.
    pub provider: Option<String>,
    /// Whether each sign-in copies attributes from the identity provider to the user.
    pub sync_user_attributes: Option<bool>,
    /// Whether users with an address in a subdomain can also sign in with the connection.
    pub allow_subdomains: Option<bool>,
    /// Whether a sign-in can start at the identity provider.
    pub allow_idp_initiated: Option<bool>,
    /// Whether users who sign in with the connection are prevented from adding other identifications.
    pub disable_additional_identifications: Option<bool>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

/// An account at an enterprise identity provider that uses SAML or OAuth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnterpriseAccount {
    /// The id.
    pub id: Option<String>,
    /// The protocol.
    pub protocol: Option<EnterpriseProtocol>,
    /// The identity provider, such as `saml_okta`.
    pub provider: Option<String>,
    /// Whether the account is active.
    pub active: Option<bool>,
    /// The email address at the identity provider.
    pub email_address: Option<String>,
    /// The given name at the identity provider.
    pub first_name: Option<String>,
    /// The family name at the identity provider.
    pub last_name: Option<String>,
    /// The user's id at the identity provider.
    pub provider_user_id: Option<String>,
    /// The id of the account's connection.
    pub enterprise_connection_id: Option<String>,
    /// Attributes from the identity provider, which the frontend can read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// The state of the verification.
    pub verification: Option<Verification>,
    /// The account's connection.
    pub enterprise_connection: Option<EnterpriseAccountConnection>,
    /// The time of the last sign-in with the account.
    pub last_authenticated_at: Option<Timestamp>,
}

/// The connection of an [`EnterpriseAccount`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnterpriseAccountConnection {
    /// The id.
    pub id: Option<String>,
    /// The protocol.
    #[serde(default)]
    pub protocol: EnterpriseProtocol,
    /// The identity provider, such as `saml_okta`.
    pub provider: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The URL of the logo.
    pub logo_public_url: Option<String>,
    /// The email domain. Deprecated since April 2026: use `domains`.
    pub domain: Option<String>,
    /// The email domains; since April 2026.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub domains: Vec<String>,
    /// Whether the connection is enabled.
    pub active: Option<bool>,
    /// Whether each sign-in copies attributes from the identity provider to the user.
    pub sync_user_attributes: Option<bool>,
    /// Whether users with an address in a subdomain can also sign in with the connection.
    pub allow_subdomains: Option<bool>,
    /// Whether a sign-in can start at the identity provider.
    pub allow_idp_initiated: Option<bool>,
    /// Whether users who sign in with the connection are prevented from adding other identifications.
    pub disable_additional_identifications: Option<bool>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// The protocol of an enterprise identity provider.
    EnterpriseProtocol {
        Saml = "saml",
        Oauth = "oauth",
    }
}

/// Metadata for a user whom a directory provisions with SCIM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScimUserMetadata {
    /// The id of the directory.
    pub directory_id: Option<String>,
    /// Whether the directory is enabled. Clerk omits the field if the directory is disabled.
    pub directory_enabled: Option<bool>,
    /// The user's id in the directory.
    pub external_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_an_account_with_only_kind_and_id() {
        let account: ExternalAccount =
            serde_json::from_str(r#"{"id":"idn_1","object":"google_account"}"#).unwrap();
        assert_eq!(account.object, ExternalAccountKind::GoogleAccount);
        assert!(!account.is_verified());
    }

    #[test]
    fn decodes_domain_and_domains() {
        let json = r#"{"active":true,"allow_idp_initiated":false,"allow_subdomains":true,"created_at":1,
            "disable_additional_identifications":false,"domain":"a.example",
            "domains":["a.example","b.example"],"id":"ent_1","logo_public_url":null,"name":"A",
            "protocol":"saml","provider":"saml_okta","sync_user_attributes":true,"updated_at":2}"#;
        let connection: EnterpriseAccountConnection = serde_json::from_str(json).unwrap();
        assert_eq!(connection.domain.as_deref(), Some("a.example"));
        assert_eq!(connection.domains.len(), 2);
        assert_eq!(connection.protocol, EnterpriseProtocol::Saml);
    }
}
