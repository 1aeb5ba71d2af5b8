//! Deliveries in Postgres.

pub(crate) mod pooler;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::query::Query;
use sqlx::{Postgres, Row as _, SqlStr};

use crate::engines::sql::detach::DetachOnDrop;
use crate::engines::sql::{
    ConnectError, DeliveryTransaction, Found, InvalidTableName, SOON, TRIES, TableName, advise, attempt,
    millis, state_of,
};
use crate::store::claim::{Claim, Lease, LeaseState, Owner};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;
use crate::store::transaction::{Begin, TransactionalStore};

use self::pooler::Mode;
use self::statements::Statements;

/// How long a statement waits for a connection of the pool: as long as `Deduplicator` and `ExactlyOnce` wait for the store.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Keeps deliveries in Postgres, 12 or newer.
///
/// # What it promises
///
/// With [`begin`](TransactionalStore::begin) the mark "handled" lies in the same transaction as what the application writes:
/// effects in this database happen exactly once. With leases (all other methods) at most one at a time has a delivery, and
/// a crash lets it run again. Both share one table, so an application can use one here and the other there.
///
/// # What to set
///
/// [`connect`](Self::connect) creates a pool with suitable settings. If you pass your own pool to [`new`](Self::new), set:
///
/// - The pool's `acquire_timeout`, which is 30 s: with a server that is down, or with all connections in use, that is the
///   time until an error. TCP's own limits are longer, so that a statement whose server vanished waits until the
///   caller gives up; [`Deduplicator`](crate::Deduplicator) and [`ExactlyOnce`](crate::ExactlyOnce) do so.
/// - The pool's `test_before_acquire`: it costs a round trip for each statement. Without it every operation is one round
///   trip, except `begin` and the claim of a duplicate, which are two.
/// - TLS: the feature `tls-rustls`, and `sslmode` in the URL, see [`connect`](Self::connect).
/// - The isolation that `default_transaction_isolation` sets may be any. Above `read committed`, concurrent attempts
///   are more often told that the delivery is in progress.
///
/// Times are those of the server, so clocks of machines that differ do no harm.
///
/// # Behind a pooler
///
/// PgBouncer in transaction mode, and most poolers of hosted Postgres, give a client another server connection for each
/// transaction. Turn off the statement cache of the pool if one is between the application and the server:
///
/// ```no_run
/// use clerk_webhook_store::PostgresStore;
/// use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let options: PgConnectOptions = "postgres://app@pooler:6432/app".parse()?;
/// let pool = PgPoolOptions::new().connect_with(options.statement_cache_capacity(0)).await?;
/// let store = PostgresStore::new(pool);
/// store.migrate().await?;
/// # Ok(())
/// # }
/// ```
///
/// The store then runs every statement unnamed and inside a transaction. This works behind poolers in transaction mode and
/// in session mode, and leaves no prepared statement on the server. It costs round trips: four instead of one for a claim
/// and for a completion, eight instead of two for a duplicate, and three more for a transaction of
/// [`begin`](TransactionalStore::begin).
///
/// If the pool has a statement cache and [`migrate`](Self::migrate) finds such a pooler, it returns an error that says what
/// to set. Call it at every start, even if you keep migrations of your own. PgBouncer 1.21 and later can keep prepared
/// statements itself (`max_prepared_statements`). The store is not tested with that: turn off the cache there too.
///
/// Your own statements in a transaction of [`begin`](TransactionalStore::begin) need nothing special. Run all others in a
/// transaction, and with `persistent(false)`.
///
/// The tests run against PgBouncer 1.18. Set `ignore_startup_parameters = extra_float_digits` there, because sqlx sends this
/// parameter. PgBouncer does not pass on a `search_path`: use [`table`](Self::table) with a schema.
///
/// # Retention
///
/// Rows stay until they are purged: call [`purge`](crate::purge()) once a day, with 30 days, and never less than 7. The sender
/// retries for almost three days, and what was removed runs again when somebody replays it.
///
/// # Examples
///
/// ```no_run
/// use clerk_webhook_store::{
///     Begin, DEFAULT_RETENTION, DeliveryKey, PostgresStore, TransactionalStore as _, purge,
/// };
///
/// # async fn example(event: clerk_webhook_core::Event) -> Result<(), Box<dyn std::error::Error>> {
/// let store = PostgresStore::connect("postgres://localhost/app").await?;
/// store.migrate().await?;
///
/// let key = DeliveryKey::of(&event, "sync".parse()?);
/// match store.begin(&key).await? {
///     Begin::Acquired(mut transaction) => {
///         sqlx::query("INSERT INTO welcome (message) VALUES ($1)")
///             .bind(event.message_id().as_str())
///             .execute(&mut *transaction)
///             .await?; // undoes everything where it fails
///         transaction.commit().await?;
///     }
///     Begin::Duplicate { .. } => println!("was handled before"),
///     Begin::InProgress { retry_after } => println!("somebody has it, ask again in {retry_after:?}"),
/// }
///
/// purge(&store, DEFAULT_RETENTION).await?; // once a day
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    pool: PgPool,
    mode: Mode,
    table: TableName,
    statements: Arc<Statements>,
    lock_timeout: Duration,
}

