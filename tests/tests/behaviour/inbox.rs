//! The calls to a handler.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use clerk_webhook_core::Event;

/// A delivery as the handler receives it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delivered {
    pub id: String,
    pub event_type: String,
    pub body: Bytes,
    /// The attempt number, if the receiver counts attempts.
    pub attempt: Option<u32>,
}

/// The calls to all handlers of a server.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Vec<Delivered>>>);

impl Inbox {
    /// Records an event from a handler.
    pub fn push(&self, event: &Event) {
        self.keep(event, event.event_type().to_string(), None);
    }

    /// Records an event and the body from a handler that extracts both.
    pub fn push_with_body(&self, event: &Event, body: &[u8]) {
        let differs =
            if body == event.raw_body() { "" } else { ", and the body differs from the event's body" };
        self.keep(event, format!("{}{differs}", event.event_type()), None);
    }

    /// Records an event and the body, which must share their memory.
    pub fn push_with_same_body(&self, event: &Event, body: &[u8]) {
        let is_same = body.as_ptr() == event.raw_body().as_ptr();
        let copied = if is_same { "" } else { ", and the body is a copy" };
        self.push_with_body(event, body);
        self.0.lock().unwrap().last_mut().expect("the event was pushed above").event_type.push_str(copied);
    }

    /// Records an event from a handler that knows the attempt number.
    pub fn push_attempt(&self, event: &Event, attempt: Option<u32>) {
        self.keep(event, event.event_type().to_string(), attempt);
    }

    fn keep(&self, event: &Event, event_type: String, attempt: Option<u32>) {
        let (id, body) = (event.message_id().to_string(), event.raw_body().clone());
        self.0.lock().unwrap().push(Delivered { id, event_type, body, attempt });
    }

    /// Removes and returns the calls since the last `take`, sorted.
    pub fn take(&self) -> Vec<Delivered> {
        let mut taken = std::mem::take(&mut *self.0.lock().unwrap());
        taken.sort();
        taken
    }
}
