//! Settings that decide which data the sync stores.

use std::sync::Arc;

use crate::schema::tables::Entity;

/// The part of an event's data that the `raw` column stores.
///
/// The column never contains copies of objects that have their own rows, or a session's device and location.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RawColumn {
    /// All data, including private metadata, backup codes for second factors, and invitation links.
    Full,
    /// All data except private metadata and secrets that let a reader sign in as another person.
    #[default]
    Redacted,
    /// No data; the column is null.
    Off,
}

/// The settings that decide what a [`ClerkSync`](crate::ClerkSync) stores.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) raw: RawColumn,
    pub(crate) instance_id: Option<Arc<str>>,
    pub(crate) sessions: bool,
    pub(crate) billing: bool,
    pub(crate) waitlist: bool,
}

impl Settings {
    /// Returns whether the sync stores events of this type.
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
