//! The trait from which a worker takes jobs.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Event, EventType, MessageId, Timestamp};
use clerk_webhook_store::{Lease, LeaseState};

use crate::queue::dead_letters::{DeadLetter, QueueStats};
use crate::queue::delivery_queue::DeliveryQueue;

/// The maximum length of an error text, in bytes: 2 KiB. A queue truncates longer texts.
pub const MAX_ERROR_LENGTH: usize = 2048;

/// Gives the stored events to workers as jobs, and keeps the dead letters.
///
/// ```text
///  absent ──enqueue──▶ ready ──take──▶ running (owner, attempt + 1, lease)
///  running ──renew (owner)──▶ running (a lease from now)
///  running ──complete (owner)──▶ done
///  running ──retry (owner)──▶ ready, after a delay
///  running ──give_back (owner)──▶ ready immediately, the attempt does not count
///  running ──bury (owner)──▶ dead
///  running, lease expired ──take──▶ running (different owner, attempt + 1)
///  ready, or running with an expired lease, after the last attempt ──take──▶ dead
///  dead ──retry_dead──▶ ready, attempt 0          dead ──discard──▶ done
///  done ──purge──▶ absent
/// ```
///
/// Every method changes each job atomically. [`retry_all_dead`](Self::retry_all_dead) and [`purge`](Self::purge)
/// can stop in the middle. The following rules apply to any number of concurrent clients:
///
/// 1. An event is durable before `enqueue` returns. Only `complete` and `discard` delete it.
/// 2. A message that the queue already knows is a duplicate, whatever its state.
/// 3. At most one client at a time owns a live lease of a job.
/// 4. Only the owner can renew, complete, retry, give back or bury a job.
/// 5. A job can be taken again after it has been given back, its retry delay is over, or its lease has
///    expired.
/// 6. A job that has had `max_attempts` attempts becomes a dead letter, and cannot be taken again.
///
/// Test your implementation with the suite in the `conformance` module (`conformance` feature).
pub trait JobQueue: DeliveryQueue {
    /// Takes the next job that is ready, under a new lease.
    ///
    /// Returns `None` if no job is ready. A queue prefers the oldest job, but does not guarantee an order. A
    /// job that has already had [`max_attempts`](TakeOptions::max_attempts) attempts becomes a dead letter,
    /// and is not returned.
    ///
    /// If the caller drops the future, the queue may already have recorded the lease. The job then cannot be
    /// taken until the lease expires, and the attempt counts.
    fn take(&self, options: &TakeOptions) -> impl Future<Output = Result<Option<Job>, Self::Error>> + Send;

