//! The queue in SQLite.

mod rows;
mod statements;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Event, EventType, MessageId};
use clerk_webhook_store::internal::{
    DetachOnDrop, acquire_sqlite, advise, begin_sqlite, bytes, millis, now, now_plus, state_of,
};
use clerk_webhook_store::{
    ConnectError, DeliveryKey, DeliveryTransaction, InvalidTableName, Lease, LeaseState, Owner, Scope,
    SqliteStore,
};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{SqlStr, Sqlite};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::engines::common::{CRASHED, NOT_AN_EVENT, PAUSE, enqueued, truncated};
use crate::queue::dead_letters::{DeadLetter, QueueStats};
use crate::queue::delivery_queue::{DeliveryQueue, Enqueued};
use crate::queue::job_queue::{Job, JobQueue, MAX_ERROR_LENGTH, TakeOptions};
use crate::queue::log;
use crate::queue::object::object_of;
use crate::queue::transactional::TransactionalQueue;

use self::rows::{TakenRow, dead_letter, event_type_stats};
use self::statements::Statements;

type Statement = Query<'static, Sqlite, SqliteArguments>;

/// The number of dead letters that one statement retries. Small, so that no other statement waits for long.
const BATCH: u32 = 1000;

/// A queue in a SQLite file, for any number of processes on one machine.
///
/// # Guarantee
///
/// - [`enqueue`](DeliveryQueue::enqueue) returns after SQLite has committed the event and synchronized the
///   file.
/// - A single row is both the job and the record that identifies duplicates, so neither can exist without the
///   other.
/// - Each job is handled at least once, and two workers never hold a live lease of one job. After a crash, the job
///   can be taken again when its lease expires. See [`Worker`](crate::Worker#guarantee-at-least-once).
///
/// # Pool settings
///
/// [`open`](Self::open) creates a pool with suitable settings. If you pass your own pool to
/// [`new`](Self::new), check these settings:
///
/// - `journal_mode` must be WAL, and `synchronous` must be FULL. With weaker settings, a power loss can lose
///   an event that the sender will not send again. The file must be on a local disk, not on a network file
///   system.
/// - `busy_timeout` and `acquire_timeout` limit how long a statement waits for other writers, because SQLite
///   has one writer at a time. With [`open`](Self::open), each of them is 4 s, so the server answers
///   `store_unavailable` 4 s after the event arrived, or after 5 s if the statement waited both for the
///   connection and for other writers. Values above 5 s have no effect on the server: if storing an event
///   takes longer than 5 s, it answers `store_unavailable`.
/// - For a database in memory, use a single connection without `idle_timeout` and `max_lifetime`, because
///   each connection would have its own database. A queue in memory is not durable: use it only in tests.
///
/// Leases and delays use the clock of this machine.
///
/// # Retention
///
/// When a job is done, the queue deletes the body of the event, and keeps the message id. Call
/// [`purge`](crate::purge()) once a day to delete old message ids.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use clerk_webhook_core::{Event, Timestamp};
/// use clerk_webhook_queue::{DeliveryQueue as _, Enqueued, JobQueue as _, SqliteQueue, TakeOptions};
///
/// # let file = std::env::temp_dir().join(format!("clerk-webhook-queue-doc-{}.db", std::process::id()));
/// # let path = file.clone();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let queue = SqliteQueue::open(path).await?;
/// queue.migrate().await?;
///
/// # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
/// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
/// assert_eq!(queue.enqueue(&event).await?, Enqueued::New);
/// assert_eq!(queue.enqueue(&event).await?, Enqueued::Duplicate);
/// assert_eq!(queue.stats().await?.ready, 1);
/// # queue.pool().close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # std::fs::remove_file(file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteQueue {
    pool: SqlitePool,
    table: Arc<str>,
    statements: Arc<Statements>,
    scope: Scope,
    /// Wakes a worker in this process. Each table and each scope has its own `Notify`.
    changed: Arc<Notify>,
}

impl SqliteQueue {
    /// The SQL that [`migrate`](Self::migrate) runs, for applications that manage migrations themselves.
    ///
    /// It is the content of this crate's `migrations/sqlite/0001_queue.sql` file.
    pub const MIGRATION_SQL: &str = statements::MIGRATION;

