//! The state of a message, which the queue stores in a header beside the body.

use std::time::Duration;

use clerk_webhook_core::{Event, MessageId, Timestamp};
use clerk_webhook_store::Owner;
use serde::{Deserialize, Serialize};

use crate::engines::common::truncated;
use crate::queue::job_queue::MAX_ERROR_LENGTH;
use crate::queue::object::object_of;

/// 100 years: practically unlimited, and small enough for every clock.
const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

/// The number of replaced records that a record remembers. Others may change a message several times before
/// a client checks its own record.
const REMEMBERED: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Ready,
    Running,
    Done,
    Dead,
}

/// The state of a message.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) event_type: String,
    pub(super) state: State,
    pub(super) attempts: u32,
    pub(super) attempted_at: i64,
    pub(super) enqueued_at: i64,
    /// The milliseconds that a running job's lease lasts, or that a ready job is delayed, counted from the
    /// time at which the server stored this record.
    #[serde(rename = "for")]
    pub(super) millis: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) object: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// The sequence of the record with which a running job's owner took it, if it is not this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// The sequences of the records that this one has replaced, beginning with the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    replaced: Vec<u64>,
}

impl Record {
    pub(super) fn new(event: &Event) -> Self {
        Self {
            id: event.message_id().as_str().to_owned(),
            event_type: event.event_type().as_str().to_owned(),
            state: State::Ready,
            attempts: 0,
            attempted_at: event.attempted_at().as_millis(),
            enqueued_at: Timestamp::now().as_millis(),
            millis: 0,
            object: object_of(event),
            owner: None,
            since: None,
            ended_at: None,
            error: None,
            replaced: Vec::new(),
        }
    }

    /// Returns the record with the sequence of the one that it replaces.
    pub(super) fn after(&self, sequence: u64) -> Self {
        let replaced = [sequence].into_iter().chain(self.replaced.iter().copied());
        Self { replaced: replaced.take(REMEMBERED).collect(), ..self.clone() }
    }

    /// Returns whether the record has replaced the one with this sequence, directly or after others.
    pub(super) fn follows(&self, sequence: u64) -> bool {
        self.replaced.contains(&sequence)
    }

    pub(super) fn message_id(&self) -> Option<MessageId> {
        self.id.parse().ok()
    }

    pub(super) fn is_owned_by(&self, owner: Owner) -> bool {
        self.owner.as_deref() == Some(&*owner.to_string())
    }

    pub(super) fn taken(&self, owner: Owner, lease: Duration) -> Self {
        Self {
            state: State::Running,
            attempts: self.attempts.saturating_add(1),
            millis: millis(lease),
            owner: Some(owner.to_string()),
            since: None,
            ..self.clone()
        }
    }

    /// `since` is the sequence of the record with which the owner took the job.
    pub(super) fn renewed(&self, by: Duration, since: Option<u64>) -> Self {
        Self { millis: millis(by), since, ..self.clone() }
    }

    pub(super) fn ready(&self, attempts: u32, after: Duration) -> Self {
        let unowned = Self { owner: None, since: None, ended_at: None, ..self.clone() };
        Self { state: State::Ready, attempts, millis: millis(after), ..unowned }
    }

    pub(super) fn retried(&self, after: Duration, error: &str) -> Self {
        Self {
            error: Some(truncated(error, MAX_ERROR_LENGTH).to_owned()),
            ..self.ready(self.attempts, after)
        }
    }

    pub(super) fn done(&self, owner: Option<Owner>) -> Self {
        let owner = owner.map(|owner| owner.to_string());
        Self { owner, object: None, error: None, ..self.ended(State::Done) }
    }

    pub(super) fn buried(&self, error: &str) -> Self {
        Self { error: Some(truncated(error, MAX_ERROR_LENGTH).to_owned()), ..self.ended(State::Dead) }
    }

    /// Makes a job a dead letter that has had all of its attempts.
    pub(super) fn used_up(&self, crashed: &str) -> Self {
        let dead = Self { owner: None, ..self.ended(State::Dead) };
        if self.state == State::Running { Self { error: Some(crashed.to_owned()), ..dead } } else { dead }
    }

    fn ended(&self, state: State) -> Self {
        let ended_at = Some(Timestamp::now().as_millis());
        Self { state, millis: 0, since: None, ended_at, ..self.clone() }
    }
}

/// Returns whole milliseconds, rounded up, so that no lease is too short.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.min(LONGEST).as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_the_type_and_the_error_contain() {
        let body = r#"{"data":{"id":"a\r\nb"},"type":"two words\r\nX: y\u0000é"}"#;
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.into()).unwrap();
        let record = Record::new(&event).retried(Duration::MAX, "line 1\r\nline 2");
        let text = serde_json::to_string(&record).unwrap();
        assert!(!text.contains(['\r', '\n', '\0']), "{text}");
        let read: Record = serde_json::from_str(&text).unwrap();
        assert_eq!((read.event_type, read.object), (record.event_type, record.object));
        // 100 years of 365 days.
        assert_eq!((read.error, read.millis), (record.error, 3_153_600_000 * 1000));
    }

    #[test]
    fn a_record_keeps_nothing_of_a_lease_that_has_ended() {
        let (owner, second) = (Owner::random(), Duration::from_secs(1));
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into())
            .unwrap();
        let running = Record::new(&event).taken(owner, second).renewed(second, Some(7));
        let (dead, used_up) = (running.buried("a failure"), running.used_up("crashed"));
        for ended in [&dead, &used_up, &running.done(Some(owner))] {
            assert_eq!((ended.millis, ended.since), (0, None));
            assert!(ended.ended_at.is_some());
        }
        // The owner may bury its job again, unless the lease has expired.
        assert!(dead.is_owned_by(owner) && !used_up.is_owned_by(owner));
        for ready in [running.ready(0, Duration::ZERO), dead.ready(0, Duration::ZERO)] {
            assert_eq!((ready.owner, ready.since, ready.ended_at), (None, None, None));
        }
    }

    #[test]
    fn a_record_remembers_the_last_records_that_it_has_replaced() {
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into())
            .unwrap();
        let record = (1..10).fold(Record::new(&event), |record, sequence| record.after(sequence));
        assert!((2..10).all(|sequence| record.follows(sequence)));
        assert!(!record.follows(1) && !record.follows(10));
    }

    #[test]
    fn a_new_owner_has_not_taken_the_job_when_its_predecessor_took_it() {
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into())
            .unwrap();
        let taken = Record::new(&event).taken(Owner::random(), Duration::ZERO);
        let renewed = taken.renewed(Duration::ZERO, Some(7));
        assert_eq!(renewed.since, Some(7));
        assert_eq!(renewed.taken(Owner::random(), Duration::ZERO).since, None);
    }
}
