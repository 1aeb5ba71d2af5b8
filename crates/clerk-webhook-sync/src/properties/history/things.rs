//! Invitations, domains, roles and permissions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Step, World, pick};

/// An invitation, a domain, a role or a permission.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    kind: usize,
    id: String,
    organization: String,
    state: u8,
    created_at: i64,
    updated_at: i64,
}

const KINDS: [&str; 4] = ["organizationInvitation", "organizationDomain", "role", "permission"];
const STATUS: [&str; 3] = ["pending", "accepted", "revoked"];
const MODES: [&str; 3] = ["manual_invitation", "automatic_invitation", "automatic_suggestion"];

impl World {
    pub(super) fn add_thing(&mut self, step: &Step) {
        let kind = usize::from(step.detail) % 4;
        let organization = match self.any_organization(step.whom) {
            Some(organization) => organization,
            None if kind > 1 => String::new(),
            None => return,
        };
        let thing = Thing {
            kind,
            id: self.id("thing"),
            organization,
            state: 0,
            created_at: self.now,
            updated_at: self.now,
        };
        self.send(&format!("{}.created", KINDS[kind]), &thing.data());
        self.things.push(thing);
    }

    pub(super) fn change_thing(&mut self, step: &Step) {
        let Some(index) = pick(&self.things, step.detail) else { return };
        let thing = &mut self.things[index];
        if thing.kind == 0 && thing.state != 0 {
            return;
        }
        thing.state = 1 + (thing.state + step.who) % 2;
        thing.updated_at = self.now;
        let change = match (thing.kind, thing.state) {
            (0, 1) => "accepted",
            (0, _) => "revoked",
            _ => "updated",
        };
        let (event_type, data) = (format!("{}.{change}", KINDS[thing.kind]), thing.data());
        self.send(&event_type, &data);
    }

    pub(super) fn delete_thing(&mut self, step: &Step) {
        let Some(index) = pick(&self.things, step.detail) else { return };
        // An invitation is never deleted.
        if self.things[index].kind > 0 {
            let thing = self.things.remove(index);
            let data = json!({ "deleted": true, "id": thing.id, "object": "thing" });
            self.send(&format!("{}.deleted", KINDS[thing.kind]), &data);
        }
    }

    /// Invitations and domains end with their organization, without events of their own.
    pub(super) fn end_things_of(&mut self, organization: &str) {
        self.things.retain(|thing| thing.kind > 1 || thing.organization != *organization);
    }

    pub(super) fn true_things(&self, lines: &mut BTreeSet<String>) {
        for Thing { kind, id, organization, state, .. } in &self.things {
            lines.insert(match kind {
                0 => format!("invitation {id} {organization} {}", STATUS[usize::from(*state)]),
                1 => format!("domain {id} {organization} {}", MODES[usize::from(*state)]),
                2 => format!("role {id} name-{state}"),
                _ => format!("permission {id} name-{state}"),
            });
        }
    }
}

impl Thing {
    fn data(&self) -> Value {
        let Self { id, organization, .. } = self;
        let (created_at, updated_at) = (self.created_at, self.updated_at);
        let name = format!("name-{}", self.state);
        match self.kind {
            0 => json!({
                "created_at": created_at, "email_address": "guest@example.com", "id": id, "organization_id": organization,
                "role": "org:member", "status": STATUS[usize::from(self.state)], "updated_at": updated_at,
                "url": "https://example.com/?ticket=secret",
            }),
            1 => json!({
                "created_at": created_at, "enrollment_mode": MODES[usize::from(self.state)], "id": id,
                "name": "example.com", "organization_id": organization, "total_pending_invitations": 0,
                "total_pending_suggestions": 0, "updated_at": updated_at,
            }),
            _ => {
                json!({ "created_at": created_at, "id": id, "key": "org:key", "name": name, "updated_at": updated_at })
            }
        }
    }
}
