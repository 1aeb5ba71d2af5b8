//! The waitlist.

use clerk_webhook_core::event::payload::WaitlistEntry;

use super::{Observation, Observer, status};
use crate::schema::tables::Entity;

impl Observer<'_> {
    pub(super) fn waitlist_entry(&self, entry: &WaitlistEntry) -> Observation {
        let invitation = entry.invitation.as_ref().and_then(|invitation| invitation.id.as_deref());
        let columns = [
            ("created_at", entry.created_at.into()),
            ("email_address", (&entry.email_address).into()),
            ("status", status(entry.status.as_str())),
            ("is_locked", entry.is_locked.into()),
            ("invitation_id", invitation.into()),
        ];
        self.whole(Entity::WaitlistEntries, &entry.id, entry.updated_at, columns)
    }
}
