//! The builder of a worker.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{EventType, Handlers};
use clerk_webhook_store::{MAX_LEASE, MIN_LEASE, SharedTransaction};

use crate::queue::job_queue::JobQueue;
use crate::queue::transactional::TransactionalQueue;
use crate::worker::backoff::Backoff;
use crate::worker::execute::Execute;
use crate::worker::lease::UnderLease;
use crate::worker::running::RunningWorker;
#[cfg(feature = "metrics")]
use crate::worker::settings::MIN_STATS_INTERVAL;
use crate::worker::settings::{MIN_POLL_INTERVAL, Settings, WRITE_LOCK_TIMEOUT};
use crate::worker::transaction::InTransaction;

/// Takes jobs from a queue and runs their handlers.
///
/// A worker can run in the server's process or in a separate process, and any number of workers can share a
/// queue. You write the handlers as for a request, with [`Handlers`].
///
/// # Guarantee: at least once
///
/// A job that fails runs again, until it succeeds or becomes a dead letter. A job that is [too
/// old](Self::max_age) is an exception: the worker marks it as done and runs no handler. If the process crashes,
/// the job runs again after its lease has expired.
///
/// Two workers never hold a live lease of one job, except with a `NatsQueue` with several replicas while the
/// leader of its stream changes. If a handler blocks its thread for longer than the lease, a second worker can
/// start the job while the first handler is still running. Use `spawn_blocking` for blocking work.
///
/// Pass the [message id](clerk_webhook_core::Context::message_id) as the idempotency key to every external API
/// that a handler calls. For writes to the queue's own database, use [`exactly_once`](Self::exactly_once).
///
/// # What happens to a job
///
/// | handler's result | job's next state |
/// |---|---|
/// | `Ok`, or no handler for the event type | done |
/// | an error, a panic, or the handler timeout | ready again after a delay; a dead letter after the last attempt |
/// | [`Failure::retry_after`](clerk_webhook_core::Failure::retry_after) | ready again after this delay, without the random backoff; a dead letter after the last attempt |
/// | [`Failure::abort_message`](clerk_webhook_core::Failure::abort_message), [`disable_endpoint`](clerk_webhook_core::Failure::disable_endpoint) | a dead letter immediately |
/// | the handler could not start, because the queue could not be reached | ready again after 1 s; the attempt does not count if the queue is reachable again within the [`lease`](Self::lease) setting |
/// | the lease expired while the handler was running, because it could not be renewed, the machine was suspended or its clock jumped forward | the worker stops the handler; ready again after a delay, and the attempt counts |
/// | the process crashed | can be taken again when the lease expires; a dead letter after the last attempt |
/// | stopped by [`RunningWorker::shutdown`] | ready again immediately; the attempt does not count |
///
/// An [`Observation`](clerk_webhook_core::Observation) records a span, a log line and metrics for each run.
/// The worker also logs an error for each dead letter and a warning for each expired job. If the queue cannot
/// be reached, it logs an error at most once per minute.
#[cfg_attr(feature = "metrics", doc = include_str!("metrics.md"))]
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

