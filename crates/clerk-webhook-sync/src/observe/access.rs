//! Roles and permissions.

use clerk_webhook_core::event::payload::{Permission, PermissionType, Role};

use super::organization::strings;
use super::{Observation, Observer};
use crate::apply::applied::IgnoredReason;
use crate::schema::tables::Entity;

impl Observer<'_> {
    pub(super) fn role(&self, role: &Role) -> Observation {
        let mut permissions: Vec<_> =
            role.permissions.iter().filter_map(|permission| permission.key.as_deref()).collect();
        permissions.sort_unstable();
        let columns = [
            ("created_at", role.created_at.into()),
            ("name", (&role.name).into()),
            ("key", (&role.key).into()),
            ("description", (&role.description).into()),
            ("is_creator_eligible", role.is_creator_eligible.into()),
            ("permissions", strings(&permissions)),
        ];
        self.whole(Entity::Roles, &role.id, role.updated_at, columns)
    }

    pub(super) fn permission(&self, permission: &Permission) -> Result<Vec<Observation>, IgnoredReason> {
        let id = permission.id.as_deref().ok_or(IgnoredReason::WithoutId)?;
        let columns = [
            ("created_at", permission.created_at.into()),
            ("name", (&permission.name).into()),
            ("key", (&permission.key).into()),
            ("description", (&permission.description).into()),
            ("kind", permission.kind.as_ref().map(PermissionType::as_str).into()),
        ];
        Ok(vec![self.whole(Entity::Permissions, id, permission.updated_at, columns)])
    }
}
