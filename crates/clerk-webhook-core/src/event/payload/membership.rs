//! Memberships of users in organizations.

use serde::{Deserialize, Serialize};

use super::{Metadata, Organization};
use crate::Timestamp;

/// The membership of a user in an organization, the `data` of the `organizationMembership.*` events.
///
/// Clerk sends the whole membership on `organizationMembership.deleted` too, unlike every other deleted object.
/// Data with only an `id` is accepted as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OrganizationMembership {
    /// The id (`orgmem_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The key of the role: `org:admin`, `org:member`, one of the application, or the old `admin`.
    pub role: Option<String>,
    /// The name of the role.
    pub role_name: Option<String>,
    /// The keys of the permissions that the role gives, such as `org:sys_profile:manage`.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub permissions: Vec<String>,
    /// Metadata that the frontend may read.
    #[serde(default)]
    pub public_metadata: Metadata,
    /// Metadata of the backend.
    #[serde(default)]
    pub private_metadata: Metadata,
    /// The organization; `None` if it has no id.
    #[serde(default, deserialize_with = "super::embedded")]
    pub organization: Option<Organization>,
    /// The user, as far as other members may see them.
    pub public_user_data: Option<MembershipPublicUserData>,
    /// When the user became a member.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

impl OrganizationMembership {
    /// Returns the id of the user, which Clerk sends inside `public_user_data`.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.public_user_data.as_ref()?.user_id.as_deref()
    }

    /// Returns the id of the organization, which Clerk sends inside `organization`.
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

    /// Returns whether the role is Clerk's admin role, `org:admin` or `admin` as it was before 2024.
    ///
    /// An instance can rename its roles and give any role the same rights; where rights matter, ask
    /// [`has_permission`](Self::has_permission).
    #[must_use]
    pub fn is_admin(&self) -> bool {
        matches!(self.role.as_deref(), Some("org:admin" | "admin"))
    }
}

/// The part of a user that other members of an organization may see.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MembershipPublicUserData {
    /// The id of the user.
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub user_id: Option<String>,
    /// The given name.
    pub first_name: Option<String>,
    /// The family name.
    pub last_name: Option<String>,
    /// The picture under its deprecated name.
    pub profile_image_url: Option<String>,
    /// The picture, or the one Clerk made up.
    pub image_url: Option<String>,
    /// Whether the picture is the user's own.
    pub has_image: Option<bool>,
    /// What the user is known by: an e-mail address, phone number or user name.
    pub identifier: Option<String>,
    /// The user name; since October 2025.
    pub username: Option<String>,
    /// Whether the user is banned; since April 2026.
    pub banned: Option<bool>,
    /// Whether the user's directory has removed them; since July 2026.
    pub deprovisioned: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_alone_is_a_membership() {
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
    fn both_admin_roles_are_admins() {
        assert!(membership("org:admin").is_admin());
        assert!(membership("admin").is_admin());
        assert!(!membership("org:administrator").is_admin());
        assert!(!membership("basic_member").is_admin());
    }

    #[test]
    fn a_membership_without_its_user_decodes() {
        let membership = membership("org:member");
        assert_eq!(membership.user_id(), None);
        assert_eq!(membership.organization_id(), Some("org_1"));
        assert!(!membership.has_permission("org:sys_profile:manage"));
    }
}