    /// Creates a queue with the application's pool. The table is `clerk_webhook_queue`.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        Self {
            pool,
            table: statements::DEFAULT.into(),
            statements: Arc::new(Statements::of(statements::DEFAULT)),
            scope: Scope::default(),
            changed: Arc::default(),
        }
    }

    /// Opens a queue in a SQLite file, and creates the file if it is missing.
    ///
    /// The pool has a single connection. Waiting for this connection is faster than letting several
    /// connections compete for the lock on the file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened or created.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        Ok(Self::new(SqliteStore::open(path).await?.pool().clone()))
    }

    /// Sets the name of the table, `clerk_webhook_queue` by default.
    ///
    /// The name of an attached database may precede it: `database.table`.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is too long, or contains characters other than lowercase ASCII letters,
    /// digits and `_`.
    pub fn table(mut self, name: &str) -> Result<Self, InvalidTableName> {
        // The rules for the name are the same as for a store's table.
        SqliteStore::new(self.pool.clone()).table(name)?;
        self.table = name.into();
        self.statements = Arc::new(Statements::of(name));
        self.changed = Arc::default();
        Ok(self)
    }

    /// Sets the scope: the name of the endpoint, `clerk` by default.
    ///
    /// Endpoints that share a table, but have different handlers, need different scopes. A worker takes only
    /// the jobs of its scope.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self.changed = Arc::default();
        self
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Creates the table if it is missing.
    ///
    /// Any number of processes may call this method at the same time.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        self.detached(async |queue| {
            let mut transaction = begin_sqlite(&queue.pool).await?;
            sqlx::raw_sql(queue.statements.migration.clone()).execute(&mut *transaction).await?;
            // 0 is OFF, and 1 is NORMAL.
            let synchronous: i64 =
                sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *transaction).await?;
            transaction.commit().await?;
            if synchronous < 2 {
                log::not_durable("`synchronous` of the SQLite connections is not FULL");
            }
            Ok(())
        })
        .await
    }

    /// Stores an event in the application's transaction.
    ///
    /// The event becomes durable when the transaction is committed, together with the transaction's other
    /// writes. Respond to the sender after the commit. If the transaction is rolled back, the queue does not
    /// know the message. Begin the transaction with `BEGIN IMMEDIATE`. Otherwise it fails if another
    /// transaction writes between its first read and its first write. An idle worker finds the event at its
    /// next poll.
    ///
    /// # Errors
    ///
    /// Returns the error of the database.
    pub async fn enqueue_in(
        &self,
        connection: &mut SqliteConnection,
        event: &Event,
    ) -> Result<Enqueued, sqlx::Error> {
        let done = self.insert(event)().execute(connection).await.map_err(advise)?;
        Ok(enqueued(done.rows_affected()))
    }

    /// Marks a job as done in the application's transaction.
    ///
    /// The job is done when the transaction is committed, together with the transaction's other writes. If
    /// the result is [`LeaseState::Lost`], another worker has taken the job: roll the transaction back.
    ///
    /// # Errors
    ///
    /// Returns the error of the database.
    pub async fn complete_in(
        &self,
        connection: &mut SqliteConnection,
        lease: &Lease,
    ) -> Result<LeaseState, sqlx::Error> {
        let complete = of_lease(&self.statements.complete, lease).bind(now());
        Ok(state_of(complete.execute(connection).await.map_err(advise)?.rows_affected()))
    }

    /// Runs `work` to the end even if the caller drops the future, so that no connection is left in the
    /// middle of a statement.
    async fn detached<T, F>(&self, work: impl FnOnce(Self) -> F) -> Result<T, sqlx::Error>
    where
        T: Send,
        F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
    {
        DetachOnDrop::new(work(self.clone())).await
    }

    /// Runs a statement outside of any transaction, and returns the number of changed rows.
    ///
    /// The closure binds the current time. It runs only after the connection has been acquired, so that the
    /// wait for the connection does not make this time too old.
    async fn execute(
        &self,
        statement: impl FnOnce() -> Statement + Send + 'static,
    ) -> Result<u64, sqlx::Error> {
        let done = self.detached(async |queue| {
            let mut connection = acquire_sqlite(&queue.pool).await?;
            let done = statement().execute(&mut *connection).await.map_err(advise)?;
            Ok(done.rows_affected())
        });
        done.await
    }

    /// Runs a statement, and reads all of its rows, because SQLite commits the statement after the last row,
    /// and the commit can fail.
    async fn fetch(
        &self,
        statement: impl FnOnce() -> Statement + Send + 'static,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let rows = self.detached(async |queue| {
            let mut connection = acquire_sqlite(&queue.pool).await?;
            statement().fetch_all(&mut *connection).await.map_err(advise)
        });
        rows.await
    }

    fn insert(&self, event: &Event) -> impl FnOnce() -> Statement + Send + use<> {
        let statement = sqlx::query(self.statements.enqueue.clone())
            .bind(self.scope.as_str().to_owned())
            .bind(event.message_id().as_str().to_owned())
            .bind(event.event_type().as_str().to_owned())
            .bind(object_of(event));
        let event = event.clone();
        move || statement.bind(now()).bind(event.attempted_at().as_millis()).bind(event.raw_body().to_vec())
    }

    /// Returns a query whose first parameter is this queue's scope.
    fn of_scope(&self, statement: &SqlStr) -> Statement {
        sqlx::query(statement.clone()).bind(self.scope.as_str().to_owned())
    }

    fn of_message(&self, statement: &SqlStr, message_id: &MessageId) -> Statement {
        self.of_scope(statement).bind(message_id.as_str().to_owned())
    }

    /// Ends an attempt, and wakes a worker, because the job, or another job about the same object, may now be
    /// ready.
    async fn end(
        &self,
        statement: impl FnOnce() -> Statement + Send + 'static,
    ) -> Result<LeaseState, sqlx::Error> {
        let state = state_of(self.execute(statement).await?);
        self.changed.notify_one();
        Ok(state)
    }
}

