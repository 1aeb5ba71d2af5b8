//! Records changes as events: the clock, the ids, and the envelope.

use std::collections::VecDeque;

use bytes::Bytes;
use clerk_webhook_core::{MessageId, Timestamp};
use serde::Serialize;

use super::event::{Change, HistoryEvent};
use super::random::Random;
use crate::id::ksuid;

const USER_AGENTS: [&str; 4] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "okhttp/5.1.0",
    "",
];

/// Creates an event for each change, in order.
#[derive(Debug)]
pub(super) struct EventLog {
    pub(super) random: Random,
    /// The current time in milliseconds. It increases with each event.
    now: i64,
    ties: bool,
    instance_id: String,
    events: VecDeque<HistoryEvent>,
    buffer: Vec<u8>,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    data: &'a T,
    event_attributes: Attributes,
    instance_id: &'a str,
    object: &'static str,
    timestamp: i64,
    r#type: &'static str,
}

#[derive(Serialize)]
struct Attributes {
    http_request: HttpRequest,
}

#[derive(Serialize)]
struct HttpRequest {
    client_ip: String,
    user_agent: &'static str,
}

impl EventLog {
    pub(super) fn new(seed: u64, start: Timestamp, ties: bool) -> Self {
        let mut log = Self {
            random: Random::new(seed),
            // The clamp keeps all times of a history in range.
            now: start.as_millis().clamp(0, i64::MAX / 2),
            ties,
            instance_id: String::new(),
            events: VecDeque::new(),
            buffer: Vec::new(),
        };
        log.instance_id = log.id("ins");
        log
    }

    /// Creates an id that no other object of any history has.
    pub(super) fn id(&mut self, prefix: &str) -> String {
        let random = u128::from(self.random.bits()) << 64 | u128::from(self.random.bits());
        ksuid(prefix, Timestamp::from_millis(self.now), random)
    }

    /// Advances the clock by one millisecond to about an hour, and returns the time.
    pub(super) fn moment(&mut self) -> i64 {
        let scale = 1 << self.random.below(22);
        self.now += 1 + self.random.below(scale) as i64;
        self.now
    }

    /// Advances the clock by 1 to 30 ms, as between two steps of a request, and returns the time.
    pub(super) fn soon(&mut self) -> i64 {
        self.now += 1 + self.random.below(30) as i64;
        self.now
    }

    /// Returns the time of an object's next version. With ties, it may equal the time of the last version.
    pub(super) fn next_version(&mut self, updated_at: i64) -> i64 {
        let moment = self.moment();
        if self.ties && self.random.percent(33) { updated_at } else { moment }
    }

    /// Records a change as an event whose time is some milliseconds later, as at Clerk.
    pub(super) fn record(&mut self, r#type: &'static str, data: &impl Serialize, change: Option<Change>) {
        self.now += 4 + self.random.below(25) as i64;
        let envelope = Envelope {
            data,
            event_attributes: Attributes {
                http_request: HttpRequest {
                    client_ip: format!("192.0.2.{}", 1 + self.random.below(254)),
                    user_agent: self.random.pick(&USER_AGENTS),
                },
            },
            instance_id: &self.instance_id,
            object: "event",
            timestamp: self.now,
            r#type,
        };
        self.buffer.clear();
        #[expect(
            clippy::expect_used,
            reason = "the data has string keys, and writing to memory cannot fail"
        )]
        serde_json::to_writer(&mut self.buffer, &envelope).expect("the event is serializable");
        #[expect(clippy::expect_used, reason = "letters and digits are a valid id")]
        let message_id: MessageId = self.id("msg").parse().expect("the id is valid");
        self.events.push_back(HistoryEvent {
            message_id,
            event_type: r#type,
            occurred_at: Timestamp::from_millis(self.now),
            body: Bytes::copy_from_slice(&self.buffer),
            change,
        });
    }

    /// Removes and returns the oldest event.
    pub(super) fn take(&mut self) -> Option<HistoryEvent> {
        self.events.pop_front()
    }
}
