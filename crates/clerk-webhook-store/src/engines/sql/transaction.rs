//! The transaction of a delivery.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use sqlx::{Database, Transaction};

/// A transaction in which a delivery is marked as completed, and in which the application writes what it makes of it.
///
/// `&mut *transaction` is the connection, and an executor of sqlx. Dropping it, by `?`, an early return or a panic,
/// undoes the mark and everything else.
#[must_use = "dropping a transaction undoes it"]
pub struct DeliveryTransaction<DB: Database> {
    transaction: Transaction<'static, DB>,
    attempt: u32,
    confirmation: Option<Confirmation<DB>>,
}

/// Finds the mark in its transaction, before that is committed.
type Confirmation<DB> =
    Box<dyn for<'c> FnOnce(&'c mut <DB as Database>::Connection) -> Confirming<'c> + Send + Sync>;

pub(crate) type Confirming<'c> = Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'c>>;

impl<DB: Database> DeliveryTransaction<DB> {
    pub(crate) fn new(transaction: Transaction<'static, DB>, attempt: u32) -> Self {
        Self { transaction, attempt, confirmation: None }
    }

    /// Sets what finds the mark before it is committed, for a database that does not say where it commits nothing.
    #[cfg(feature = "postgres")]
    pub(crate) fn confirmed_by(
        mut self,
        confirmation: impl for<'c> FnOnce(&'c mut DB::Connection) -> Confirming<'c> + Send + Sync + 'static,
    ) -> Self {
        self.confirmation = Some(Box::new(confirmation));
        self
    }

    /// Returns how often the delivery has been claimed, counted from 1; what was undone does not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Makes the mark and everything that was written lasting.
    ///
    /// # Errors
    ///
    /// Whatever the database refuses it for. In Postgres that includes a statement of the transaction that has failed: it
    /// undoes everything then, whatever the application has made of the error. Where the connection is lost meanwhile,
    /// nobody knows whether it was committed: the next attempt finds out.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        if let Some(confirmation) = self.confirmation.take() {
            confirmation(&mut self.transaction).await?;
        }
        self.transaction.commit().await
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

/// What a handler of [`ExactlyOnce`](crate::ExactlyOnce) receives with SQLite.
#[cfg(feature = "sqlite")]
pub type SqliteTransaction = crate::SharedTransaction<DeliveryTransaction<sqlx::Sqlite>>;

/// What a handler of [`ExactlyOnce`](crate::ExactlyOnce) receives with Postgres.
#[cfg(feature = "postgres")]
pub type PostgresTransaction = crate::SharedTransaction<DeliveryTransaction<sqlx::Postgres>>;
