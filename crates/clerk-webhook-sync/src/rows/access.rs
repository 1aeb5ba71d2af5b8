//! Roles and permissions.

use clerk_webhook_core::Timestamp;

use super::{Columns, FromColumns};
use crate::schema::Entity;

/// A role, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RoleRow {
    /// The id (`role_…`).
    pub id: String,
    /// When the role last changed.
    pub updated_at: Timestamp,
    /// When the role was created.
    pub created_at: Option<Timestamp>,
    /// The name.
    pub name: Option<String>,
    /// The key, such as `org:admin`.
    pub key: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Whether the creator of an organization can get the role.
    pub is_creator_eligible: bool,
    /// The keys of the permissions that it gives, in alphabetical order.
    pub permissions: Vec<String>,
}

/// A permission, as the newest event has told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PermissionRow {
    /// The id (`perm_…`).
    pub id: String,
    /// When the permission last changed.
    pub updated_at: Timestamp,
    /// When the permission was created.
    pub created_at: Option<Timestamp>,
    /// The name.
    pub name: Option<String>,
    /// The key, such as `org:invoices:read`.
    pub key: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who has defined it: `system` or `user`.
    pub kind: Option<String>,
}

impl FromColumns for RoleRow {
    const ENTITY: Entity = Entity::Roles;

    fn read(columns: &mut Columns) -> Option<Self> {
        let (id, updated_at) = (columns.text(), columns.time());
        Some(Self {
            id: id?,
            updated_at: updated_at?,
            created_at: columns.time(),
            name: columns.text(),
            key: columns.text(),
            description: columns.text(),
            is_creator_eligible: columns.yes(),
            permissions: columns.json(),
        })
    }
}

impl FromColumns for PermissionRow {
    const ENTITY: Entity = Entity::Permissions;

    fn read(columns: &mut Columns) -> Option<Self> {
        let (id, updated_at) = (columns.text(), columns.time());
        Some(Self {
            id: id?,
            updated_at: updated_at?,
            created_at: columns.time(),
            name: columns.text(),
            key: columns.text(),
            description: columns.text(),
            kind: columns.text(),
        })
    }
}
