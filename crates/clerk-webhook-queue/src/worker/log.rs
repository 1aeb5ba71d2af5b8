//! A worker's log lines.
#![cfg_attr(not(feature = "tracing"), expect(unused_variables, reason = "there is no log"))]

use std::error::Error;
use std::time::Duration;

use tokio::time::Instant;

use crate::queue::job_queue::Job;
#[cfg(feature = "tracing")]
use crate::queue::label::type_name;

/// Logs that calls to the queue fail, at most once per minute.
#[derive(Debug)]
pub(super) struct Outage {
    message: &'static str,
    last: Option<Instant>,
}

const INTERVAL: Duration = Duration::from_secs(60);

impl Outage {
    /// Creates an outage whose log lines have this message.
    pub(super) fn new(message: &'static str) -> Self {
        Self { message, last: None }
    }

    /// Writes a log line, unless the last one was written less than a minute ago.
    pub(super) fn log(&mut self, error: &dyn Error) {
        if self.last.is_none_or(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            #[cfg(feature = "tracing")]
            tracing::error!(target: "clerk_webhook", error = text(error), "{}", self.message);
            #[cfg(not(feature = "tracing"))]
            let _ = self.message;
        }
    }
}

/// Logs that the worker has stopped, because a method of its queue panicked.
pub(super) fn panicked() {
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "clerk_webhook",
        "the worker stopped, because its queue panicked: events are not handled until you start a worker"
    );
}

/// Logs the first event of a type for which the worker has no handler.
pub(super) fn ignored(event_type: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "clerk_webhook",
        event_type,
        "no handler exists for this event type, so the worker marks its events as done"
    );
}

pub(super) fn expired(job: &Job) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "clerk_webhook",
        event_type = type_name(job.event.event_type()),
        message_id = job.event.message_id().as_str(),
        "skipped an expired job: the event is older than `max_age`"
    );
}

pub(super) fn unsettled(job: &Job, error: &dyn Error) {
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "clerk_webhook",
        event_type = type_name(job.event.event_type()),
        message_id = job.event.message_id().as_str(),
        error = text(error),
        "could not store the result of a job: the job runs again when its lease expires"
    );
}

#[cfg(feature = "postgres")]
pub(super) fn foreign_ticket(table: &str, scope: &str, message_id: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "clerk_webhook",
        table,
        scope,
        message_id,
        "postponed a job of another table or scope: start a worker for it, or use another graphile_worker schema"
    );
}

/// Returns the texts of an error and its sources.
#[cfg(feature = "tracing")]
fn text(error: &dyn Error) -> String {
    let (mut text, mut source) = (error.to_string(), error.source());
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
