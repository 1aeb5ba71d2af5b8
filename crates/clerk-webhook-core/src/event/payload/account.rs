//! Accounts elsewhere that a user signs in with.

use serde::{Deserialize, Serialize};

use super::{Metadata, Verification};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An account at an OAuth provider.
///
/// Google accounts were long sent in a shape of their own (`google_id`, `given_name`, `family_name`,
/// `picture`) without the fields of the others, so nearly everything is optional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ExternalAccount {
    /// The shape in which Clerk sent the account.
    #[serde(default)]
    pub object: ExternalAccountKind,
    /// The id, `eac_…`; on a Google account `idn_…`, with the former in `external_account_id`.
    pub id: Option<String>,
    /// The provider, written `google` or `oauth_google`.
    pub provider: Option<String>,
    /// The id of the identification behind the account (`idn_…`).
    pub identification_id: Option<String>,
    /// The id of the user at the provider.
    pub provider_user_id: Option<String>,
    /// The OAuth scopes the user has granted, separated by spaces.
    pub approved_scopes: Option<String>,
    /// The e-mail address at the provider.
    pub email_address: Option<String>,
    /// Whether the provider vouches for the address, `None` if unknown; since February 2026.
    pub email_address_verified: Option<bool>,
    /// The given name at the provider.
    pub first_name: Option<String>,
    /// The family name at the provider.
    pub last_name: Option<String>,
    /// The picture at the provider under its deprecated name; may be empty.
    pub avatar_url: Option<String>,
    /// The picture at the provider.
    pub image_url: Option<String>,
    /// The user name at the provider; may be empty.
    pub username: Option<String>,
    /// The phone number at the provider.
    pub phone_number: Option<String>,
    /// Metadata that the frontend may read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// The label the application gave the account.
    pub label: Option<String>,
    /// When it was connected.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// The state of its verification.
    pub verification: Option<Verification>,
    /// The `eac_…` id where `id` is another; Google and Facebook only.
    pub external_account_id: Option<String>,
    /// The id at Google; Google accounts only.
    pub google_id: Option<String>,
    /// The given name; Google accounts only.
    pub given_name: Option<String>,
    /// The family name, may be empty; Google accounts only.
    pub family_name: Option<String>,
    /// The picture, may be empty; Google accounts only.
    pub picture: Option<String>,
}

impl ExternalAccount {
    /// Returns whether the connection with the provider was completed.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.verification.as_ref().is_some_and(Verification::is_verified)
    }
}

open_enum! {
    /// The shape of an [`ExternalAccount`].
    ExternalAccountKind {
        ExternalAccount = "external_account",
        GoogleAccount = "google_account",
        FacebookAccount = "facebook_account",
    }
}

/// An account at a SAML identity provider, superseded by [`EnterpriseAccount`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SamlAccount {
    /// The id.
    pub id: Option<String>,
    /// The identity provider, such as `saml_okta`.
    pub provider: Option<String>,
    /// Whether the account can be used.
    pub active: Option<bool>,
    /// The e-mail address at the identity provider.
    pub email_address: Option<String>,
    /// The given name at the identity provider.
    pub first_name: Option<String>,
    /// The family name at the identity provider.
    pub last_name: Option<String>,
    /// The id of the user at the identity provider.
    pub provider_user_id: Option<String>,
    /// When the user last signed in with it.
    pub last_authenticated_at: Option<Timestamp>,
    /// Attributes that the identity provider sent, readable by the frontend.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// The state of its verification.
    pub verification: Option<Verification>,
    /// The connection it came through.
    pub saml_connection: Option<SamlAccountConnection>,
}

/// The connection that a [`SamlAccount`] came through.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SamlAccountConnection {
    /// The id.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The e-mail domain, deprecated since April 2026 in favour of `domains`.
    pub domain: Option<String>,
    /// The e-mail domains; since April 2026.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub domains: Vec<String>,
    /// Whether it is switched on.
    pub active: Option<bool>,
    /// The identity provider, such as `saml_okta`.
    pub provider: Option<String>,
    /// Whether each sign-in updates the user from the identity provider.
    pub sync_user_attributes: Option<bool>,
    /// Whether subdomains of the domains sign in through it too.
    pub allow_subdomains: Option<bool>,
    /// Whether a sign-in may start at the identity provider.
    pub allow_idp_initiated: Option<bool>,
    /// Whether its users may not add other identifications.
    pub disable_additional_identifications: Option<bool>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

/// An account at an enterprise identity provider, reached by SAML or OAuth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EnterpriseAccount {
    /// The id.
    pub id: Option<String>,
    /// The protocol.
    pub protocol: Option<EnterpriseProtocol>,
    /// The identity provider, such as `saml_okta`.
    pub provider: Option<String>,
    /// Whether the account can be used.
    pub active: Option<bool>,
    /// The e-mail address at the identity provider.
    pub email_address: Option<String>,
    /// The given name at the identity provider.
    pub first_name: Option<String>,
    /// The family name at the identity provider.
    pub last_name: Option<String>,
    /// The id of the user at the identity provider.
    pub provider_user_id: Option<String>,
    /// The id of the connection it came through.
    pub enterprise_connection_id: Option<String>,
    /// Attributes that the identity provider sent, readable by the frontend.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// The state of its verification.
    pub verification: Option<Verification>,
    /// The connection it came through.
    pub enterprise_connection: Option<EnterpriseAccountConnection>,
    /// When the user last signed in with it.
    pub last_authenticated_at: Option<Timestamp>,
}

/// The connection that an [`EnterpriseAccount`] came through.
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
    /// The logo.
    pub logo_public_url: Option<String>,
    /// The e-mail domain, deprecated since April 2026 in favour of `domains`.
    pub domain: Option<String>,
    /// The e-mail domains; since April 2026.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub domains: Vec<String>,
    /// Whether it is switched on.
    pub active: Option<bool>,
    /// Whether each sign-in updates the user from the identity provider.
    pub sync_user_attributes: Option<bool>,
    /// Whether subdomains of the domains sign in through it too.
    pub allow_subdomains: Option<bool>,
    /// Whether a sign-in may start at the identity provider.
    pub allow_idp_initiated: Option<bool>,
    /// Whether its users may not add other identifications.
    pub disable_additional_identifications: Option<bool>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// The protocol spoken with an enterprise identity provider.
    EnterpriseProtocol {
        Saml = "saml",
        Oauth = "oauth",
    }
}

/// What a directory that provisions users through SCIM says of one of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ScimUserMetadata {
    /// The id of the directory.
    pub directory_id: Option<String>,
    /// Whether the directory is switched on; left out by Clerk when it is not.
    pub directory_enabled: Option<bool>,
    /// The id of the user in the directory.
    pub external_id: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_and_id_are_enough() {
        let account: ExternalAccount =
            serde_json::from_str(r#"{"id":"idn_1","object":"google_account"}"#).unwrap();
        assert_eq!(account.object, ExternalAccountKind::GoogleAccount);
        assert!(!account.is_verified());
    }

    #[test]
    fn both_spellings_of_the_domain_are_read() {
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
