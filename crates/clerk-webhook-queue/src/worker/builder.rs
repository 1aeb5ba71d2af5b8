//! The settings of a worker, and its start.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{EventType, Handlers};
use clerk_webhook_store::{MAX_LEASE, MIN_LEASE};

use crate::queue::job_queue::JobQueue;
use crate::worker::backoff::Backoff;
use crate::worker::execute::Execute;
use crate::worker::lease::UnderLease;
use crate::worker::running::RunningWorker;
use crate::worker::settings::Settings;

/// Takes jobs from a queue and runs their handlers.
///
/// A worker can run in the process of the server or in another process, and any number of workers can share a
/// queue. Handlers are the same as in a request: write them with [`Handlers`].
///
/// # Guarantee: at least once
///
/// Each job runs at most once at a time, and again until a handler succeeds or the job becomes a dead letter.
/// If the process crashes, the job runs again after its lease has expired. Pass the [message
/// id](clerk_webhook_core::Context::message_id) as the idempotency key to every external API that a handler
/// calls. For effects in the database of a `SqliteQueue`, use `Worker::exactly_once`.
///
/// # What happens to a job
///
/// | result of the handler | next state of the job |
/// |---|---|
/// | `Ok`, or no handler for the event type | done |
/// | an error, a panic, or the handler timeout | ready again after a delay; a dead letter after the last attempt |
/// | [`Failure::retry_after`](clerk_webhook_core::Failure::retry_after) | ready again after exactly this delay; a dead letter after the last attempt |
/// | [`Failure::abort_message`](clerk_webhook_core::Failure::abort_message), [`disable_endpoint`](clerk_webhook_core::Failure::disable_endpoint) | a dead letter at once |
/// | the process crashed | ready again when the lease expires; a dead letter after the last attempt |
/// | stopped by [`RunningWorker::shutdown`] | ready again at once; the attempt does not count |
///
/// Each run has the span, the log line and the metrics of an [`Observation`](clerk_webhook_core::Observation).
/// The worker also logs an error for each dead letter, a warning for each expired job, and at most once per
/// minute an error if the queue cannot be reached.
///
/// # Panics
///
/// [`start`](Self::start) panics outside of a Tokio runtime. The runtime needs timers (`enable_time`).
///
#[cfg_attr(feature = "sqlite", doc = include_str!("example.md"))]
#[must_use = "call `start`"]
pub struct Worker<Q> {
    queue: Arc<Q>,
    prepare: Prepare,
    settings: Settings,
}

/// Creates the execution when all settings are known.
type Prepare = Box<dyn FnOnce(&Settings) -> Arc<dyn Execute> + Send + Sync>;

impl<Q: JobQueue> Worker<Q> {
    /// Creates a worker. Each run of a handler receives a clone of the state.
    pub fn new<S: Clone + Send + Sync + 'static>(queue: Q, handlers: Handlers<S>, state: S) -> Self {
        let queue = Arc::new(queue);
        let of_execution = Arc::clone(&queue);
        let prepare = Box::new(move |settings: &Settings| -> Arc<dyn Execute> {
            Arc::new(UnderLease::new(of_execution, handlers, state, settings))
        });
        Self { queue, prepare, settings: Settings::default() }
    }

    /// Sets how many handlers run at the same time, 4 by default. 0 counts as 1.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.settings.concurrency = handlers;
        self
    }

    /// Sets how long the lease of a job lasts without renewal, 60 s by default.
    ///
    /// After a crash, a job cannot run until its lease expires. A value below 1 s ([`MIN_LEASE`]) or above 24 h
    /// ([`MAX_LEASE`]) counts as that limit.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.clamp(MIN_LEASE, MAX_LEASE);
        self
    }

    /// Sets how long a handler may run, 5 minutes by default.
    pub fn handler_timeout(mut self, limit: Duration) -> Self {
        self.settings.handler_timeout = limit;
        self
    }

    /// Sets after how many attempts a job becomes a dead letter, 12 by default. 0 counts as 1.
    ///
    /// With the default backoff, the attempts are spread over at most 2.4 hours, and over 1.2 hours on
    /// average.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.max_attempts = attempts.max(1);
        self
    }

    /// Sets the delay after a failed attempt: up to `min` after the first attempt, and up to twice as long
    /// after each further attempt, until `max`. The default is 5 s to 1 hour.
    ///
    /// The delay is a random part of this limit (full jitter), so that jobs that fail together do not all run
    /// again at the same time.
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.settings.backoff = Backoff { min, max };
        self
    }

    /// Sets after which age events of a type are not handled any more.
    ///
    /// The age is the time since the event occurred, not since it was delivered. An expired job is done: no
    /// handler runs, and the log has a warning.
    ///
    /// By default, `email.created` and `sms.created` expire after 10 minutes, because they contain one-time
    /// codes. Pass [`Duration::MAX`] if they must not expire. Other event types do not expire.
    pub fn max_age(mut self, event_type: EventType, limit: Duration) -> Self {
        self.settings.max_age.insert(event_type, limit);
        self
    }

    /// Sets whether jobs about the same object run one after the other, `true` by default.
    ///
    /// This applies to all workers of the queue that have the setting. The order is not guaranteed: a job
    /// that failed runs after later jobs.
    pub fn one_object_at_a_time(mut self, enabled: bool) -> Self {
        self.settings.one_object_at_a_time = enabled;
        self
    }

    /// Sets how often the worker looks for jobs of other processes while it is idle, 1 s by default.
    ///
    /// The worker starts jobs that were enqueued in the same process at once.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.settings.poll_interval = interval;
        self
    }

    /// Starts the worker.
    pub fn start(self) -> RunningWorker {
        let execution = (self.prepare)(&self.settings);
        RunningWorker::start(self.queue, execution, self.settings)
    }
}

#[cfg(feature = "sqlite")]
impl Worker<crate::SqliteQueue> {
    /// Creates a worker that runs each handler in a transaction, which also marks the job as done.
    ///
    /// **Guarantee: exactly once** for everything that the handler writes in the transaction. If the handler
    /// fails, panics or times out, or if the process crashes, its writes are rolled back, and the job runs
    /// again. Effects elsewhere, such as an email, can happen more than once.
    ///
    /// `state_with` converts the transaction into the state of the handlers. Return the transaction itself
    /// (`|transaction| transaction`), or a struct that contains it. The rules of
    /// [`ExactlyOnce`](clerk_webhook_store::ExactlyOnce) apply to the handlers.
    ///
    /// While a handler runs, its transaction holds the write lock of the database, and the server cannot
    /// enqueue events. So the handlers must be fast: one handler runs at a time, and the default handler
    /// timeout is 4 s. If the lock is held for longer than the server waits, the server answers
    /// `store_unavailable`, and the sender retries.
    pub fn exactly_once<S, F>(queue: crate::SqliteQueue, handlers: Handlers<S>, state_with: F) -> Self
    where
        S: Send + 'static,
        F: Fn(clerk_webhook_store::SqliteTransaction) -> S + Send + Sync + 'static,
    {
        let queue = Arc::new(queue);
        let of_execution = Arc::clone(&queue);
        let prepare = Box::new(move |settings: &Settings| -> Arc<dyn Execute> {
            use crate::worker::transaction::InTransaction;
            Arc::new(InTransaction::new(of_execution, handlers, state_with, settings))
        });
        let settings =
            Settings { concurrency: 1, handler_timeout: Duration::from_secs(4), ..Settings::default() };
        Self { queue, prepare, settings }
    }
}

impl<Q> fmt::Debug for Worker<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("settings", &self.settings).finish_non_exhaustive()
    }
}
