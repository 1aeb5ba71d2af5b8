//! The trait for queues whose jobs can be completed in a database transaction.

use std::future::Future;

use clerk_webhook_store::Lease;

use crate::queue::job_queue::{JobQueue, TakeOptions};

/// A queue in a database that marks a job as done in a transaction in which the handler writes.
///
/// The commit makes the handler's writes and the mark visible together. If the transaction is rolled back,
/// neither exists, and the job runs again. `Worker::exactly_once` uses this trait.
pub trait TransactionalQueue: JobQueue {
    /// A transaction that is rolled back when it is dropped.
    type Transaction: Send + 'static;

    /// Whether an open transaction prevents every other write in the database, as in SQLite.
    ///
    /// A worker then runs one handler at a time, with a default handler timeout of 2 s, and rests regularly so
    /// that other processes can write.
    const HOLDS_WRITE_LOCK: bool;

    /// Begins a transaction, and marks the job as done in it.
    ///
    /// Returns `None` if another worker has taken the job. A queue may also return `None` if the lease has
    /// expired. No other worker can take the job before the transaction ends, even if the lease expires in the
    /// meantime. The same is true for the other jobs about its object, if
    /// [`one_object_at_a_time`](TakeOptions::one_object_at_a_time) is set.
    fn begin(
        &self,
        lease: &Lease,
        options: &TakeOptions,
    ) -> impl Future<Output = Result<Option<Self::Transaction>, Self::Error>> + Send;

    /// Commits the transaction.
    fn commit(&self, transaction: Self::Transaction) -> impl Future<Output = Result<(), Self::Error>> + Send;
}
