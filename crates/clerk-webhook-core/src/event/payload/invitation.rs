//! Invitations into organizations.

use serde::{Deserialize, Serialize};

use super::{Metadata, PublicOrganizationData, Sensitive};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An invitation into an organization, the `data` of the `organizationInvitation.*` events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrganizationInvitation {
    /// The id (`orginv_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The address that was invited.
    pub email_address: Option<String>,
    /// The key of the role the user will have, such as `org:member`.
    pub role: Option<String>,
    /// The name of that role.
    pub role_name: Option<String>,
    /// The id of the organization.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub organization_id: Option<String>,
    /// The id of the user who invited; since November 2025.
    pub inviter_id: Option<String>,
    /// The user who invited, as far as the invited may see them; since December 2025.
    pub public_inviter_data: Option<InviterPublicUserData>,
    /// The state of the invitation.
    pub status: Option<OrganizationInvitationStatus>,
    /// Metadata that the membership will have and the frontend may read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Metadata of the backend that the membership will have.
    #[serde(default)]
    pub private_metadata: Metadata,
    /// The link that accepts the invitation, for whoever holds it.
    pub url: Option<Sensitive<String>>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was sent.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// The id of the user who accepted; only on `.accepted`, since October 2025.
    pub user_id: Option<String>,
    /// The organization in one of its two places; read it with [`organization`](Self::organization).
    pub public_organization_data: Option<PublicOrganizationData>,
    /// The other place, which Clerk's schema names.
    data: Option<AcceptedInvitationData>,
}

impl OrganizationInvitation {
    /// Returns the organization, as far as the invited may see it; only on `.accepted`, and not always.
    ///
    /// Clerk's TypeScript types have it in the invitation and its schema has it in a `data` inside the
    /// invitation, so both places are looked at.
    ///
    /// ```
    /// use clerk_webhook_core::event::payload::OrganizationInvitation;
    ///
    /// let invitation: OrganizationInvitation = serde_json::from_str(
    ///     r#"{"email_address":"ada@example.com","id":"orginv_2fAq","role":"org:member",
    ///         "data":{"public_organization_data":{"id":"org_2fAq","name":"Acme"}}}"#,
    /// )?;
    /// let name = invitation.organization().and_then(|organization| organization.name.as_deref());
    /// assert_eq!(name, Some("Acme"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn organization(&self) -> Option<&PublicOrganizationData> {
        let nested = || self.data.as_ref()?.public_organization_data.as_ref();
        self.public_organization_data.as_ref().or_else(nested)
    }
}

open_enum! {
    /// The state of an [`OrganizationInvitation`].
    OrganizationInvitationStatus {
        Pending = "pending",
        Accepted = "accepted",
        Revoked = "revoked",
        Expired = "expired",
    }
}

/// The part of an inviting user that the invited may see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InviterPublicUserData {
    /// The id of the user.
    pub user_id: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The picture, or the one Clerk made up.
    pub image_url: Option<String>,
    /// Whether the picture is the user's own.
    pub has_image: Option<bool>,
    /// What the user is known by: an e-mail address, phone number or user name.
    pub identifier: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct AcceptedInvitationData {
    public_organization_data: Option<PublicOrganizationData>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(more: &str) -> OrganizationInvitation {
        let json = format!(
            r#"{{"id":"orginv_1","email_address":"ada@example.com","role":"org:member",
                "created_at":1,"updated_at":2,"url":"https://example.com/?ticket=t1cket"{more}}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    #[test]
    fn the_organization_is_found_in_both_places() {
        let organization = r#""public_organization_data":{"id":"org_1","name":"Acme"}"#;
        for more in [format!(",{organization}"), format!(r#","data":{{{organization}}}"#)] {
            let invitation = invitation(&more);
            assert_eq!(invitation.organization().and_then(|it| it.id.as_deref()), Some("org_1"), "{more}");
        }
        for more in ["", r#","data":null"#, r#","data":{}"#, r#","public_organization_data":null"#] {
            assert_eq!(invitation(more).organization(), None, "{more}");
        }
    }

    #[test]
    fn the_link_is_redacted() {
        let invitation = invitation("");
        assert!(!format!("{invitation:?}").contains("t1cket"));
        assert!(invitation.url.is_some_and(|url| url.contains("t1cket")));
    }
}
