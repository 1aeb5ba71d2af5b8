//! The waitlist of an application and the invitations into it.

use serde::{Deserialize, Serialize};

use super::{Metadata, Sensitive};
use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// Somebody who waits to be let into the application.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WaitlistEntry {
    /// The id (`wle_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The address that waits.
    pub email_address: Option<String>,
    /// The state of the entry.
    #[serde(default)]
    pub status: WaitlistEntryStatus,
    /// Whether a batch is working on the entry, so that nothing else can.
    pub is_locked: Option<bool>,
    /// When it was added.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// The invitation that answered it.
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

/// An invitation into the application.
///
/// It only occurs in a [`WaitlistEntry`]; the one into an organization is an
/// [`OrganizationInvitation`](super::OrganizationInvitation).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Invitation {
    /// The id (`inv_…`).
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub id: Option<String>,
    /// The address that was invited.
    pub email_address: Option<String>,
    /// Metadata that the user will have and the frontend may read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Whether it was withdrawn.
    pub revoked: Option<bool>,
    /// The state of the invitation.
    #[serde(default)]
    pub status: InvitationStatus,
    /// The link that accepts the invitation, for whoever holds it.
    pub url: Option<Sensitive<String>>,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
    /// When it was sent.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
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
    fn the_object_is_not_looked_at() {
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
