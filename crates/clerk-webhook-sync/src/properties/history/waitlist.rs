//! The waitlist.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Step, World, pick};

/// Somebody who waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    id: String,
    status: &'static str,
    created_at: i64,
    updated_at: i64,
}

impl World {
    /// Somebody begins to wait, or somebody else is answered.
    pub(super) fn wait(&mut self, step: &Step) {
        let Some(index) = pick(&self.waiting, step.who).filter(|_| step.whom > 0) else {
            let waiting =
                Waiting { id: self.id("wle"), status: "pending", created_at: self.now, updated_at: self.now };
            self.send("waitlistEntry.created", &waiting.data());
            self.waiting.push(waiting);
            return;
        };
        let waiting = &mut self.waiting[index];
        waiting.status = match waiting.status {
            "pending" if step.detail.is_multiple_of(2) => "rejected",
            "pending" | "rejected" => "invited",
            _ => "completed",
        };
        waiting.updated_at = self.now;
        let data = waiting.data();
        self.send("waitlistEntry.updated", &data);
    }

    pub(super) fn true_waitlist(&self, lines: &mut BTreeSet<String>) {
        for Waiting { id, status, .. } in &self.waiting {
            lines.insert(format!("waiting {id} {id}@example.com {status}"));
        }
    }
}

impl Waiting {
    fn data(&self) -> Value {
        let Self { id, status, created_at, updated_at } = self;
        json!({
            "created_at": created_at, "email_address": format!("{id}@example.com"), "id": id, "invitation": null,
            "is_locked": false, "status": status, "updated_at": updated_at,
        })
    }
}
