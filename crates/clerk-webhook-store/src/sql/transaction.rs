//! The transaction of a delivery.

use std::fmt;
use std::ops::{Deref, DerefMut};

use sqlx::{Database, Transaction};

/// A transaction in which a delivery is marked as completed, and in which the application writes what it makes of it.
///
/// `&mut *transaction` is the connection, and an executor of sqlx. Dropping it, by `?`, an early return or a panic,
/// undoes the mark and everything else.
#[must_use = "dropping a transaction undoes it"]
pub struct DeliveryTransaction<DB: Database> {
    pub(crate) transaction: Transaction<'static, DB>,
    attempt: u32,
    /// Tells whether the mark is there before it is committed, where the database does not.
    #[cfg(feature = "postgres")]
    pub(crate) confirmation: Option<crate::postgres::Confirmation>,
}

impl<DB: Database> DeliveryTransaction<DB> {
    pub(crate) fn new(transaction: Transaction<'static, DB>, attempt: u32) -> Self {
        Self {
            transaction,
            attempt,
            #[cfg(feature = "postgres")]
            confirmation: None,
        }
    }

    /// Returns how often the delivery has been claimed, counted from 1; what was undone does not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Undoes the mark and everything that was written, and waits until that is done.
    ///
    /// # Errors
    ///
    /// Where the database cannot be reached; then it is undone too.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.transaction.rollback().await
    }
}

impl<DB: Database> Deref for DeliveryTransaction<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &Self::Target {
        &self.transaction
    }
}

impl<DB: Database> DerefMut for DeliveryTransaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.transaction
    }
}

impl<DB: Database> fmt::Debug for DeliveryTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeliveryTransaction").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}
