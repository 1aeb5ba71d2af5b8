//! The trait for stores that handle deliveries in a database transaction.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use clerk_webhook_core::Timestamp;

use crate::store::key::DeliveryKey;

/// A store in the application's database that marks a delivery as completed in the application's transaction.
///
/// The commit makes the application's writes and the mark visible together. If the transaction is rolled
/// back, neither exists, and the next attempt runs the handler again. So a crash cannot lose or repeat a
/// write, and there is no lease that could expire too early.
pub trait TransactionalStore: Send + Sync + 'static {
    /// The error if the store fails or cannot be reached.
    type Error: Error + Send + Sync + 'static;

    /// A transaction that is rolled back when it is dropped.
    type Transaction: Send + 'static;

    /// Begins a transaction and marks the delivery as completed in it, unless it is already completed.
    ///
    /// If another open transaction has marked the delivery, this method waits for a limited time until that
    /// transaction ends.
    fn begin(
        &self,
        key: &DeliveryKey,
    ) -> impl Future<Output = Result<Begin<Self::Transaction>, Self::Error>> + Send;

    /// Commits the transaction, including the mark.
    fn commit(&self, transaction: Self::Transaction) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// The result of an attempt to begin a delivery's transaction.
#[derive(Debug)]
#[must_use = "dropping a transaction rolls it back"]
pub enum Begin<T> {
    /// The transaction, which contains the mark.
    Acquired(T),
    /// The delivery is completed.
    Duplicate {
        /// The completion time, if the store knows it.
        completed_at: Option<Timestamp>,
    },
    /// Another caller is handling the delivery and did not finish in time.
    InProgress {
        /// The time to wait before the next attempt.
        retry_after: Duration,
    },
}