/// Creates the [`Execute`] implementation when all settings are known.
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

    /// Sets how many handlers run at the same time, 4 by default. 0 is treated as 1.
    ///
    /// With a `SqliteQueue`, a worker that was created with `exactly_once` always runs one handler at a time.
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.settings.concurrency = handlers;
        self
    }

    /// Sets how long the lease of a job lasts without renewal, 60 s by default.
    ///
    /// After a crash, a job cannot run until its lease expires. The value is clamped to the range from 1 s
    /// ([`MIN_LEASE`]) to 24 h ([`MAX_LEASE`]).
    pub fn lease(mut self, lease: Duration) -> Self {
        self.settings.lease = lease.clamp(MIN_LEASE, MAX_LEASE);
        self
    }

    /// Sets how long a handler may run, 5 minutes by default.
    pub fn handler_timeout(mut self, limit: Duration) -> Self {
        self.settings.handler_timeout = limit;
        self
    }

    /// Sets the number of failed attempts after which a job becomes a dead letter, 12 by default. 0 is
    /// treated as 1.
    ///
    /// With the default backoff, the delays between 12 attempts add up to at most 2.4 hours, and to 1.2 hours on
    /// average. The time that the handlers run is added to this.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.settings.max_attempts = attempts.max(1);
        self
    }

    /// Sets the delay after a failed attempt: up to `min` after the first attempt, and up to twice as long
    /// after each further attempt, until `max`. The default is 5 s to 1 hour.
    ///
    /// The worker picks a random delay below this limit (full jitter), so that jobs that fail at the same
    /// time are not all retried at the same time.
    pub fn backoff(mut self, min: Duration, max: Duration) -> Self {
        self.settings.backoff = Backoff { min, max };
        self
    }

    /// Sets the maximum age at which events of a type are still handled.
    ///
    /// The age is the time since the event occurred, not since it was delivered. If the event has no timestamp,
    /// the age is counted from the time at which it was enqueued. For an older event, no handler runs: the
    /// worker marks the job as done and logs a warning.
    ///
    /// By default, `email.created` and `sms.created` expire after 10 minutes, because they can contain one-time
    /// codes. `email.created` covers the emails of every template, such as invitations. Pass [`Duration::MAX`]
    /// if a type must not expire. By default, other event types do not expire.
    ///
    /// A dead letter that you retry can expire too.
    pub fn max_age(mut self, event_type: EventType, limit: Duration) -> Self {
        self.settings.max_age.insert(event_type, limit);
        self
    }

    /// Sets whether jobs about the same object must not run at the same time, `true` by default.
    ///
    /// A worker with this setting skips a job while any worker is running another job about the same object.
    /// The order is not guaranteed: the retry of a failed job can run after newer jobs.
    pub fn one_object_at_a_time(mut self, enabled: bool) -> Self {
        self.settings.one_object_at_a_time = enabled;
        self
    }

    /// Sets how often an idle worker looks for jobs from other processes and for due retries, 1 s by default.
    ///
    /// A job that is enqueued through the same queue, or a clone of it, starts immediately. `NatsQueue` also wakes
    /// an idle worker when an event arrives, and when a delay or a lease ends. An interval below 10 ms is treated
    /// as 10 ms.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.settings.poll_interval = interval.max(MIN_POLL_INTERVAL);
        self
    }

    /// Sets how often the worker reports the queue's statistics as metrics, 15 s by default.
    ///
    /// The worker calls [`report_stats`](crate::report_stats). [`Duration::MAX`] turns the reports off.
    /// An interval below 1 s is treated as 1 s. A queue may have to count every waiting job, so with many
    /// workers, let one of them report.
    #[cfg(feature = "metrics")]
    pub fn stats_interval(mut self, interval: Duration) -> Self {
        self.settings.stats_interval = interval.max(MIN_STATS_INTERVAL);
        self
    }

    /// Sets whether each run counts in the metrics of [`Observation`](clerk_webhook_core::Observation), such as
    /// `clerk_webhook_deliveries_total`, `true` by default.
    ///
    /// Pass `false` if these metrics must contain only deliveries, and your handlers record their own metrics.
    #[cfg(feature = "metrics")]
    pub fn delivery_metrics(mut self, enabled: bool) -> Self {
        self.settings.delivery_metrics = enabled;
        self
    }

    /// Sets whether the worker behaves as if its handlers hold the database's write lock.
    #[cfg(test)]
    pub(super) fn holds_write_lock(mut self, holds: bool) -> Self {
        self.settings.holds_write_lock = holds;
        self
    }

    /// Starts the worker.
    pub fn start(self) -> RunningWorker {
        let execution = (self.prepare)(&self.settings);
        RunningWorker::start(self.queue, execution, self.settings)
    }
}

impl<Q: TransactionalQueue> Worker<Q> {
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
    /// # With a `SqliteQueue`
    ///
    /// While a handler is running, its transaction holds the database's write lock, and the server cannot
    /// enqueue events. The handlers must therefore be fast: only one handler runs at a time, and the default
    /// handler timeout is 2 s. A connection that waits for the lock tries again only every 100 ms, so the
    /// worker rests for 110 ms when it has worked for 500 ms: before it takes the next job, it leaves the lock
    /// to other processes. If the lock is held for longer than the server waits, for example because several
    /// such workers share the file or `handler_timeout` is longer, the server answers `store_unavailable`, and
    /// the sender retries.
    ///
    /// # With a `PostgresQueue`
    ///
    /// Each running handler uses one connection of the pool until it ends. The worker and the server need
    /// further connections, so the pool must be larger than [`concurrency`](Self::concurrency). The lease is
    /// not renewed: it lasts 10 s longer than the [`handler_timeout`](Self::handler_timeout), or as long as the
    /// [`lease`](Self::lease) setting if that is longer. If a worker crashes, its job therefore runs again after
    /// 310 s by default. If the machine disappears without closing the connection, the server ends the transaction
    /// after the same time, by Postgres's `idle_in_transaction_session_timeout` setting.
    pub fn exactly_once<S, F>(queue: Q, handlers: Handlers<S>, state_with: F) -> Self
    where
        S: Send + 'static,
        F: Fn(SharedTransaction<Q::Transaction>) -> S + Send + Sync + 'static,
    {
        let queue = Arc::new(queue);
        let of_execution = Arc::clone(&queue);
        let prepare = Box::new(move |settings: &Settings| -> Arc<dyn Execute> {
            Arc::new(InTransaction::new(of_execution, handlers, state_with, settings))
        });
        let mut settings =
            Settings { in_transaction: true, holds_write_lock: Q::HOLDS_WRITE_LOCK, ..Settings::default() };
        if Q::HOLDS_WRITE_LOCK {
            settings.handler_timeout = WRITE_LOCK_TIMEOUT;
        }
        Self { queue, prepare, settings }
    }
}

