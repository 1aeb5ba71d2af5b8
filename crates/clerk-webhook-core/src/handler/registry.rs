//! The registered handlers, by event type.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use super::context::Context;
use crate::answer::Failure;
use crate::event::{EventData, EventType, Unrecognized};

/// A handler's boxed future.
pub(super) type Handling = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// A boxed handler. It returns the data and the context unchanged if the data does not have the handler's
/// payload type.
pub(super) type OnEvent<S> =
    Box<dyn Fn(Context<S>) -> Result<Handling, (Box<EventData>, Context<S>)> + Send + Sync>;

/// A boxed handler for data that cannot be decoded as its event type's payload.
pub(super) type OnUndecodable<S> = Box<dyn Fn(Unrecognized, Context<S>) -> Handling + Send + Sync>;

/// All registered handlers.
pub(super) struct Registry<S> {
    pub(super) by_type: HashMap<EventType, OnEvent<S>>,
    pub(super) otherwise: Option<OnEvent<S>>,
    pub(super) on_undecodable: Option<OnUndecodable<S>>,
}

impl<S> Default for Registry<S> {
    fn default() -> Self {
        Self { by_type: HashMap::new(), otherwise: None, on_undecodable: None }
    }
}

impl<S> Registry<S> {
    /// Returns the event types that have a handler, in alphabetical order.
    pub(super) fn event_types(&self) -> Vec<EventType> {
        let mut event_types: Vec<_> = self.by_type.keys().cloned().collect();
        event_types.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        event_types
    }
}

impl<S> fmt::Debug for Registry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers")
            .field("event_types", &self.event_types())
            .field("otherwise", &self.otherwise.is_some())
            .field("on_undecodable", &self.on_undecodable.is_some())
            .finish()
    }
}
