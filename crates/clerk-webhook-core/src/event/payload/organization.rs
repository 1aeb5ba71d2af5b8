//! Organizations.

use serde::{Deserialize, Serialize};

use super::Metadata;
use crate::Timestamp;

/// An organization: the `data` of `organization.created` and `organization.updated`.
///
/// Inside an [`OrganizationMembership`](super::OrganizationMembership), Clerk omits `created_by` and
/// `private_metadata`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Organization {
    /// The id (`org_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The name.
    pub name: Option<String>,
    /// The name in URLs; `None` if the instance does not use slugs.
    pub slug: Option<String>,
    /// The URL of the logo, or of Clerk's default picture.
    pub image_url: Option<String>,
    /// Whether a logo was uploaded.
    pub has_image: Option<bool>,
    /// The URL of the logo, in a deprecated field that Clerk has not sent since 2024.
    pub logo_url: Option<String>,
    /// The number of members.
    pub members_count: Option<i64>,
    /// Whether the organization lacks a member who can manage it.
    pub missing_member_with_elevated_permissions: Option<bool>,
    /// The number of pending invitations.
    pub pending_invitations_count: Option<i64>,
    /// The maximum number of members; 0 means unlimited. See [`membership_limit`](Self::membership_limit).
    pub max_allowed_memberships: Option<i64>,
    /// Whether admins can delete the organization.
    pub admin_delete_enabled: Option<bool>,
    /// Metadata that the frontend can read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Metadata that only the backend can read; missing inside a membership.
    #[serde(default)]
    pub private_metadata: Metadata,
    /// The id of the user who created the organization; missing inside a membership.
    pub created_by: Option<String>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
    /// The time at which a member was last active in the organization.
    pub last_active_at: Option<Timestamp>,
    /// The key of the organization's role set; since February 2026.
    pub role_set_key: Option<String>,
}

impl Organization {
    /// Returns the maximum number of members, or `None` if the number is unlimited.
    ///
    /// ```
    /// use clerk_webhook_core::event::payload::Organization;
    ///
    /// let organization: Organization =
    ///     serde_json::from_str(r#"{"id":"org_2fAq","max_allowed_memberships":0,"name":"Acme"}"#)?;
    /// assert_eq!(organization.membership_limit(), None);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn membership_limit(&self) -> Option<i64> {
        self.max_allowed_memberships.filter(|limit| *limit > 0)
    }
}

/// The part of an organization's data that people outside the organization can see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PublicOrganizationData {
    /// The id (`org_…`).
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The name in URLs; `None` if the instance does not use slugs.
    pub slug: Option<String>,
    /// The URL of the logo, or of Clerk's default picture.
    pub image_url: Option<String>,
    /// Whether a logo was uploaded.
    pub has_image: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_zero_or_null_means_unlimited() {
        for (limit, expected) in [("0", None), ("null", None), ("5", Some(5))] {
            let json = format!(r#"{{"id":"org_1","max_allowed_memberships":{limit},"name":"A"}}"#);
            let organization: Organization = serde_json::from_str(&json).unwrap();
            assert_eq!(organization.membership_limit(), expected);
            assert_eq!(organization.slug, None);
        }
    }
}