impl PostgresStore {
    /// What [`migrate`](Self::migrate) runs, for those who keep migrations of their own.
    ///
    /// It is the file `migrations/postgres/0001_deliveries.sql` of this crate.
    pub const MIGRATION_SQL: &str = statements::MIGRATION;

    /// Marks a delivery as completed, in an application's own transaction by whatever client it has.
    ///
    /// The parameters are scope, message id, 32 hexadecimal digits that are new each time (an [`Owner`]), and how long to
    /// wait for another transaction that has marked the delivery, such as `2s`; all are texts. A row back: the
    /// delivery is new, and its first column says how often it was claimed. No row: [`LOOK_UP_SQL`](Self::LOOK_UP_SQL)
    /// says why; roll back. The error 55P03: the other transaction has not ended in time.
    ///
    /// ```
    /// # use clerk_webhook_store::PostgresStore;
    /// assert!(PostgresStore::MARK_SQL.contains("INSERT INTO clerk_webhook_delivery"));
    /// ```
    pub const MARK_SQL: &str = statements::MARK;

    /// Looks up a delivery that could not be marked: `state`, `updated_at` and `lease_left`, all `bigint`.
    ///
    /// The parameters are scope and message id. The state is 1: it was completed at `updated_at`, in milliseconds since
    /// the Unix epoch. It is 0, and `lease_left` is above 0: somebody has it for so many milliseconds. All
    /// else, also no row: it has changed meanwhile, mark it again.
    pub const LOOK_UP_SQL: &str = statements::LOOK_UP;

