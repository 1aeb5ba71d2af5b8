//! What reached a handler.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use clerk_webhook_core::Event;

/// A delivery as a handler sees it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivered {
    pub id: String,
    pub event_type: String,
    pub body: Bytes,
    /// How often the handler has been called with it, where somebody counts.
    pub attempt: Option<u32>,
}

/// What the handlers of a server have been called with.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Vec<Delivered>>>);

impl Inbox {
    /// Takes an event from a handler, and the body from one that has it in the way of its framework, too.
    pub fn push(&self, event: &Event, body: Option<&[u8]>) {
        let mut event_type = event.event_type().to_string();
        if body.is_some_and(|body| body != event.raw_body()) {
            event_type.push_str(", and the body is not that of the event");
        }
        self.keep(event, event_type, None);
    }

    /// Takes an event from a handler that knows how often it was called with it.
    pub fn push_attempt(&self, event: &Event, attempt: Option<u32>) {
        self.keep(event, event.event_type().to_string(), attempt);
    }

    fn keep(&self, event: &Event, event_type: String, attempt: Option<u32>) {
        let (id, body) = (event.message_id().to_string(), event.raw_body().clone());
        self.0.lock().unwrap().push(Delivered { id, event_type, body, attempt });
    }

    /// Returns what has come since the last time, sorted.
    pub fn take(&self) -> Vec<Delivered> {
        let mut taken = std::mem::take(&mut *self.0.lock().unwrap());
        taken.sort();
        taken
    }
}
