//! Users' memberships in organizations.

use serde::{Deserialize, Serialize};

use super::{Metadata, Organization};
use crate::Timestamp;

/// A user's membership in an organization: the `data` of the `organizationMembership.*` events.
///
/// Unlike the other `*.deleted` events, `organizationMembership.deleted` contains the complete object. Data
/// with only an `id` is accepted too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrganizationMembership {
    /// The id (`orgmem_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The role's key: `org:admin`, `org:member`, a role that the application defines, or the old `admin`.
    pub role: Option<String>,
    /// The role's name.
    pub role_name: Option<String>,
    /// The keys of the role's permissions, such as `org:sys_profile:manage`.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub permissions: Vec<String>,
    /// Metadata that the frontend can read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Metadata that only the backend can read.
    #[serde(default)]
    pub private_metadata: Metadata,
    /// The organization; `None` if it has no id.
    #[serde(default, deserialize_with = "super::embedded")]
    pub organization: Option<Organization>,
    /// The user's public data.
    pub public_user_data: Option<MembershipPublicUserData>,
    /// The time at which the user became a member.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

impl OrganizationMembership {
    /// Returns the user's id, which Clerk sends inside `public_user_data`.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.public_user_data.as_ref()?.user_id.as_deref()
    }

    /// Returns the organization's id, which Clerk sends inside `organization`.
    #[must_use]
    pub fn organization_id(&self) -> Option<&str> {
        self.organization.as_ref().map(|organization| organization.id.as_str())
    }

    /// Returns whether the member has the permission with this key.
    ///
    /// ```
    /// use clerk_webhook_core::event::payload::OrganizationMembership;
    ///
    /// let membership: OrganizationMembership = serde_json::from_str(
    ///     r#"{"id":"orgmem_2fAq","organization":{"id":"org_2fAq","name":"Acme"},
    ///         "permissions":["org:invoices:read"],"public_user_data":{"user_id":"user_2fAq"},
    ///         "role":"org:accountant"}"#,
    /// )?;
    /// assert!(membership.has_permission("org:invoices:read"));
    /// assert!(!membership.has_permission("org:invoices"));
    /// assert!(!membership.is_admin());
    /// assert_eq!(membership.user_id(), Some("user_2fAq"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn has_permission(&self, key: &str) -> bool {
        self.permissions.iter().any(|permission| permission == key)
    }

    /// Returns whether the role is Clerk's admin role: `org:admin`, or `admin` before 2024.
    ///
    /// An instance can rename its roles, and it can give an admin's permissions to any role. For access
    /// decisions, use [`has_permission`](Self::has_permission).
    #[must_use]
    pub fn is_admin(&self) -> bool {
        matches!(self.role.as_deref(), Some("org:admin" | "admin"))
    }
}

/// The part of a user's data that other members of an organization can see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MembershipPublicUserData {
    /// The user's id.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub user_id: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The URL of the picture. Deprecated: use `image_url`.
    pub profile_image_url: Option<String>,
    /// The URL of the picture, or of Clerk's default picture.
    pub image_url: Option<String>,
    /// Whether the picture is not Clerk's default picture.
    pub has_image: Option<bool>,
    /// The user's identifier: an email address, phone number or username.
    pub identifier: Option<String>,
    /// The username; since October 2025.
    pub username: Option<String>,
    /// Whether the user is banned; since April 2026.
    pub banned: Option<bool>,
    /// Whether the user's directory removed the user; since July 2026.
    pub deprovisioned: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_a_membership_with_only_an_id() {
        for json in [
            r#"{"id":"orgmem_1"}"#,
            r#"{"id":"orgmem_1","organization":null,"public_user_data":null,"role":null}"#,
            r#"{"id":"orgmem_1","organization":{"id":"","name":"A"},"public_user_data":{"user_id":""}}"#,
            r#"{"id":"orgmem_1","organization":{"name":"A","id":null},"public_user_data":{"user_id":null}}"#,
        ] {
            let membership: OrganizationMembership = serde_json::from_str(json).unwrap();
            assert_eq!((membership.organization_id(), membership.user_id()), (None, None), "{json}");
            assert!(!membership.is_admin());
        }
    }

    fn membership(role: &str) -> OrganizationMembership {
        serde_json::from_value(serde_json::json!({
            "id": "orgmem_1",
            "role": role,
            "permissions": null,
            "organization": { "id": "org_1", "name": "A" },
        }))
        .unwrap()
    }

    #[test]
    fn recognizes_both_admin_roles() {
        assert!(membership("org:admin").is_admin());
        assert!(membership("admin").is_admin());
        assert!(!membership("org:administrator").is_admin());
        assert!(!membership("basic_member").is_admin());
    }

    #[test]
    fn decodes_a_membership_without_a_user() {
        let membership = membership("org:member");
        assert_eq!(membership.user_id(), None);
        assert_eq!(membership.organization_id(), Some("org_1"));
        assert!(!membership.has_permission("org:sys_profile:manage"));
    }
}
