//! The waitlist.

use clerk_webhook_core::event::payload::WaitlistEntry;

use super::{Observation, Observer};
use crate::schema::Entity;

impl Observer<'_> {
    pub(super) fn waitlist_entry(&self, entry: &WaitlistEntry) -> Observation {
        let invitation = entry.invitation.as_ref().map(|invitation| invitation.id.as_str());
        let columns = Entity::WaitlistEntries.table().row([
            ("created_at", entry.created_at.into()),
            ("email_address", entry.email_address.as_str().into()),
            ("status", entry.status.as_str().into()),
            ("is_locked", entry.is_locked.into()),
            ("invitation_id", invitation.into()),
            ("raw", self.raw(&[])),
        ]);
        self.whole(Entity::WaitlistEntries, &entry.id, Some(entry.updated_at), columns, Vec::new())
    }
}
