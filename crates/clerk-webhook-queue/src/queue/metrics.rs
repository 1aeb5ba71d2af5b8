//! The queue's metrics.

use std::sync::Once;

use clerk_webhook_core::{EventType, Timestamp};
use clerk_webhook_store::Scope;
use metrics::{SharedString, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::queue::dead_letters::QueueStats;
use crate::queue::job_queue::JobQueue;
use crate::queue::label::type_name;

const JOBS: &str = "clerk_webhook_queue_jobs";
const OLDEST_READY: &str = "clerk_webhook_queue_oldest_ready_seconds";
const EXPIRED: &str = "clerk_webhook_queue_expired_total";
const DEAD_LETTERS: &str = "clerk_webhook_queue_dead_letters_total";

/// Reads the queue's statistics, sets the gauges of the `metrics` crate, and returns the statistics.
///
/// | name | kind | labels | value |
/// |---|---|---|---|
/// | `clerk_webhook_queue_jobs` | gauge | `scope`, `state`: `ready`, `running` or `dead` | number of events |
/// | `clerk_webhook_queue_oldest_ready_seconds` | gauge | `scope` | age of the oldest waiting event, 0 if none waits |
///
/// A [`Worker`](crate::Worker) calls this function [every 15 s](crate::Worker::stats_interval). Call it in a
/// process without a worker that must report the queue, for example because the workers are not scraped.
/// Several processes can report the same queue: each of them sets the gauges to the same numbers, so use `max`
/// in queries, not `sum`.
///
/// # Errors
///
/// Returns the queue's error. The gauges then keep their values.
pub async fn report_stats<Q: JobQueue>(queue: &Q) -> Result<QueueStats, Q::Error> {
    let stats = queue.stats().await?;
    set(queue.scope(), &stats, Timestamp::now());
    Ok(stats)
}

fn set(scope: &Scope, stats: &QueueStats, now: Timestamp) {
    describe();
    for (state, jobs) in [("ready", stats.ready), ("running", stats.running), ("dead", stats.dead)] {
        #[expect(clippy::cast_precision_loss, reason = "exact for 9 quadrillion events")]
        gauge!(JOBS, "scope" => label(scope), "state" => state).set(jobs as f64);
    }
    let oldest = stats.oldest_ready.unwrap_or(now);
    // Another machine's clock may be ahead.
    let age = now.as_millis().saturating_sub(oldest.as_millis()).max(0);
    #[expect(clippy::cast_precision_loss, reason = "exact for 250,000 years of milliseconds")]
    gauge!(OLDEST_READY, "scope" => label(scope)).set(age as f64 / 1000.0);
}

/// Counts an event that was marked as done without a run, because it was too old.
pub(crate) fn expired(scope: &Scope, event_type: &EventType) {
    count(EXPIRED, scope, event_type);
}

/// Counts an event that became a dead letter.
pub(crate) fn dead_letter(scope: &Scope, event_type: &EventType) {
    count(DEAD_LETTERS, scope, event_type);
}

fn count(name: &'static str, scope: &Scope, event_type: &EventType) {
    describe();
    let labels = [("scope", label(scope)), ("event_type", type_name(event_type).to_owned().into())];
    counter!(name, &labels).increment(1);
}

fn label(scope: &Scope) -> SharedString {
    scope.as_str().to_owned().into()
}

fn describe() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        describe_gauge!(JOBS, "Events in a queue, by state.");
        describe_gauge!(OLDEST_READY, Unit::Seconds, "Age of the oldest event that waits in a queue.");
        describe_counter!(EXPIRED, "Events that a worker skipped because they were too old.");
        describe_counter!(DEAD_LETTERS, "Events that became dead letters.");
    });
}
