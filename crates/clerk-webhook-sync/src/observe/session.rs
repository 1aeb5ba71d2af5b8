//! Sessions.

use clerk_webhook_core::event::payload::Session;

use super::{Observation, Observer, status};
use crate::schema::tables::Entity;

impl Observer<'_> {
    /// Observes a session. Sessions are never deleted; their status changes when they end.
    pub(super) fn session(&self, session: &Session) -> Observation {
        let columns = [
            ("created_at", session.created_at.into()),
            ("user_id", session.user_id.as_str().into()),
            ("client_id", (&session.client_id).into()),
            ("status", status(session.status.as_str())),
            ("last_active_organization_id", (&session.last_active_organization_id).into()),
            ("last_active_at", session.last_active_at.into()),
            ("expire_at", session.expire_at.into()),
            ("abandon_at", session.abandon_at.into()),
        ];
        self.whole(Entity::Sessions, &session.id, session.updated_at, columns)
    }
}
