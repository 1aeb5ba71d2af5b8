//! The trait of stores that handle deliveries in a database transaction.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use clerk_webhook_core::Timestamp;

use crate::store::key::DeliveryKey;

/// A store in the database of the application, which marks a delivery as completed in the application's
/// transaction.
///
/// The commit makes the application's writes and the mark visible together. If the transaction is rolled
/// back, neither exists, and the next attempt runs. So a crash cannot lose or repeat any write, and no lease
/// can expire too early.
pub trait TransactionalStore: Send + Sync + 'static {
    /// The error of a store that cannot be reached or that fails.
    type Error: Error + Send + Sync + 'static;

    /// A transaction that is rolled back when it is dropped.
    type Transaction: Send + 'static;

    /// Begins a transaction and marks the delivery as completed in it, unless it is already completed.
    ///
    /// If another open transaction has marked the delivery, this method waits a limited time for that
    /// transaction to end.
    fn begin(
        &self,
        key: &DeliveryKey,
    ) -> impl Future<Output = Result<Begin<Self::Transaction>, Self::Error>> + Send;

    /// Commits the transaction, including the mark.
    fn commit(&self, transaction: Self::Transaction) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// The result of an attempt to begin the transaction of a delivery.
#[derive(Debug)]
#[must_use = "dropping a transaction rolls it back"]
pub enum Begin<T> {
    /// The transaction, which contains the mark.
    Acquired(T),
    /// The delivery is completed.
    Duplicate {
        /// The time of the completion, if the store knows it.
        completed_at: Option<Timestamp>,
    },
    /// Another caller is handling the delivery and did not finish in time.
    InProgress {
        /// The time after which another attempt is useful.
        retry_after: Duration,
    },
}