#[cfg(feature = "postgres")]
impl Worker<crate::PostgresQueue> {
    /// Registers the worker's handlers with a worker of graphile_worker that the application runs, so that no
    /// second worker is needed.
    ///
    /// Use this method instead of [`start`](Self::start). `options` must use the same database and the same
    /// schema as the queue. The settings of this builder apply, except [`concurrency`](Self::concurrency) and
    /// [`poll_interval`](Self::poll_interval), which are settings of graphile_worker. Register at most one
    /// worker: a later registration replaces an earlier one. A ticket of another table or scope is postponed
    /// for 1 minute, and logged as an error. This can happen to the same ticket repeatedly, so use a separate
    /// [`graphile_schema`](crate::PostgresQueue::graphile_schema) for each scope.
    ///
    /// Enable graphile_worker's `WorkerRecoveryConfig`, as in the example. Without it, a job that a worker had
    /// claimed but not yet started when its process was killed stays locked until a repair replaces its ticket. The
    /// registered worker repairs the tickets every minute while it runs, and replaces a ticket that has been locked
    /// for 5 minutes. This method does not enable the recovery, because that would replace your own settings.
    ///
    /// The `run` method of graphile_worker returns an error if graphile_worker itself meets an error of the
    /// database. Unlike a worker that [`start`](Self::start) has started, it does not try again. Call `run` again
    /// after a pause.
    ///
    /// graphile_worker's own worker needs a direct connection, not a pooler in transaction mode.
    ///
    /// When graphile_worker shuts down, a handler that is still running after its `grace_period` continues in
    /// the background until the process ends.
    ///
    /// # Panics
    ///
    /// graphile_worker catches panics of its tasks. Without a Tokio runtime with timers, each task panics.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use clerk_webhook_core::Handlers;
    /// use clerk_webhook_queue::{PostgresQueue, Worker};
    /// use graphile_worker::{WorkerOptions, WorkerRecoveryConfig};
    ///
    /// # async fn example(handlers: Handlers) -> Result<(), Box<dyn std::error::Error>> {
    /// let queue = PostgresQueue::connect("postgres://localhost/app").await?;
    /// queue.migrate().await?;
    /// let options = WorkerOptions::default()
    ///     .pg_pool(queue.pool().clone())
    ///     .worker_recovery(WorkerRecoveryConfig::default().enabled(true));
    /// // Define the application's own jobs here.
    /// let options = Worker::new(queue, handlers, ()).register(options);
    /// options.init().await?.run().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn register(self, options: graphile_worker::WorkerOptions) -> graphile_worker::WorkerOptions {
        let execution = (self.prepare)(&self.settings);
        crate::worker::register::register(self.queue, execution, self.settings, options)
    }
}

impl<Q> fmt::Debug for Worker<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[cfg(all(test, any(feature = "postgres", feature = "sqlite")))]
mod tests {
    use super::*;

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn a_worker_with_transactions_leaves_the_write_lock_to_others() {
        let queue = crate::SqliteQueue::new(
            sqlx::sqlite::SqlitePoolOptions::new().connect_lazy("sqlite::memory:").unwrap(),
        );
        let handlers = Handlers::builder().otherwise(async |_, _| Ok(())).build().unwrap();
        let worker = format!("{:?}", Worker::exactly_once(queue, handlers, |transaction| transaction));
        assert!(worker.contains("handler_timeout: 2s"), "{worker}");
        assert!(worker.contains("in_transaction: true"), "{worker}");
        assert!(worker.contains("holds_write_lock: true"), "{worker}");
    }

    #[cfg(feature = "postgres")]
    #[tokio::test]
    async fn a_worker_with_transactions_in_postgres_has_the_usual_settings() {
        let options = sqlx::postgres::PgConnectOptions::new_without_pgpass();
        let queue = crate::PostgresQueue::new(sqlx::PgPool::connect_lazy_with(options));
        let handlers = Handlers::builder().otherwise(async |_, _| Ok(())).build().unwrap();
        let worker = format!("{:?}", Worker::exactly_once(queue, handlers, |transaction| transaction));
        assert!(worker.contains("handler_timeout: 300s"), "{worker}");
        assert!(worker.contains("in_transaction: true"), "{worker}");
        assert!(worker.contains("holds_write_lock: false"), "{worker}");
    }
}
