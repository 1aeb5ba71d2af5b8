//! Handling inside a transaction of the application.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use clerk_webhook_core::Timestamp;

use crate::store::key::DeliveryKey;

/// A store in the database of the application, where "handled" is written in the transaction that handles.
///
/// Either everything that the transaction wrote is there and the delivery is a duplicate from then on, or nothing is:
/// there is no lease that could end too early, and no moment in which a crash would lose or double anything.
pub trait TransactionalStore: Send + Sync + 'static {
    /// Why the store could not be asked.
    type Error: Error + Send + Sync + 'static;

    /// A transaction that is undone when it is dropped.
    type Transaction: Send + 'static;

    /// Begins a transaction in which the delivery is marked as completed, unless it is so already.
    ///
    /// Where another transaction has marked it and not yet ended, this waits for its end, for a limited time.
    fn begin(
        &self,
        key: &DeliveryKey,
    ) -> impl Future<Output = Result<Begin<Self::Transaction>, Self::Error>> + Send;

    /// Makes what the transaction wrote lasting, the mark included.
    fn commit(&self, transaction: Self::Transaction) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What came of an attempt to begin a delivery's transaction.
#[derive(Debug)]
#[must_use = "dropping a transaction undoes it"]
pub enum Begin<T> {
    /// The transaction, with the mark inside.
    Acquired(T),
    /// The delivery was handled before.
    Duplicate {
        /// When that was completed, where the store knows.
        completed_at: Option<Timestamp>,
    },
    /// Somebody else is handling it, and did not end in time.
    InProgress {
        /// When it is worth another attempt.
        retry_after: Duration,
    },
}