    /// Creates a store on a pool of the application, with the table `clerk_webhook_delivery`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let table = TableName::default();
        let statements = Arc::new(Statements::of(&table));
        let mode = Mode::of(&pool);
        Self { pool, mode, table, statements, lock_timeout: Duration::from_secs(2) }
    }

    /// Connects to `postgres://user:password@host:port/database`, with a pool of up to 10 connections.
    ///
    /// A statement waits up to 5 s for a connection. Pass your own pool to [`new`](Self::new) if you need other settings.
    /// [`pool`](Self::pool) returns the pool, so that the rest of your application can share it.
    ///
    /// # TLS
    ///
    /// Enable the feature `tls-rustls` (rustls with ring, and the certificates of the operating system). The parameter `sslmode`
    /// of the URL says what the connection requires: `prefer` by default, `require`, or `verify-full` to check the certificate.
    /// `sslrootcert` is the path of a certificate authority of your own. Without the feature, `prefer` connects in plain
    /// text, and `require` and stricter modes are an error.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid, or if the server cannot be reached within 5 s or refuses the connection. Its
    /// text says what to do.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use clerk_webhook_store::PostgresStore;
    ///
    /// let store = PostgresStore::connect("postgres://app:secret@db.example.com/app?sslmode=verify-full").await?;
    /// store.migrate().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        let options: PgConnectOptions = url.parse().map_err(ConnectError::invalid_url)?;
        let (host, port) = (options.get_host().to_owned(), options.get_port());
        let pool = PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).connect_with(options).await;
        Ok(Self::new(pool.map_err(|error| ConnectError::postgres(&host, port, error))?))
    }

    /// Sets the table, with or without a schema, which has to exist.
    ///
    /// # Errors
    ///
    /// Refuses a name of anything but lower-case ASCII letters, digits and `_`, and one that is too long.
    pub fn table(mut self, name: &str) -> Result<Self, InvalidTableName> {
        self.table = name.parse()?;
        self.statements = Arc::new(Statements::of(&self.table));
        Ok(self)
    }

    /// Sets how long to wait for a transaction of somebody else that has the same delivery, 2 s unless set.
    ///
    /// After that the delivery is in progress. The application's own statements in the transaction are not limited by it.
    /// Postgres counts whole milliseconds, from 1 to `i32::MAX`; a value outside of this range counts as its nearest limit.
    #[must_use]
    pub fn lock_timeout(mut self, limit: Duration) -> Self {
        self.lock_timeout = limit;
        self
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Creates the table if it is missing; any number of instances may do so at once.
    ///
    /// If the pool keeps prepared statements, it also opens a second connection to find out whether a pooler in transaction
    /// mode is [in the way](Self#behind-a-pooler).
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached, if the schema is missing, if the user may not create a table in
    /// it, and `sqlx::Error::Configuration` if the pool keeps statements behind a pooler. If the table exists already, the
    /// user needs only the right to read the catalogue.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        pooler::refuse(self.mode, &self.pool).await?;
        let migrated = sqlx::query(self.statements.migrated.clone());
        let migrated = pooler::fetch(self.mode, &self.pool, migrated).await?;
        if !migrated.first().ok_or(sqlx::Error::RowNotFound)?.try_get::<bool, _>(0)? {
            sqlx::raw_sql(self.statements.migration.clone()).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Does what [`TransactionalStore::begin`] does, and must not be dropped before it is done.
    async fn begin_uncut(
        &self,
        key: &DeliveryKey,
    ) -> Result<Begin<DeliveryTransaction<Postgres>>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        self.mode.prepare(&mut transaction).await?;
        let owner = Owner::random();
        for _ in 0..TRIES {
            let mark = of_key(&self.statements.mark, key).bind(owner.to_string()).bind(self.patience());
            let mark = mark.persistent(self.mode.keeps_statements());
            match mark.fetch_all(&mut *transaction).await {
                Ok(rows) => {
                    if let Some(row) = rows.first() {
                        let transaction = DeliveryTransaction::new(transaction, attempt::<_, i32>(row)?);
                        let (this, key) = (self.clone(), key.clone());
                        return Ok(Begin::Acquired(transaction.confirmed_by(move |connection| {
                            Box::pin(async move { this.confirm(key, owner, connection).await })
                        })));
                    }
                }
                Err(error) => {
                    return match Conflict::of(&error) {
                        Some(conflict) => Ok(Begin::InProgress { retry_after: self.retry_after(conflict) }),
                        None => Err(advise(error)),
                    };
                }
            }
            let look_up = of_key(&self.statements.look_up, key).persistent(self.mode.keeps_statements());
            let found = match Found::from_row(look_up.fetch_all(&mut *transaction).await?.first())? {
                Found::Completed(at) => Begin::Duplicate { completed_at: Some(at) },
                Found::Leased(retry_after) => Begin::InProgress { retry_after },
                Found::Free => continue,
            };
            // The mark that was not made has locked the row.
            transaction.rollback().await?;
            return Ok(found);
        }
        Ok(Begin::InProgress { retry_after: SOON })
    }

    async fn execute(&self, query: Query<'static, Postgres, PgArguments>) -> Result<u64, sqlx::Error> {
        pooler::execute(self.mode, &self.pool, query).await.map_err(advise)
    }

    /// Finds the mark of an owner in its transaction.
    ///
    /// If a statement of a transaction has failed, Postgres answers its COMMIT by rolling back, and sqlx reports success.
    /// This method returns an error in that case, and if the application has ended the transaction.
    async fn confirm(
        &self,
        key: DeliveryKey,
        owner: Owner,
        connection: &mut PgConnection,
    ) -> Result<(), sqlx::Error> {
        let confirm = of_key(&self.statements.confirm, &key).bind(owner.to_string());
        let confirm = confirm.persistent(self.mode.keeps_statements());
        confirm.fetch_one(connection).await.map(drop)
    }

    /// Returns the limit as Postgres reads it, where 0 would be none.
    fn patience(&self) -> String {
        let limit = millis(self.lock_timeout).clamp(1, i64::from(i32::MAX));
        format!("{limit}ms")
    }

    fn retry_after(&self, conflict: Conflict) -> Duration {
        match conflict {
            // They may need as long again.
            Conflict::Locked => self.lock_timeout.max(SOON),
            Conflict::Raced => SOON,
        }
    }
}

