//! Actions on roles, permissions and the waitlist.

use serde_json::json;

use crate::history::access::{Permission, Role, Waiting};
use crate::history::event::Change;
use crate::history::kind::ObjectKind;
use crate::history::world::World;

const WORDS: [(&str, &str); 4] = [
    ("create", "Allows to create & to change"),
    ("delete", "Allows to delete"),
    ("export", "Erlaubt die Ausfuhr"),
    ("read", "Allows to read"),
];

impl World {
    pub(super) fn create_permission(&mut self) {
        self.new_permission();
    }

    fn new_permission(&mut self) -> u32 {
        let number = self.number();
        let now = self.log.moment();
        let (word, description) = self.log.random.pick(&WORDS);
        let key = self.access.permissions.insert(Permission {
            created_at: now,
            description,
            id: self.log.id("perm"),
            key: format!("org:things{number}:{word}"),
            name: format!("Things {number}: {word}"),
            object: "permission",
            r#type: "user",
            updated_at: now,
        });
        self.record_permission(key, "permission.created");
        key
    }

    fn any_permission(&mut self) -> u32 {
        self.access.permissions.any(&mut self.log.random).unwrap_or_else(|| self.new_permission())
    }

    pub(super) fn change_permission(&mut self) {
        let key = self.any_permission();
        let permission = &mut self.access.permissions[key];
        permission.updated_at = self.log.next_version(permission.updated_at);
        permission.description = self.log.random.pick(&WORDS).1;
        self.record_permission(key, "permission.updated");
    }

    pub(super) fn delete_permission(&mut self) {
        let key = self.any_permission();
        let Some(permission) = self.access.permissions.remove(key) else { return };
        self.log.moment();
        let data = json!({ "deleted": true, "id": permission.id, "object": "permission" });
        let change = Change::deleted(ObjectKind::Permission, &permission.id);
        self.log.record("permission.deleted", &data, change);
    }

    pub(super) fn create_role(&mut self) {
        self.new_role();
    }

    fn new_role(&mut self) -> u32 {
        let permission = self.any_permission();
        let number = self.number();
        let now = self.log.moment();
        let key = self.access.roles.insert(Role {
            created_at: now,
            description: None,
            id: self.log.id("role"),
            is_creator_eligible: false,
            key: format!("org:role{number}"),
            name: format!("Role {number}"),
            object: "role",
            permissions: vec![self.access.permissions[permission].clone()],
            updated_at: now,
        });
        self.record_role(key, "role.created");
        key
    }

    fn any_role(&mut self) -> u32 {
        self.access.roles.any(&mut self.log.random).unwrap_or_else(|| self.new_role())
    }

    pub(super) fn change_role_of_all(&mut self) {
        let key = self.any_role();
        let role = &mut self.access.roles[key];
        role.updated_at = self.log.next_version(role.updated_at);
        role.is_creator_eligible = !role.is_creator_eligible;
        role.description = Some(self.log.random.pick(&WORDS).1);
        self.record_role(key, "role.updated");
    }

    pub(super) fn delete_role(&mut self) {
        let key = self.any_role();
        let Some(role) = self.access.roles.remove(key) else { return };
        self.log.moment();
        let data = json!({ "deleted": true, "id": role.id, "object": "role", "slug": null });
        self.log.record("role.deleted", &data, Change::deleted(ObjectKind::Role, &role.id));
    }

    pub(super) fn wait(&mut self) {
        self.new_waiting();
    }

    fn new_waiting(&mut self) -> u32 {
        let number = self.number();
        let now = self.log.moment();
        let key = self.access.waiting.insert(Waiting {
            id: self.log.id("wle"),
            email_address: format!("waiting.{number}@example.org"),
            created_at: now,
        });
        let waiting = &self.access.waiting[key];
        let data = json!({
            "created_at": now,
            "email_address": waiting.email_address,
            "id": waiting.id,
            "invitation": null,
            "is_locked": false,
            "object": "waitlist_entry",
            "status": "pending",
            "updated_at": now,
        });
        let change = Change::written(ObjectKind::WaitlistEntry, &waiting.id);
        self.log.record("waitlistEntry.created", &data, change);
        key
    }

    pub(super) fn invite_waiting(&mut self) {
        let key = self.access.waiting.any(&mut self.log.random);
        let key = key.unwrap_or_else(|| self.new_waiting());
        let Some(waiting) = self.access.waiting.remove(key) else { return };
        let now = self.log.next_version(waiting.created_at);
        let data = json!({
            "created_at": waiting.created_at,
            "email_address": waiting.email_address,
            "id": waiting.id,
            "invitation": {
                "created_at": now,
                "email_address": waiting.email_address,
                "expires_at": now + 30 * 24 * 3_600_000,
                "id": self.log.id("inv"),
                "object": "invitation",
                "public_metadata": { "source": "waitlist" },
                "revoked": false,
                "status": "pending",
                "updated_at": now,
                "url": "https://accounts.example.com/v1/tickets/accept?ticket=d2FpdGVk",
            },
            "is_locked": true,
            "object": "waitlist_entry",
            "status": "invited",
            "updated_at": now,
        });
        let change = Change::written(ObjectKind::WaitlistEntry, &waiting.id);
        self.log.record("waitlistEntry.updated", &data, change);
    }

    fn record_permission(&mut self, key: u32, event_type: &'static str) {
        let permission = &self.access.permissions[key];
        let change = Change::written(ObjectKind::Permission, &permission.id);
        self.log.record(event_type, permission, change);
    }

    fn record_role(&mut self, key: u32, event_type: &'static str) {
        let role = &self.access.roles[key];
        self.log.record(event_type, role, Change::written(ObjectKind::Role, &role.id));
    }
}
