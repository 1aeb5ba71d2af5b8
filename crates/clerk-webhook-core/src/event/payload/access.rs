//! Roles and permissions in organizations.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// A role that organization members can have: the `data` of `role.created` and `role.updated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Role {
    /// The id (`role_…`).
    #[serde(deserialize_with = "super::id")]
    pub id: String,
    /// The name.
    pub name: Option<String>,
    /// The key, such as `org:admin`.
    pub key: Option<String>,
    /// The role's description.
    pub description: Option<String>,
    /// Whether the creator of an organization can have this role.
    pub is_creator_eligible: Option<bool>,
    /// The role's permissions.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub permissions: Vec<Permission>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

/// A permission that roles can contain: the `data` of `permission.created` and `permission.updated`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Permission {
    /// The id (`perm_…`). Clerk can omit it inside a [`Role`].
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The key, such as `org:invoices:create`.
    pub key: Option<String>,
    /// The permission's description.
    pub description: Option<String>,
    /// The origin of the permission, sent as `type`.
    #[serde(rename = "type")]
    pub kind: Option<PermissionType>,
    /// The time of creation.
    pub created_at: Option<Timestamp>,
    /// The time of the last change.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// The origin of a [`Permission`].
    PermissionType {
        /// Defined by Clerk.
        System = "system",
        /// Defined by the application.
        User = "user",
        /// Defined by the application; used in the examples in Clerk's schema.
        Custom = "custom",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_a_permission_of_an_unknown_type() {
        let json = r#"{"created_at":1,"id":"role_1","key":"auditor","name":"Auditor","description":null,
            "permissions":[{"created_at":1,"description":"","id":"perm_1","key":"org:a:b","name":"B",
            "type":"robot","updated_at":1}],"updated_at":1}"#;
        let role: Role = serde_json::from_str(json).unwrap();
        assert_eq!(role.is_creator_eligible, None);
        assert_eq!(role.permissions[0].kind, Some(PermissionType::Other("robot".into())));
    }
}
