//! A delivery's transaction.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use sqlx::{Database, Transaction};

/// A transaction that marks a delivery as completed, and in which the application writes.
///
/// `&mut *transaction` is the connection, which is an sqlx executor. If the transaction is dropped, for
/// example by `?`, an early return or a panic, the mark and all writes are rolled back.
#[must_use = "dropping a transaction rolls it back"]
pub struct DeliveryTransaction<DB: Database> {
    transaction: Transaction<'static, DB>,
    attempt: u32,
    commit: Option<Commit<DB>>,
    follow_up: Option<FollowUp>,
}

/// Commits in place of COMMIT, and begins an empty transaction on the connection.
type Commit<DB> =
    Box<dyn for<'c> FnOnce(&'c mut <DB as Database>::Connection) -> Committing<'c> + Send + Sync>;

/// Runs after a successful commit.
type FollowUp = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// The future of a commit.
pub type Committing<'c> = Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'c>>;

impl<DB: Database> DeliveryTransaction<DB> {
    /// Creates a delivery transaction from a transaction that contains the mark of the delivery.
    ///
    /// A [`TransactionalStore`](crate::TransactionalStore) of your own calls this function, so that its
    /// handlers receive the same type as with the stores of this crate.
    pub fn new(transaction: Transaction<'static, DB>, attempt: u32) -> Self {
        Self { transaction, attempt, commit: None, follow_up: None }
    }

    /// Sets the function that commits, for a database that reports success even if COMMIT rolls back.
    ///
    /// The function must leave an empty open transaction on the connection, which sqlx rolls back
    /// when the connection returns to the pool.
    #[cfg(feature = "postgres")]
    #[doc(hidden)]
    pub fn committed_by(
        mut self,
        commit: impl for<'c> FnOnce(&'c mut DB::Connection) -> Committing<'c> + Send + Sync + 'static,
    ) -> Self {
        self.commit = Some(Box::new(commit));
        self
    }

    /// Sets the work that runs after a successful commit.
    #[cfg(feature = "postgres")]
    #[doc(hidden)]
    pub fn followed_by(
        mut self,
        follow_up: impl FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> Self {
        self.follow_up = Some(Box::new(follow_up));
        self
    }

    /// Returns the attempt number, counted from 1.
    ///
    /// Transactions that were rolled back do not count.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Commits the mark and all writes.
    ///
    /// # Errors
    ///
    /// Returns the database's error. If the connection is lost during the commit, the result is unknown. The next
    /// attempt finds the mark if the commit succeeded.
    ///
    /// In Postgres, this method also returns an error in two cases in which COMMIT would report success:
    ///
    /// - A statement in the transaction has failed, even if the application ignored its error. Postgres rolls the
    ///   transaction back.
    /// - The application has ended the transaction with its own COMMIT or ROLLBACK, which has taken effect.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        match self.commit.take() {
            Some(commit) => {
                commit(&mut self.transaction).await?;
                // Rolls back the empty transaction when the connection returns to the pool.
                drop(self.transaction);
            }
            None => self.transaction.commit().await?,
        }
        if let Some(follow_up) = self.follow_up.take() {
            follow_up().await;
        }
        Ok(())
    }

    /// Rolls back the mark and all writes, and waits until the rollback is finished.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be reached. In this case too, the transaction is rolled back.
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

/// The transaction that a handler of [`ExactlyOnce`](crate::ExactlyOnce) receives with SQLite.
#[cfg(feature = "sqlite")]
pub type SqliteTransaction = crate::SharedTransaction<DeliveryTransaction<sqlx::Sqlite>>;

/// The transaction that a handler of [`ExactlyOnce`](crate::ExactlyOnce) receives with Postgres.
#[cfg(feature = "postgres")]
pub type PostgresTransaction = crate::SharedTransaction<DeliveryTransaction<sqlx::Postgres>>;
