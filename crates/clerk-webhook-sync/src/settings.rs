//! What is kept, and of whom.

use std::sync::Arc;

use crate::schema::tables::Entity;

/// What the column `raw` has of the data that was sent.
///
/// Copies of other objects, which have rows of their own, are never in it; nor is where and with what a session was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RawColumn {
    /// Everything: private metadata, backup codes of second factors, links of invitations.
    Full,
    /// Everything but private metadata and what lets its reader sign in as somebody else.
    #[default]
    Redacted,
    /// Nothing.
    Off,
}

/// What an application has chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) raw: RawColumn,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) sessions: bool,
    pub(crate) billing: bool,
    pub(crate) waitlist: bool,
}

impl Settings {
    /// Returns whether something is kept of events of a type.
    pub(crate) fn keep(&self, event_type: &str) -> bool {
        let object = event_type.split('.').next().unwrap_or_default();
        match Entity::ALL.iter().find(|entity| entity.table().events == object) {
            Some(Entity::Sessions) => self.sessions,
            Some(Entity::Subscriptions | Entity::SubscriptionItems) => self.billing,
            Some(Entity::WaitlistEntries) => self.waitlist,
            Some(_) => true,
            None => false,
        }
    }
}
