//! A worker's settings.

use std::collections::HashMap;
use std::time::Duration;

use clerk_webhook_core::{Event, EventType, Timestamp};
use clerk_webhook_store::MAX_LEASE;
use tokio::sync::Semaphore;

use crate::queue::job_queue::{Job, TakeOptions};
use crate::worker::backoff::Backoff;

/// How long a call to the queue may take.
pub(super) const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer a new lease lasts than the `lease` setting. The deduplicator assumes that the lease begins
/// when the handler starts. If the handler starts within this time, the lease need not be renewed first.
pub(super) const HANDOVER: Duration = Duration::from_secs(2);

/// The shortest interval at which an idle worker looks for jobs: 10 ms.
pub(super) const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The shortest interval at which a worker reports the queue's statistics: 1 s.
#[cfg(feature = "metrics")]
pub(super) const MIN_STATS_INTERVAL: Duration = Duration::from_secs(1);
/// The default handler timeout of a worker whose handlers hold the database's write lock: 2 s.
pub(super) const WRITE_LOCK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a worker whose handlers hold the database's write lock works before it rests: 500 ms.
pub(super) const WORK: Duration = Duration::from_millis(500);

/// How long a rest lasts: 110 ms. Connections that wait for SQLite's write lock try again at most every 100 ms,
/// so each of them tries at least once during a rest.
pub(super) const REST: Duration = Duration::from_millis(110);

/// The maximum age of one-time codes: 10 minutes.
const CODE_AGE: Duration = Duration::from_secs(10 * 60);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) concurrency: usize,
    pub(super) lease: Duration,
    pub(super) handler_timeout: Duration,
    pub(super) max_attempts: u32,
    pub(super) backoff: Backoff,
    pub(super) max_age: HashMap<EventType, Duration>,
    pub(super) one_object_at_a_time: bool,
    pub(super) poll_interval: Duration,
    /// How often the worker reports the queue's statistics as metrics. `Duration::MAX` means never.
    #[cfg(feature = "metrics")]
    pub(super) stats_interval: Duration,
    /// Whether each run counts as a delivery in the metrics.
    pub(super) delivery_metrics: bool,
    /// Whether a transaction protects a running job, so that its lease is not renewed.
    pub(super) in_transaction: bool,
    /// Whether the handlers hold the database's write lock. The worker then runs one handler at a time, and
    /// before it takes a job, it rests for [`REST`] if it has worked for [`WORK`] since the last rest.
    pub(super) holds_write_lock: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 4,
            lease: Duration::from_secs(60),
            handler_timeout: Duration::from_secs(5 * 60),
            max_attempts: 12,
            backoff: Backoff::default(),
            max_age: [EventType::EmailCreated, EventType::SmsCreated].map(|kind| (kind, CODE_AGE)).into(),
            one_object_at_a_time: true,
            poll_interval: Duration::from_secs(1),
            #[cfg(feature = "metrics")]
            stats_interval: Duration::from_secs(15),
            delivery_metrics: true,
            in_transaction: false,
            holds_write_lock: false,
        }
    }
}

impl Settings {
    /// Returns how many handlers may run at the same time.
    pub(super) fn permits(&self) -> usize {
        if self.holds_write_lock { 1 } else { self.concurrency.clamp(1, Semaphore::MAX_PERMITS) }
    }

    pub(super) fn take_options(&self) -> TakeOptions {
        // The worker needs time to end the transaction after the handler timeout.
        let longest = self.handler_timeout.saturating_add(QUEUE_TIMEOUT * 2);
        let lease = self.lease + HANDOVER;
        TakeOptions {
            // Otherwise another worker could take the job after the end of the transaction, before this worker has
            // stored the error, or while the handler is still running because the connection was lost.
            lease: if self.in_transaction { lease.max(longest.min(MAX_LEASE)) } else { lease },
            max_attempts: self.max_attempts,
            one_object_at_a_time: self.one_object_at_a_time,
            max_idle: Some(longest),
        }
    }

    /// Returns whether the event of a job is older than the maximum age of its type.
    pub(super) fn is_expired(&self, job: &Job) -> bool {
        let Some(limit) = self.max_age.get(job.event.event_type()) else { return false };
        age(&job.event, job.enqueued_at, job.taken_at) > *limit
    }
}

/// Returns the time since the event occurred, or since it was enqueued if the event has no time.
fn age(event: &Event, enqueued_at: Timestamp, now: Timestamp) -> Duration {
    let began = event.occurred_at().unwrap_or(enqueued_at);
    let millis = now.as_millis().saturating_sub(began.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_may_be_idle_for_longer_than_a_handler_may_run() {
        let idle =
            |handler_timeout| Settings { handler_timeout, ..Settings::default() }.take_options().max_idle;
        assert_eq!(idle(Duration::from_secs(60)), Some(Duration::from_secs(70)));
        assert_eq!(idle(Duration::MAX), Some(Duration::MAX));
    }

    #[test]
    fn the_lease_of_a_job_in_a_transaction_ends_after_the_handler_timeout() {
        for (handler_timeout, in_transaction, lease) in
            [(300, false, 62), (300, true, 310), (2, true, 62), (u64::MAX, true, MAX_LEASE.as_secs())]
        {
            let handler_timeout = Duration::from_secs(handler_timeout);
            let settings = Settings { handler_timeout, in_transaction, ..Settings::default() };
            assert_eq!(settings.take_options().lease, Duration::from_secs(lease));
        }
    }

    #[test]
    fn an_event_expires_by_the_clock_that_took_its_job() {
        let body = r#"{"type":"sms.created","timestamp":1700000000000}"#;
        let at = |seconds: i64| Timestamp::from_millis((1_700_000_000 + seconds) * 1000);
        let event = Event::from_trusted("msg_1".parse().unwrap(), at(0), body.into()).unwrap();
        let key = clerk_webhook_store::DeliveryKey::of(&event, clerk_webhook_store::Scope::default());
        let lease = clerk_webhook_store::Lease::new(key, clerk_webhook_store::Owner::random(), 1);
        let mut job = Job::new(lease, event, at(0));
        for (seconds, expected) in [(600, false), (601, true)] {
            job.taken_at = at(seconds);
            assert_eq!(Settings::default().is_expired(&job), expected);
        }
    }

    #[test]
    fn the_age_of_an_event_without_a_time_begins_when_it_was_enqueued() {
        let time = |millis: i64| Timestamp::from_millis(1_700_000_000_000 + millis);
        let event = |body: &str| {
            Event::from_trusted("msg_1".parse().unwrap(), time(0), body.to_owned().into()).unwrap()
        };
        let (without, with) = (event(r#"{"type":"x"}"#), event(r#"{"timestamp":1700000000000,"type":"x"}"#));
        assert_eq!(age(&without, time(2000), time(5000)), Duration::from_secs(3));
        assert_eq!(age(&with, time(2000), time(5000)), Duration::from_secs(5));
        assert_eq!(age(&with, time(0), time(-1)), Duration::ZERO);
    }
}