impl DeliveryQueue for SqliteQueue {
    type Error = sqlx::Error;

    fn scope(&self) -> &Scope {
        &self.scope
    }

    async fn enqueue(&self, event: &Event) -> Result<Enqueued, sqlx::Error> {
        let enqueued = enqueued(self.execute(self.insert(event)).await?);
        if enqueued == Enqueued::New {
            self.changed.notify_one();
        }
        Ok(enqueued)
    }
}

impl JobQueue for SqliteQueue {
    async fn take(&self, options: &TakeOptions) -> Result<Option<Job>, sqlx::Error> {
        let options = *options;
        loop {
            let owner = Owner::random();
            let take = self.of_scope(&self.statements.take).bind(bytes(owner));
            let take = move || {
                take.bind(now())
                    .bind(now_plus(options.lease))
                    .bind(i64::from(options.max_attempts))
                    .bind(options.one_object_at_a_time)
                    .bind(CRASHED)
            };
            let rows = self.fetch(take).await?;
            let Some(row) = rows.first() else { return Ok(None) };
            let taken = TakenRow::read(row)?;
            if taken.is_dead {
                log::dead_letter(
                    &self.scope,
                    &taken.message_id,
                    &taken.event_type,
                    taken.attempts,
                    &taken.last_error,
                );
                continue;
            }
            let key = DeliveryKey::new(self.scope.clone(), taken.message_id.clone());
            let lease = Lease::new(key, owner, taken.attempts);
            match Event::from_trusted(taken.message_id, taken.attempted_at, taken.payload) {
                Ok(event) => return Ok(Some(Job::new(lease, event, taken.enqueued_at))),
                Err(_) => {
                    log::dead_letter(
                        &self.scope,
                        lease.key().message_id(),
                        &taken.event_type,
                        taken.attempts,
                        NOT_AN_EVENT,
                    );
                    let _ = self.bury(&lease, NOT_AN_EVENT).await?;
                }
            }
        }
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, sqlx::Error> {
        let renew = of_lease(&self.statements.renew, lease);
        Ok(state_of(self.execute(move || renew.bind(now()).bind(now_plus(by))).await?))
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, sqlx::Error> {
        let complete = of_lease(&self.statements.complete, lease);
        self.end(move || complete.bind(now())).await
    }

    async fn retry(&self, lease: &Lease, after: Duration, error: &str) -> Result<LeaseState, sqlx::Error> {
        let (retry, error) =
            (of_lease(&self.statements.retry, lease), truncated(error, MAX_ERROR_LENGTH).to_owned());
        self.end(move || retry.bind(now_plus(after)).bind(error)).await
    }

    async fn give_back(&self, lease: &Lease) -> Result<LeaseState, sqlx::Error> {
        let give_back = of_lease(&self.statements.give_back, lease);
        self.end(move || give_back).await
    }

    async fn bury(&self, lease: &Lease, error: &str) -> Result<LeaseState, sqlx::Error> {
        let (bury, error) =
            (of_lease(&self.statements.bury, lease), truncated(error, MAX_ERROR_LENGTH).to_owned());
        self.end(move || bury.bind(now()).bind(error)).await
    }

    async fn wait(&self, limit: Duration) {
        // Nothing wakes this task for a job that another process has enqueued, or whose delay is over. The
        // caller finds such a job when the limit has passed.
        let _ = timeout(limit, self.changed.notified()).await;
    }

    async fn stats(&self) -> Result<QueueStats, sqlx::Error> {
        let stats = self.of_scope(&self.statements.stats);
        let rows = self.fetch(move || stats.bind(now())).await?;
        let by_type = rows.iter().map(event_type_stats);
        Ok(QueueStats::new(by_type.collect::<Result<_, sqlx::Error>>()?))
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, sqlx::Error> {
        let dead_letters = self.of_scope(&self.statements.dead_letters).bind(i64::from(limit));
        self.fetch(move || dead_letters).await?.iter().map(dead_letter).collect()
    }

    async fn dead_letter(&self, message_id: &MessageId) -> Result<Option<DeadLetter>, sqlx::Error> {
        let one = self.of_message(&self.statements.dead_letter, message_id);
        self.fetch(move || one).await?.first().map(dead_letter).transpose()
    }

    async fn retry_dead(&self, message_id: &MessageId) -> Result<bool, sqlx::Error> {
        let retry = self.of_message(&self.statements.retry_dead, message_id);
        let is_dead = self.execute(move || retry.bind(now())).await? > 0;
        self.changed.notify_one();
        Ok(is_dead)
    }

    async fn retry_all_dead(&self, event_type: Option<&EventType>) -> Result<u64, sqlx::Error> {
        let event_type = event_type.map(|event_type| event_type.as_str().to_owned());
        // The loop must end even if workers bury the retried events again in the meantime.
        let Some(newest) = self.dead_letters(1).await?.into_iter().next() else { return Ok(0) };
        let mut retried = 0;
        loop {
            let retry = self.of_scope(&self.statements.retry_all_dead).bind(event_type.clone());
            let retry = retry.bind(newest.died_at.as_millis()).bind(i64::from(BATCH));
            let batch = self.execute(move || retry.bind(now())).await?;
            self.changed.notify_one();
            retried += batch;
            if batch < u64::from(BATCH) {
                return Ok(retried);
            }
            // Other processes only poll for the lock on the file, and would rarely find it free without a pause.
            sleep(PAUSE).await;
        }
    }

    async fn discard(&self, message_id: &MessageId) -> Result<bool, sqlx::Error> {
        let discard = self.of_message(&self.statements.discard, message_id);
        Ok(self.execute(move || discard.bind(now())).await? > 0)
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> Result<u64, sqlx::Error> {
        let purge = self.of_scope(&self.statements.purge);
        let purge = move || purge.bind(now().saturating_sub(millis(older_than))).bind(i64::from(limit));
        self.execute(purge).await
    }
}

/// While a transaction is open, it holds the database's write lock. During this time no worker can take a job.
impl TransactionalQueue for SqliteQueue {
    type Transaction = DeliveryTransaction<Sqlite>;

    const HOLDS_WRITE_LOCK: bool = true;

    async fn begin(
        &self,
        lease: &Lease,
        _options: &TakeOptions,
    ) -> Result<Option<Self::Transaction>, sqlx::Error> {
        let mut transaction = self.detached(async |queue| begin_sqlite(&queue.pool).await).await?;
        Ok(match self.complete_in(&mut transaction, lease).await? {
            LeaseState::Held => Some(DeliveryTransaction::new(transaction, lease.attempt())),
            LeaseState::Lost => None,
        })
    }

    async fn commit(&self, transaction: Self::Transaction) -> Result<(), sqlx::Error> {
        transaction.commit().await
    }
}

impl fmt::Debug for SqliteQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteQueue")
            .field("table", &self.table)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

fn of_lease(statement: &SqlStr, lease: &Lease) -> Statement {
    sqlx::query(statement.clone())
        .bind(lease.key().scope().as_str().to_owned())
        .bind(lease.key().message_id().as_str().to_owned())
        .bind(bytes(lease.owner()))
}
