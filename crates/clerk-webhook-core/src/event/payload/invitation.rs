//! Invitations to organizations.

use serde::{Deserialize, Serialize};

use super::{Metadata, PublicOrganizationData, Sensitive};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An invitation to an organization: the `data` of the `organizationInvitation.*` events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrganizationInvitation {
    /// The id (`orginv_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The invited email address.
    pub email_address: Option<String>,
    /// The key of the role that the user will have, such as `org:member`.
    pub role: Option<String>,
    /// The role's name.
    pub role_name: Option<String>,
    /// The organization's id.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub organization_id: Option<String>,
    /// The id of the inviting user; since November 2025.
    pub inviter_id: Option<String>,
    /// The public data of the inviting user; since December 2025.
    pub public_inviter_data: Option<InviterPublicUserData>,
    /// The state of the invitation.
    pub status: Option<OrganizationInvitationStatus>,
    /// Metadata that the membership will have and that the frontend can read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Metadata that the membership will have and that only the backend can read.
    #[serde(default)]
    pub private_metadata: Metadata,
    /// The link that accepts the invitation. Anyone who has the link can use it.
    pub url: Option<Sensitive<String>>,
    /// The expiry time.
    pub expires_at: Option<Timestamp>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The id of the user who accepted the invitation; only in `organizationInvitation.accepted`, since
    /// October 2025.
    pub user_id: Option<String>,
    /// One of the two places where Clerk can send the organization. [`organization`](Self::organization)
    /// reads both.
    pub public_organization_data: Option<PublicOrganizationData>,
    /// The other place where Clerk can send the organization. Clerk's schema defines this one.
    data: Option<AcceptedInvitationData>,
}

impl OrganizationInvitation {
    /// Returns the organization's public data.
    ///
    /// Only `organizationInvitation.accepted` can contain it. Clerk's TypeScript types define it as a field
    /// of the invitation, and Clerk's schema defines it as a field of `data` inside the invitation. This
    /// method reads both.
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

/// The public data of an inviting user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InviterPublicUserData {
    /// The user's id.
    pub user_id: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The URL of the picture, or of Clerk's default picture.
    pub image_url: Option<String>,
    /// Whether the picture is not Clerk's default picture.
    pub has_image: Option<bool>,
    /// The user's identifier: an email address, phone number or username.
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
    fn finds_the_organization_in_both_fields() {
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
    fn debug_does_not_show_the_link() {
        let invitation = invitation("");
        assert!(!format!("{invitation:?}").contains("t1cket"));
        assert!(invitation.url.is_some_and(|url| url.contains("t1cket")));
    }
}
