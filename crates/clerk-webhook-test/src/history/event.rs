//! Events of a history.

use bytes::Bytes;
use clerk_webhook_core::{Event, EventType, MessageId, Timestamp};
use serde_json::Value;

use super::kind::ObjectKind;
use crate::delivery::Delivery;

/// An event of a history.
///
/// Clones share the body.
#[derive(Clone, Debug)]
pub struct HistoryEvent {
    pub(super) message_id: MessageId,
    pub(super) event_type: &'static str,
    pub(super) occurred_at: Timestamp,
    pub(crate) body: Bytes,
    pub(crate) change: Option<Change>,
}

/// The effect of an event on its object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: ObjectKind,
    pub(crate) id: String,
    pub(crate) deleted: bool,
}

impl Change {
    pub(super) fn written(kind: ObjectKind, id: &str) -> Option<Self> {
        Some(Self { kind, id: id.to_owned(), deleted: false })
    }

    pub(super) fn deleted(kind: ObjectKind, id: &str) -> Option<Self> {
        Some(Self { kind, id: id.to_owned(), deleted: true })
    }
}

impl HistoryEvent {
    /// Returns the message id, which is the same for every delivery of this event: `msg_` and 27 characters.
    #[must_use]
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// Returns the event type.
    #[must_use]
    pub fn event_type(&self) -> EventType {
        self.event_type.into()
    }

    /// Returns the time in the envelope, in milliseconds. It is later than the time of every earlier event.
    #[must_use]
    pub fn occurred_at(&self) -> Timestamp {
        self.occurred_at
    }

    /// Returns the body of a delivery: compact JSON with keys in alphabetical order, like Clerk's bodies.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }

    /// Returns the body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Returns the verified event.
    #[must_use]
    pub fn event(&self) -> Event {
        #[expect(clippy::expect_used, reason = "a test decodes events of all types")]
        Event::from_trusted(self.message_id.clone(), Timestamp::now(), self.body())
            .expect("the body is an event")
    }

    /// Creates a delivery of the event, signed at the current time.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        Delivery::of_body(self.body()).message_id(self.message_id.clone())
    }
}
