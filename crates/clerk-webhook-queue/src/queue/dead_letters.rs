//! Dead letters, and a queue's statistics.

use std::fmt;

use bytes::Bytes;
use clerk_webhook_core::event::EventError;
use clerk_webhook_core::{Event, EventType, MessageId, Timestamp};

/// An event that is not retried any more, because its handler failed too often or rejected it.
///
/// It stays in the queue until it is [retried](crate::JobQueue::retry_dead) or
/// [discarded](crate::JobQueue::discard).
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    /// The message id.
    pub message_id: MessageId,
    /// The type of the event.
    pub event_type: EventType,
    /// The number of attempts to handle the event since it was enqueued or last retried as a dead letter.
    pub attempts: u32,
    /// The time at which the event was enqueued.
    pub enqueued_at: Timestamp,
    /// The time at which the event became a dead letter.
    pub died_at: Timestamp,
    /// The text of the last error.
    pub last_error: Option<String>,
    attempted_at: Timestamp,
    body: Bytes,
}

impl DeadLetter {
    /// Creates a dead letter from a stored event. `attempted_at` is the time at which the sender signed it.
    ///
    /// The queue must set the other fields: `attempts`, `enqueued_at`, `died_at` and `last_error`.
    pub fn new(message_id: MessageId, event_type: EventType, attempted_at: Timestamp, body: Bytes) -> Self {
        Self {
            message_id,
            event_type,
            attempts: 0,
            enqueued_at: attempted_at,
            died_at: attempted_at,
            last_error: None,
            attempted_at,
            body,
        }
    }

    /// Returns the event.
    ///
    /// # Errors
    ///
    /// Returns an error if the stored body is not an event. This happens only if somebody has changed it.
    pub fn event(&self) -> Result<Event, EventError> {
        Event::from_trusted(self.message_id.clone(), self.attempted_at, self.body.clone())
    }
}

/// Omits the body, because it contains personal data.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("message_id", &self.message_id)
            .field("event_type", &self.event_type)
            .field("attempts", &self.attempts)
            .field("enqueued_at", &self.enqueued_at)
            .field("died_at", &self.died_at)
            .field("last_error", &self.last_error)
            .finish_non_exhaustive()
    }
}

/// A queue's statistics at one moment: how many events are in each state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// The number of events that are waiting for an attempt, including those whose retry delay is not over.
    pub ready: u64,
    /// The number of events that are being handled.
    pub running: u64,
    /// The number of dead letters.
    pub dead: u64,
    /// The time at which the oldest waiting event was enqueued.
    pub oldest_ready: Option<Timestamp>,
    /// The statistics for each event type, in alphabetical order.
    pub by_type: Vec<EventTypeStats>,
}

impl QueueStats {
    /// Calculates the totals from the statistics for each event type.
    pub fn new(mut by_type: Vec<EventTypeStats>) -> Self {
        by_type.sort_by(|one, other| one.event_type.as_str().cmp(other.event_type.as_str()));
        Self {
            ready: by_type.iter().map(|stats| stats.ready).sum(),
            running: by_type.iter().map(|stats| stats.running).sum(),
            dead: by_type.iter().map(|stats| stats.dead).sum(),
            oldest_ready: by_type.iter().filter_map(|stats| stats.oldest_ready).min(),
            by_type,
        }
    }
}

/// A queue's statistics for one event type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventTypeStats {
    /// The event type.
    pub event_type: EventType,
    /// The number of events that are waiting for an attempt, including those whose retry delay is not over.
    pub ready: u64,
    /// The number of events that are being handled.
    pub running: u64,
    /// The number of dead letters.
    pub dead: u64,
    /// The time at which the oldest waiting event was enqueued.
    pub oldest_ready: Option<Timestamp>,
}

impl EventTypeStats {
    /// Creates statistics in which all numbers are 0.
    pub fn new(event_type: EventType) -> Self {
        Self { event_type, ready: 0, running: 0, dead: 0, oldest_ready: None }
    }
}
