//! Organizations.

use serde::{Deserialize, Serialize};

use super::Metadata;
use crate::Timestamp;

/// An organization.
///
/// Inside an [`OrganizationMembership`](super::OrganizationMembership) Clerk leaves out `created_by` and
/// `private_metadata`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Organization {
    /// The id (`org_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The name.
    pub name: Option<String>,
    /// The name in URLs; `None` where the instance has switched slugs off.
    pub slug: Option<String>,
    /// The logo, or the picture Clerk made up.
    pub image_url: Option<String>,
    /// Whether the logo was uploaded.
    pub has_image: Option<bool>,
    /// The logo under a name that is deprecated and not sent since 2024.
    pub logo_url: Option<String>,
    /// The number of members.
    pub members_count: Option<i64>,
    /// Whether no member can manage the organization any more.
    pub missing_member_with_elevated_permissions: Option<bool>,
    /// The number of invitations that wait for an answer.
    pub pending_invitations_count: Option<i64>,
    /// The greatest number of members, 0 = unlimited; see [`membership_limit`](Self::membership_limit).
    pub max_allowed_memberships: Option<i64>,
    /// Whether admins may delete the organization.
    pub admin_delete_enabled: Option<bool>,
    /// Metadata that the frontend may read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Metadata of the backend; absent inside a membership.
    #[serde(default)]
    pub private_metadata: Metadata,
    /// The id of the user who created it; absent inside a membership.
    pub created_by: Option<String>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
    /// When a member was last active in it.
    pub last_active_at: Option<Timestamp>,
    /// The key of the role set it uses; since February 2026.
    pub role_set_key: Option<String>,
}

impl Organization {
    /// Returns the greatest number of members, and `None` where there is no limit.
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

/// The part of an organization that people outside it may see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PublicOrganizationData {
    /// The id (`org_…`).
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The name in URLs; `None` where the instance has switched slugs off.
    pub slug: Option<String>,
    /// The logo, or the picture Clerk made up.
    pub image_url: Option<String>,
    /// Whether the logo was uploaded.
    pub has_image: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_and_absent_memberships_are_unlimited() {
        for (limit, expected) in [("0", None), ("null", None), ("5", Some(5))] {
            let json = format!(r#"{{"id":"org_1","max_allowed_memberships":{limit},"name":"A"}}"#);
            let organization: Organization = serde_json::from_str(&json).unwrap();
            assert_eq!(organization.membership_limit(), expected);
            assert_eq!(organization.slug, None);
        }
    }
}
