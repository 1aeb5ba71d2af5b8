//! The store in Postgres.

pub(crate) mod commit;
pub(crate) mod pooler;
mod statements;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions};
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

use self::commit::commit;
use self::pooler::Mode;
use self::statements::Statements;

/// How long a statement waits for a connection: the default `store_timeout` of `Deduplicator` and
/// `ExactlyOnce`.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// A store in Postgres 12 or later.
///
/// # Guarantee
///
/// - With [`ExactlyOnce`](crate::ExactlyOnce), or [`begin`](TransactionalStore::begin): exactly once for
///   writes in this database, because the application's transaction also marks the delivery as handled.
/// - With [`Deduplicator`](crate::Deduplicator), which uses leases: at most one run at a time, and at least
///   once. After a crash the handler runs again.
///
/// Both use the same table, so an application can use both.
///
/// # Pool settings
///
/// [`connect`](Self::connect) creates a pool with suitable settings. If you pass your own pool to
/// [`new`](Self::new), check:
///
/// - `acquire_timeout`, 30 s by default in sqlx. If the server is down or all connections are in use, a call
///   fails after this time. The setting does not limit a statement whose server has vanished: the statement
///   waits for the TCP timeouts, which are longer. [`Deduplicator`](crate::Deduplicator) and
///   [`ExactlyOnce`](crate::ExactlyOnce) stop waiting after their `store_timeout`.
/// - `test_before_acquire`: it costs one round trip for each statement. Without it, every operation takes one
///   round trip, except `begin` and the claim of a duplicate, which take two.
/// - TLS: enable the `tls-rustls` feature, and set `sslmode` in the URL; see [`connect`](Self::connect).
/// - `default_transaction_isolation` may have any value. Above `read committed`, concurrent attempts are
///   answered with `in_progress` more often.
///
/// The store uses the server's clock, so the clocks of your machines may differ.
///
/// # Behind a pooler
///
/// PgBouncer in transaction mode, and most poolers for hosted Postgres, may use a different server connection
/// for each of a client's transactions. If such a pooler is between your application and the server, turn off
/// the pool's statement cache:
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
/// The store then runs every statement unnamed and inside a transaction. This works with poolers in
/// transaction mode and in session mode, and leaves no prepared statement on the server. It costs extra round
/// trips: a claim and a completion take four instead of one, a duplicate takes eight instead of two, and a
/// transaction from [`begin`](TransactionalStore::begin) takes two more.
///
/// If the pool has a statement cache and [`migrate`](Self::migrate) detects such a pooler, it returns an
/// error that names the setting. Call `migrate` every time the application starts, even if you manage
/// migrations yourself. PgBouncer 1.21 and later can track prepared statements (`max_prepared_statements`).
/// The store is not tested with that option: turn off the cache there too.
///
/// Your statements in a transaction from [`begin`](TransactionalStore::begin) need no special settings. Run
/// all other statements in a transaction and with `persistent(false)`.
///
/// The store is tested with PgBouncer 1.18. Set `ignore_startup_parameters = extra_float_digits` in its
/// configuration, because sqlx sends this parameter. PgBouncer does not forward `search_path`. Use
/// [`table`](Self::table) with a schema instead.
///
/// # Retention
///
/// Call [`purge`](crate::purge()) once a day with [`DEFAULT_RETENTION`](crate::DEFAULT_RETENTION): the store
/// does not remove rows automatically. If a message is resent after its row has been removed, the handler
/// runs again.
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
///             .await?; // an error rolls the transaction back
///         transaction.commit().await?;
///     }
///     Begin::Duplicate { .. } => println!("already handled"),
///     Begin::InProgress { retry_after } => println!("in progress, retry in {retry_after:?}"),
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
    /// The SQL that [`migrate`](Self::migrate) runs, for applications that manage migrations themselves.
    ///
    /// It is the file `migrations/postgres/0001_deliveries.sql` in this crate.
    pub const MIGRATION_SQL: &str = statements::MIGRATION;

    /// The statement that marks a delivery as completed, for use in your own transaction with a
    /// Postgres client other than sqlx.
    ///
    /// All parameters are text:
    ///
    /// 1. the scope
    /// 2. the message id
    /// 3. an [`Owner`]: 32 hexadecimal digits, different for each attempt
    /// 4. how long to wait for another transaction that has marked the delivery, such as `2s`
    ///
    /// If the statement returns a row, the delivery is new, and the first column is the attempt number. If it
    /// returns no row, run [`LOOK_UP_SQL`](Self::LOOK_UP_SQL) to find the reason, and roll back. If it fails
    /// with SQLSTATE 55P03, the other transaction did not end in time.
    ///
    /// ```
    /// # use clerk_webhook_store::PostgresStore;
    /// assert!(PostgresStore::MARK_SQL.contains("INSERT INTO clerk_webhook_delivery"));
    /// ```
    pub const MARK_SQL: &str = statements::MARK;

    /// The statement that looks up a delivery that could not be marked.
    ///
    /// The parameters are the scope and the message id. The columns are `state`, `updated_at` and
    /// `lease_left`, all `bigint`:
    ///
    /// - `state` is 1: the delivery was completed at `updated_at`, in milliseconds since the Unix epoch.
    /// - `state` is 0 and `lease_left` is above 0: the delivery is in progress, under a lease that expires in
    ///   `lease_left` milliseconds.
    /// - any other row, or no row: the row has changed since the first statement. Mark the delivery again.
    pub const LOOK_UP_SQL: &str = statements::LOOK_UP;

    /// Creates a store with the application's pool. The table is `clerk_webhook_delivery`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let table = TableName::default();
        let statements = Arc::new(Statements::of(&table));
        let mode = Mode::of(&pool);
        Self { pool, mode, table, statements, lock_timeout: Duration::from_secs(2) }
    }

    /// Connects to `postgres://user:password@host:port/database`, with a pool of up to 10 connections.
    ///
    /// A statement waits up to 5 s for a connection. If you need other settings, pass your own pool to
    /// [`new`](Self::new). [`pool`](Self::pool) returns the pool, so that the rest of your application can
    /// use it.
    ///
    /// # TLS
    ///
    /// Enable the `tls-rustls` feature (rustls with ring and the operating system's certificates), and set
    /// the `sslmode` parameter in the URL: `prefer` (the default), `require`, or `verify-full`, which also
    /// checks the certificate. For a private certificate authority, set `sslrootcert` to the path of its
    /// certificate. Without the feature, `prefer` connects in plain text, and `require` and stricter modes
    /// are an error.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid, or if the server cannot be reached within 5 s or rejects the
    /// connection. The error's text states what to do.
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

    /// Sets the table name, `clerk_webhook_delivery` by default.
    ///
    /// A schema may precede the name: `schema.table`. The schema must exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is too long, or contains characters other than lowercase ASCII letters,
    /// digits and `_`.
    pub fn table(mut self, name: &str) -> Result<Self, InvalidTableName> {
        self.table = name.parse()?;
        self.statements = Arc::new(Statements::of(&self.table));
        Ok(self)
    }

    /// Sets how long to wait for another transaction that is handling the same delivery, 2 s by default.
    ///
    /// After that, the answer is `in_progress`. The limit does not apply to the application's statements in
    /// the transaction. It is rounded up to milliseconds. A value outside of 1 to `i32::MAX` milliseconds is
    /// clamped to this range.
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

    /// Creates the table if it is missing.
    ///
    /// Any number of processes may call this method at the same time. If the pool caches prepared statements,
    /// this method also opens a second connection, to check that no
    /// [pooler in transaction mode](Self#behind-a-pooler) is between the pool and the server.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached, if the schema is missing, or if the user lacks
    /// the privilege to create a table in it. Returns `sqlx::Error::Configuration` if the pool caches
    /// statements and connects to a pooler in transaction mode. If the table exists, the user only needs the
    /// privilege to read the system catalog.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        pooler::refuse(self.mode, &self.pool).await?;
        let migrated = sqlx::query(self.statements.migrated.clone());
        let migrated = pooler::fetch(self.mode, &self.pool, migrated).await?;
        if !migrated.first().ok_or(sqlx::Error::RowNotFound)?.try_get::<bool, _>(0)? {
            sqlx::raw_sql(self.statements.migration.clone()).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Implements [`TransactionalStore::begin`]. The caller must poll the future to completion.
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
                        let id = row.try_get("transaction_id")?;
                        return Ok(Begin::Acquired(
                            transaction.committed_by(move |connection| Box::pin(commit(connection, id))),
                        ));
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
            // The rollback releases the lock on the row, which the mark has acquired although it changed
            // nothing.
            transaction.rollback().await?;
            return Ok(found);
        }
        Ok(Begin::InProgress { retry_after: SOON })
    }

    async fn execute(&self, query: Query<'static, Postgres, PgArguments>) -> Result<u64, sqlx::Error> {
        pooler::execute(self.mode, &self.pool, query).await.map_err(advise)
    }

    /// Returns the value of `lock_timeout` for Postgres. At least 1 ms, because 0 means no limit.
    fn patience(&self) -> String {
        let limit = millis(self.lock_timeout).clamp(1, i64::from(i32::MAX));
        format!("{limit}ms")
    }

    fn retry_after(&self, conflict: Conflict) -> Duration {
        match conflict {
            // The other transaction may need the same amount of time again.
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

/// A second delivery of the message waits in the database until the first delivery's transaction ends, for at
/// most the [`lock_timeout`](PostgresStore::lock_timeout).
impl TransactionalStore for PostgresStore {
    type Error = sqlx::Error;
    type Transaction = DeliveryTransaction<Postgres>;

    async fn begin(&self, key: &DeliveryKey) -> Result<Begin<Self::Transaction>, sqlx::Error> {
        let (this, key) = (self.clone(), key.clone());
        // If sqlx's future is dropped while it waits for the response to BEGIN, a connection inside a
        // transaction returns to the pool unnoticed. Later writes through that connection would never be
        // committed.
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

/// A conflict with another transaction that uses the row, not a failure of the database.
#[derive(Clone, Copy, Debug)]
enum Conflict {
    /// Another transaction held the lock for longer than the lock timeout.
    Locked,
    /// Postgres canceled this transaction because of a serialization failure or a deadlock.
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