impl DeliveryStore for PostgresStore {
    type Error = sqlx::Error;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Claim, sqlx::Error> {
        for _ in 0..TRIES {
            let owner = Owner::random();
            let claim = of_key(&self.statements.claim, key)
                .bind(owner.to_string())
                .bind(millis(lease))
                .bind(self.patience());
            match pooler::fetch(self.mode, &self.pool, claim).await {
                Ok(rows) => {
                    if let Some(row) = rows.first() {
                        return Ok(Claim::Acquired(Lease::new(key.clone(), owner, attempt::<_, i32>(row)?)));
                    }
                }
                Err(error) => match Conflict::of(&error) {
                    Some(Conflict::Locked) => {
                        return Ok(Claim::InProgress { retry_after: self.retry_after(Conflict::Locked) });
                    }
                    Some(Conflict::Raced) => continue,
                    None => return Err(advise(error)),
                },
            }
            let look_up = of_key(&self.statements.look_up, key);
            match Found::from_row(pooler::fetch(self.mode, &self.pool, look_up).await?.first())? {
                Found::Completed(at) => return Ok(Claim::Duplicate { completed_at: Some(at) }),
                Found::Leased(retry_after) => return Ok(Claim::InProgress { retry_after }),
                Found::Free => {}
            }
        }
        Ok(Claim::InProgress { retry_after: SOON })
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, sqlx::Error> {
        let renew = of_lease(&self.statements.renew, lease).bind(millis(by)).bind(self.patience());
        self.execute(renew).await.map(state_of)
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, sqlx::Error> {
        let complete = of_lease(&self.statements.complete, lease).bind(self.patience());
        self.execute(complete).await.map(state_of)
    }

    async fn release(&self, lease: &Lease) -> Result<LeaseState, sqlx::Error> {
        let release = of_lease(&self.statements.release, lease).bind(self.patience());
        self.execute(release).await.map(state_of)
    }

    async fn forget(&self, key: &DeliveryKey) -> Result<bool, sqlx::Error> {
        Ok(self.execute(of_key(&self.statements.forget, key).bind(self.patience())).await? > 0)
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> Result<u64, sqlx::Error> {
        let purge =
            sqlx::query(self.statements.purge.clone()).bind(millis(older_than)).bind(i64::from(limit));
        self.execute(purge).await
    }
}

/// A second delivery waits in the database for the end of the first one's transaction, as long as
/// [`lock_timeout`](PostgresStore::lock_timeout) says.
impl TransactionalStore for PostgresStore {
    type Error = sqlx::Error;
    type Transaction = DeliveryTransaction<Postgres>;

    async fn begin(&self, key: &DeliveryKey) -> Result<Begin<Self::Transaction>, sqlx::Error> {
        let (this, key) = (self.clone(), key.clone());
        // Where sqlx is dropped while it waits for the answer to BEGIN, it gives a connection back to its pool that is inside
        // a transaction and does not know it. What others then write by it would never be committed.
        DetachOnDrop::new(async move { this.begin_uncut(&key).await }).await
    }

    async fn commit(&self, transaction: Self::Transaction) -> Result<(), sqlx::Error> {
        transaction.commit().await
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore")
            .field("table", &self.table)
            .field("lock_timeout", &self.lock_timeout)
            .finish_non_exhaustive()
    }
}

/// An error that says that somebody else has the row, and nothing about the database.
#[derive(Clone, Copy, Debug)]
enum Conflict {
    /// A transaction had it for longer than we wait.
    Locked,
    /// Two got in each other's way, and this one was sent back.
    Raced,
}

impl Conflict {
    fn of(error: &sqlx::Error) -> Option<Self> {
        match error.as_database_error()?.code()?.as_ref() {
            "55P03" => Some(Self::Locked),          // lock_not_available
            "40001" | "40P01" => Some(Self::Raced), // serialization_failure, deadlock_detected
            _ => None,
        }
    }
}

fn of_key(statement: &SqlStr, key: &DeliveryKey) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(statement.clone()).bind(key.scope().as_str()).bind(key.message_id().as_str())
}

fn of_lease(statement: &SqlStr, lease: &Lease) -> Query<'static, Postgres, PgArguments> {
    of_key(statement, lease.key()).bind(lease.owner().to_string())
}
