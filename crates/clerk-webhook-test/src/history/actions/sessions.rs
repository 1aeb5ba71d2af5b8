//! Actions on sessions.

use serde::Serialize;

use crate::history::event::Change;
use crate::history::kind::ObjectKind;
use crate::history::person::Person;
use crate::history::session::Session;
use crate::history::world::World;

const DAY: i64 = 24 * 3_600_000;

/// The maximum number of stored sessions. Each further session replaces a random one.
const REMEMBERED: usize = 1000;

#[derive(Serialize)]
struct SessionData<'a> {
    abandon_at: i64,
    actor: Option<()>,
    client_id: &'a str,
    created_at: i64,
    expire_at: i64,
    id: &'a str,
    last_active_at: i64,
    last_active_organization_id: Option<&'a str>,
    latest_activity: Option<Activity>,
    object: &'static str,
    status: &'static str,
    updated_at: i64,
    user: &'a Person,
    user_id: &'a str,
}

#[derive(Serialize)]
struct Activity {
    browser_name: &'static str,
    browser_version: &'static str,
    city: &'static str,
    country: &'static str,
    device_type: &'static str,
    id: String,
    ip_address: &'static str,
    is_mobile: bool,
    object: &'static str,
}

impl World {
    pub(super) fn sign_in(&mut self) {
        let person = self.anybody();
        self.new_session(person, "session.created", "active");
    }

    /// A person signs in with a pending task, such as choosing an organization.
    pub(super) fn sign_in_with_tasks(&mut self) {
        let person = self.anybody();
        self.new_session(person, "session.pending", "pending");
    }

    pub(super) fn end_session(&mut self) {
        self.close_session("session.ended", "ended");
    }

    pub(super) fn remove_session(&mut self) {
        self.close_session("session.removed", "removed");
    }

    pub(super) fn revoke_session(&mut self) {
        self.close_session("session.revoked", "revoked");
    }

    pub(super) fn new_session(&mut self, person: u32, event_type: &'static str, status: &'static str) -> u32 {
        if self.sessions.len() >= REMEMBERED
            && let Some(forgotten) = self.sessions.any(&mut self.log.random)
        {
            self.sessions.remove(forgotten);
        }
        let now = self.log.moment();
        let session = Session {
            person,
            id: self.log.id("sess"),
            client_id: self.log.id("client"),
            status,
            created_at: now,
            updated_at: now,
        };
        let key = self.sessions.insert(session);
        self.record_session(key, event_type);
        key
    }

    fn close_session(&mut self, event_type: &'static str, status: &'static str) {
        let people = &self.people;
        let open = |session: &Session| people.get(session.person).is_some();
        let key = match self.sessions.any_with(&mut self.log.random, open) {
            Some(key) => key,
            None => {
                let person = self.anybody();
                self.new_session(person, "session.created", "active")
            }
        };
        let session = &mut self.sessions[key];
        session.updated_at = self.log.next_version(session.updated_at);
        session.status = status;
        self.record_session(key, event_type);
        self.sessions.remove(key);
    }

    fn record_session(&mut self, key: u32, event_type: &'static str) {
        let activity = self.log.random.percent(70).then(|| Activity {
            browser_name: "Firefox",
            browser_version: "143.0",
            city: "Turin",
            country: "IT",
            device_type: "Linux",
            id: self.log.id("sess_activity"),
            ip_address: "192.0.2.17",
            is_mobile: false,
            object: "session_activity",
        });
        let session = &self.sessions[key];
        // The nested user is equal to the user in the last event about this user.
        let user = &self.people[session.person];
        let organization = user.organizations.first().and_then(|key| self.organizations.get(*key));
        let data = SessionData {
            abandon_at: session.created_at + 30 * DAY,
            actor: None,
            client_id: &session.client_id,
            created_at: session.created_at,
            expire_at: session.created_at + 7 * DAY,
            id: &session.id,
            last_active_at: session.updated_at,
            last_active_organization_id: organization.map(|organization| organization.id.as_str()),
            latest_activity: activity,
            object: "session",
            status: session.status,
            updated_at: session.updated_at,
            user,
            user_id: &user.id,
        };
        self.log.record(event_type, &data, Change::written(ObjectKind::Session, &session.id));
    }
}
