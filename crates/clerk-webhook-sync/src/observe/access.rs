//! Roles and permissions.

use clerk_webhook_core::event::payload::{Permission, PermissionType, Role};

use super::organization::strings;
use super::{Observation, Observer};
use crate::schema::Entity;

impl Observer<'_> {
    pub(super) fn role(&self, role: &Role) -> Observation {
        let mut permissions: Vec<_> =
            role.permissions.iter().map(|permission| permission.key.as_str()).collect();
        permissions.sort_unstable();
        let columns = Entity::Roles.table().row([
            ("created_at", role.created_at.into()),
            ("name", role.name.as_str().into()),
            ("key", role.key.as_str().into()),
            ("description", (&role.description).into()),
            ("is_creator_eligible", role.is_creator_eligible.into()),
            ("permissions", strings(&permissions)),
            ("raw", self.raw(&[])),
        ]);
        self.whole(Entity::Roles, &role.id, Some(role.updated_at), columns, Vec::new())
    }

    pub(super) fn permission(&self, permission: &Permission) -> Observation {
        let columns = Entity::Permissions.table().row([
            ("created_at", permission.created_at.into()),
            ("name", permission.name.as_str().into()),
            ("key", permission.key.as_str().into()),
            ("description", (&permission.description).into()),
            ("kind", permission.kind.as_ref().map(PermissionType::as_str).into()),
            ("raw", self.raw(&[])),
        ]);
        self.whole(Entity::Permissions, &permission.id, Some(permission.updated_at), columns, Vec::new())
    }
}