    /// Renews a lease, so that it expires when the duration `by` has passed from now.
    ///
    /// An expired lease can still be renewed if no other caller has taken the job, and no other job about the
    /// same object is running under a live lease. If another such job is running, the queue returns
    /// [`LeaseState::Lost`], so that a late worker does not break
    /// [`one_object_at_a_time`](TakeOptions::one_object_at_a_time). The caller can still end the attempt. The
    /// renewal may also be refused in this way if the jobs were taken without that option.
    fn renew(
        &self,
        lease: &Lease,
        by: Duration,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Marks the job as done, and deletes the stored body of the event.
    ///
    /// The queue still remembers the message id, so that later deliveries are duplicates. If the lease has
    /// expired, but no other caller has taken the job, the call still succeeds. A second call with the same
    /// lease, for example because the result of the first call was lost, returns [`LeaseState::Held`] again.
    fn complete(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Makes the job ready again after a delay.
    ///
    /// The queue keeps the text of the error, up to [`MAX_ERROR_LENGTH`].
    fn retry(
        &self,
        lease: &Lease,
        after: Duration,
        error: &str,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Makes the job ready again immediately. The attempt does not count.
    ///
    /// A worker that shuts down gives back the jobs that it could not finish.
    fn give_back(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Makes the job a dead letter.
    ///
    /// The queue keeps the text of the error, up to [`MAX_ERROR_LENGTH`]. A second call with the same lease,
    /// for example because the result of the first call was lost, returns [`LeaseState::Held`] again, until
    /// the dead letter is retried or discarded. The time and the error of the first call remain.
    fn bury(
        &self,
        lease: &Lease,
        error: &str,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Waits until a job may be ready, for at most `limit`.
    ///
    /// May return before a job is ready. A queue that cannot detect new jobs waits for `limit`.
    fn wait(&self, limit: Duration) -> impl Future<Output = ()> + Send;

    /// Returns the queue's statistics.
    ///
    /// A queue may have to count every waiting job. Call this method a few times per minute, not for each
    /// event.
    fn stats(&self) -> impl Future<Output = Result<QueueStats, Self::Error>> + Send;

    /// Returns up to `limit` dead letters, beginning with the newest.
    fn dead_letters(&self, limit: u32) -> impl Future<Output = Result<Vec<DeadLetter>, Self::Error>> + Send;

    /// Returns the dead letter with this message id, or `None` if the message is not a dead letter.
    fn dead_letter(
        &self,
        message_id: &MessageId,
    ) -> impl Future<Output = Result<Option<DeadLetter>, Self::Error>> + Send;

    /// Makes a dead letter ready again immediately. Its attempts are counted from 0 again.
    ///
    /// Returns `false` if the message is not a dead letter.
    fn retry_dead(&self, message_id: &MessageId) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Makes all dead letters, or all of one event type, ready again as [`retry_dead`](Self::retry_dead)
    /// does, and returns their number.
    ///
    /// A queue may retry them in several steps, so that other calls need not wait for long. If the method
    /// returns an error, or the caller drops the future, some of them may be ready again.
    fn retry_all_dead(
        &self,
        event_type: Option<&EventType>,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Discards a dead letter, and deletes the stored body of the event.
    ///
    /// The queue still remembers the message id, so that later deliveries are duplicates. Returns `false` if
    /// the message is not a dead letter.
    fn discard(&self, message_id: &MessageId) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Forgets up to `limit` messages that were completed or discarded at least `older_than` ago, and returns
    /// their number.
    ///
    /// Applications use [`purge`](crate::purge()), which calls this method until no such message is left.
    fn purge(
        &self,
        older_than: Duration,
        limit: u32,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;
}

/// How [`JobQueue::take`] chooses a job, and how a transactional queue runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TakeOptions {
    /// How long the lease lasts without renewal, 60 s by default.
    pub lease: Duration,
    /// The number of attempts after which a job becomes a dead letter, 12 by default.
    pub max_attempts: u32,
    /// Whether to skip a job while another job about the same object is running, `true` by default.
    ///
    /// A queue may have to visit each job that it skips. If many jobs about one object are waiting, a call to
    /// [`take`](JobQueue::take) takes longer while one of them is running.
    pub one_object_at_a_time: bool,
    /// How long a transaction of a `TransactionalQueue` may wait for its next statement, without a limit by
    /// default.
    ///
    /// `PostgresQueue` lets the server end a transaction that is idle for longer. Otherwise the transaction of a
    /// machine that has disappeared would hold the job and its object until the connection times out, which can
    /// take hours. Other queues ignore this setting.
    pub max_idle: Option<Duration>,
}

impl Default for TakeOptions {
    fn default() -> Self {
        Self { lease: Duration::from_secs(60), max_attempts: 12, one_object_at_a_time: true, max_idle: None }
    }
}

/// An event that a worker has taken from the queue.
#[must_use = "a job that is not ended cannot be taken again until its lease expires"]
#[non_exhaustive]
pub struct Job {
    /// The lease. Its attempt number starts at 1.
    pub lease: Lease,
    /// The event.
    pub event: Event,
    /// The time at which the event was enqueued.
    pub enqueued_at: Timestamp,
    /// The time at which the job was taken.
    ///
    /// `PostgresQueue` uses the clock of the database server, so that a wrong clock of the worker's machine has no
    /// effect on the maximum age of events. Other queues use the clock of the worker's machine.
    pub taken_at: Timestamp,
}

impl Job {
    /// Creates a job that is taken now. A queue calls this function after it has recorded the lease.
    pub fn new(lease: Lease, event: Event, enqueued_at: Timestamp) -> Self {
        Self { lease, event, enqueued_at, taken_at: Timestamp::now() }
    }
}

/// Contains no personal data, because the event's `Debug` output omits its data.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("lease", &self.lease)
            .field("event", &self.event)
            .field("enqueued_at", &self.enqueued_at)
            .finish()
    }
}

impl<Q: JobQueue> JobQueue for Arc<Q> {
    fn take(&self, options: &TakeOptions) -> impl Future<Output = Result<Option<Job>, Self::Error>> + Send {
        Q::take(self, options)
    }

    fn renew(
        &self,
        lease: &Lease,
        by: Duration,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send {
        Q::renew(self, lease, by)
    }

    fn complete(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send {
        Q::complete(self, lease)
    }

    fn retry(
        &self,
        lease: &Lease,
        after: Duration,
        error: &str,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send {
        Q::retry(self, lease, after, error)
    }

    fn give_back(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send {
        Q::give_back(self, lease)
    }

    fn bury(
        &self,
        lease: &Lease,
        error: &str,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send {
        Q::bury(self, lease, error)
    }

    fn wait(&self, limit: Duration) -> impl Future<Output = ()> + Send {
        Q::wait(self, limit)
    }

    fn stats(&self) -> impl Future<Output = Result<QueueStats, Self::Error>> + Send {
        Q::stats(self)
    }

    fn dead_letters(&self, limit: u32) -> impl Future<Output = Result<Vec<DeadLetter>, Self::Error>> + Send {
        Q::dead_letters(self, limit)
    }

    fn dead_letter(
        &self,
        message_id: &MessageId,
    ) -> impl Future<Output = Result<Option<DeadLetter>, Self::Error>> + Send {
        Q::dead_letter(self, message_id)
    }

    fn retry_dead(&self, message_id: &MessageId) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        Q::retry_dead(self, message_id)
    }

    fn retry_all_dead(
        &self,
        event_type: Option<&EventType>,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send {
        Q::retry_all_dead(self, event_type)
    }

    fn discard(&self, message_id: &MessageId) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        Q::discard(self, message_id)
    }

    fn purge(
        &self,
        older_than: Duration,
        limit: u32,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send {
        Q::purge(self, older_than, limit)
    }
}
