//! An application's waitlist, and invitations to the application.

use serde::{Deserialize, Serialize};

use super::{Metadata, Sensitive};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// An entry in the application's waitlist: the `data` of the `waitlistEntry.*` events.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WaitlistEntry {
    /// The id (`wle_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The person's email address.
    pub email_address: Option<String>,
    /// The state of the entry.
    #[serde(default)]
    pub status: WaitlistEntryStatus,
    /// Whether a batch operation has locked the entry.
    pub is_locked: Option<bool>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The invitation that was sent for this entry.
    pub invitation: Option<Invitation>,
}

open_enum! {
    /// The state of a [`WaitlistEntry`].
    WaitlistEntryStatus {
        Pending = "pending",
        Invited = "invited",
        Completed = "completed",
        Rejected = "rejected",
    }
}

/// An invitation to the application.
///
/// It occurs only in a [`WaitlistEntry`]. An invitation to an organization is an
/// [`OrganizationInvitation`](super::OrganizationInvitation).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Invitation {
    /// The id (`inv_…`).
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub id: Option<String>,
    /// The invited email address.
    pub email_address: Option<String>,
    /// Metadata that the user will have and that the frontend can read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Whether the invitation was revoked.
    pub revoked: Option<bool>,
    /// The state of the invitation.
    #[serde(default)]
    pub status: InvitationStatus,
    /// The link that accepts the invitation. Anyone who has the link can use it.
    pub url: Option<Sensitive<String>>,
    /// The expiry time.
    pub expires_at: Option<Timestamp>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// The state of an [`Invitation`].
    InvitationStatus {
        Pending = "pending",
        Accepted = "accepted",
        Revoked = "revoked",
        Expired = "expired",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_the_object_field() {
        for object in ["waitlist_entry", "waitlistEntry"] {
            let json = format!(
                r#"{{"created_at":1,"email_address":"ada@example.com","id":"wle_1","object":"{object}",
                    "status":"completed","updated_at":1}}"#
            );
            let entry: WaitlistEntry = serde_json::from_str(&json).unwrap();
            assert_eq!(entry.status, WaitlistEntryStatus::Completed);
        }
    }
}
