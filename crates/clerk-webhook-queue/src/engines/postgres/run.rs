//! Runs the statements of the queue.

use std::future::Future;

use clerk_webhook_core::{Event, MessageId};
use clerk_webhook_store::internal::{DetachOnDrop, advise, fetch, state_of};
use clerk_webhook_store::{Lease, LeaseState};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _, SqlStr, Transaction};

use crate::engines::common::truncated;
use crate::queue::object::object_of;

use super::queue::PostgresQueue;
use super::rows::count;

pub(super) type Statement = Query<'static, Postgres, PgArguments>;

/// The default isolation level of the server may be higher. A later statement would then not see the jobs
/// that another worker has taken since the first statement.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// The maximum length of a stored event type, in bytes. An entry of an index is limited too.
const MAX_TYPE: usize = 255;

/// How many times a statement is tried that conflicts with another transaction, which happens only above the
/// `read committed` isolation level.
const TRIES: u32 = 64;

impl PostgresQueue {
    /// Runs a statement, and returns all of its rows.
    pub(super) async fn fetch(&self, statement: Statement) -> Result<Vec<PgRow>, sqlx::Error> {
        fetch(self.mode, &self.pool, statement).await.map_err(advise)
    }

    /// Runs a statement, and repeats it if it conflicts with another transaction.
    pub(super) async fn fetch_again(
        &self,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let mut tries = 1;
        loop {
            match self.fetch(statement()).await {
                Err(error) if tries < TRIES && is_conflict(&error) => tries += 1,
                done => return done,
            }
        }
    }

    /// Ends an attempt, and wakes a worker, because the job, or another job about the same object, may now be
    /// ready.
    pub(super) async fn end(
        &self,
        lease: &Lease,
        statement: impl Fn() -> Statement + Send,
    ) -> Result<LeaseState, sqlx::Error> {
        let rows = self.fetch_again(statement).await?;
        if let Some(row) = rows.first() {
            let (message_id, object) = (lease.key().message_id().clone(), row.try_get("object_id")?);
            let woken = self.detached(async move |queue| {
                queue.wake(&message_id, object).await;
                Ok(())
            });
            woken.await?;
        }
        self.changed.notify_one();
        Ok(state_of(ended(&rows)?))
    }

    /// Makes the next job about an object ready, after the transaction that ended its running job.
    ///
    /// An error has no effect on the result of that transaction: without this call, the next job is ready when
    /// the old lease would have expired.
    pub(super) async fn wake(&self, message_id: &MessageId, object: Option<String>) {
        let Some(object) = object else { return };
        let _ = self
            .fetch_again(|| self.of_message(&self.statements.wake, message_id).bind(object.clone()))
            .await;
    }

    pub(super) async fn begin_read_committed(&self) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
        self.pool.begin_with(BEGIN).await
    }

    /// Runs `work` to the end even if the caller drops the future, so that no connection returns to the pool
    /// in the middle of a transaction.
    pub(super) async fn detached<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, sqlx::Error>
    where
        T: Send,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        DetachOnDrop::new(work(self.clone())).await
    }

    /// Binds an event to a statement that inserts it.
    pub(super) fn insert(&self, statement: &SqlStr, event: &Event) -> Statement {
        self.of_message(statement, event.message_id())
            .bind(text(event.event_type().as_str(), MAX_TYPE))
            .bind(object_of(event).map(|object| text(&object, object.len())))
            .bind(event.attempted_at().as_millis())
            .bind(event.raw_body().to_vec())
    }

    /// Returns a query whose first parameter is this queue's scope.
    pub(super) fn of_scope(&self, statement: &SqlStr) -> Statement {
        sqlx::query(statement.clone()).bind(self.scope.as_str().to_owned())
    }

    pub(super) fn of_message(&self, statement: &SqlStr, message_id: &MessageId) -> Statement {
        self.of_scope(statement).bind(message_id.as_str().to_owned())
    }
}

/// Returns the beginning of a text, in a form that Postgres can store.
pub(super) fn text(text: &str, limit: usize) -> String {
    truncated(text, limit).replace('\0', "\u{fffd}")
}

/// Copies a lease for a future that may outlive the caller's future.
pub(super) fn copied(lease: &Lease) -> Lease {
    Lease::new(lease.key().clone(), lease.owner(), lease.attempt())
}

pub(super) fn of_lease(statement: &SqlStr, lease: &Lease) -> Statement {
    sqlx::query(statement.clone())
        .bind(lease.key().scope().as_str().to_owned())
        .bind(lease.key().message_id().as_str().to_owned())
        .bind(lease.owner().to_string())
}

/// Reads how many attempts a statement has ended.
pub(super) fn ended(rows: &[PgRow]) -> Result<u64, sqlx::Error> {
    rows.first().map_or(Ok(0), |row| count(row, "ended"))
}

/// Returns whether Postgres has canceled the statement because of a serialization failure or a deadlock.
fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "40001" || code == "40P01")
}
