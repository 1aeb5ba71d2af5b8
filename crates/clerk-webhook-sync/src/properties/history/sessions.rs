//! Sessions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Step, World, pick};

#[derive(Clone, Debug)]
pub(super) struct Session {
    id: String,
    user: String,
    status: &'static str,
    created_at: i64,
    updated_at: i64,
}

const ENDS: [&str; 3] = ["ended", "removed", "revoked"];

impl World {
    pub(super) fn sign_in(&mut self, step: &Step) {
        let Some(user) = self.any_user(step.who) else { return };
        let (status, event_type) = match step.detail % 3 {
            0 => ("pending", "session.pending"),
            _ => ("active", "session.created"),
        };
        let session =
            Session { id: self.id("sess"), user, status, created_at: self.now, updated_at: self.now };
        self.send(event_type, &session.data());
        self.sessions.push(session);
    }

    pub(super) fn change_session(&mut self, step: &Step) {
        let Some(index) = pick(&self.sessions, step.detail) else { return };
        let session = &mut self.sessions[index];
        if ENDS.contains(&session.status) {
            return;
        }
        let event_type = if session.status == "pending" && step.who > 0 {
            session.status = "active";
            "session.created".to_owned()
        } else {
            session.status = ENDS[usize::from(step.whom) % 3];
            format!("session.{}", session.status)
        };
        session.updated_at = self.now;
        let data = session.data();
        self.send(&event_type, &data);
    }

    /// A session ends with its user, without an event of its own.
    pub(super) fn true_sessions(&self, lines: &mut BTreeSet<String>) {
        for Session { id, user, status, .. } in &self.sessions {
            if *status == "active" && self.is_there(user) {
                lines.insert(format!("session {id} {user}"));
            }
        }
    }
}

impl Session {
    fn data(&self) -> Value {
        let Self { id, user, status, created_at, updated_at } = self;
        json!({
            "abandon_at": created_at + 2, "client_id": "client_1", "created_at": created_at, "expire_at": created_at + 9,
            "id": id, "last_active_at": updated_at, "status": status, "updated_at": updated_at,
            "user": { "first_name": "somebody", "id": user, "updated_at": updated_at }, "user_id": user,
        })
    }
}
