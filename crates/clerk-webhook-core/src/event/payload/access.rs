//! Roles and permissions in organizations.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::event::open_enum::open_enum;

/// A role that members of organizations can have.
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
    /// What the role is for.
    pub description: Option<String>,
    /// Whether the creator of an organization can get the role.
    pub is_creator_eligible: Option<bool>,
    /// The permissions that the role gives.
    #[serde(default, deserialize_with = "super::null_as_default")]
    pub permissions: Vec<Permission>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

/// A permission that roles can give.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Permission {
    /// The id (`perm_…`); `None` if Clerk leaves it out, as it may inside a [`Role`].
    #[serde(default, deserialize_with = "super::empty_as_none")]
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The key, such as `org:invoices:create`.
    pub key: Option<String>,
    /// What the permission allows.
    pub description: Option<String>,
    /// The `type`: who defined the permission.
    #[serde(rename = "type")]
    pub kind: Option<PermissionType>,
    /// When it was created.
    pub created_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Option<Timestamp>,
}

open_enum! {
    /// Who defined a [`Permission`].
    PermissionType {
        /// Clerk.
        System = "system",
        /// The application.
        User = "user",
        /// The application, in the examples of Clerk's schema.
        Custom = "custom",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_keeps_permissions_of_unknown_types() {
        let json = r#"{"created_at":1,"id":"role_1","key":"auditor","name":"Auditor","description":null,
            "permissions":[{"created_at":1,"description":"","id":"perm_1","key":"org:a:b","name":"B",
            "type":"robot","updated_at":1}],"updated_at":1}"#;
        let role: Role = serde_json::from_str(json).unwrap();
        assert_eq!(role.is_creator_eligible, None);
        assert_eq!(role.permissions[0].kind, Some(PermissionType::Other("robot".into())));
    }
}
