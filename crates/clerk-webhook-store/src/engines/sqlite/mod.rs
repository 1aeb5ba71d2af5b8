//! The store in SQLite.

pub(crate) mod connection;
mod statements;
pub(crate) mod values;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::query::Query;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool,
    SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{SqlStr, Sqlite};

use crate::engines::sql::{
    ConnectError, DeliveryTransaction, Found, InvalidTableName, SOON, TRIES, TableName, advise, attempt,
    millis, state_of,
};
use crate::store::claim::{Claim, Lease, LeaseState, Owner};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;
use crate::store::transaction::{Begin, TransactionalStore};

use self::statements::Statements;
use self::values::{bytes, now, now_plus};

/// How long to wait for a connection from the pool, and then for the file lock. Below the default
/// `store_timeout` of 5 s, after which the caller gives up.
const PATIENCE: Duration = Duration::from_secs(4);

/// A store in a SQLite file, for any number of processes on one machine.
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
/// [`open`](Self::open) creates a pool with suitable settings. If you pass your own pool to
/// [`new`](Self::new), check:
///
/// - `journal_mode` WAL and `synchronous` FULL. With weaker settings, a power loss can undo a completion. The
///   file must be on a local disk, not on a network file system.
/// - `busy_timeout`. SQLite has one writer at a time. A delivery that waits longer for the lock is answered
///   with `in_progress`, because SQLite does not report which delivery holds the lock. The same applies to
///   the pool's `acquire_timeout`, 30 s by default in sqlx.
/// - For a database in memory, use a single connection without `idle_timeout` and `max_lifetime`, because
///   each connection has a separate database.
///
/// Leases use this machine's clock. If the clock is set back, leases last longer. If it is set forward,
/// leases expire earlier, and a delivery can be taken over while it is handled. Transactions do not depend on
/// the clock.
///
/// # Retention
///
/// Call [`purge`](crate::purge()) once a day with [`DEFAULT_RETENTION`](crate::DEFAULT_RETENTION): the store
/// does not remove rows automatically. If a message is resent after its row has been removed, the handler
/// runs again.
///
/// # Examples
///
/// ```
/// use clerk_webhook_store::{
///     Begin, DEFAULT_RETENTION, DeliveryKey, Scope, SqliteStore, TransactionalStore as _, purge,
/// };
///
/// # let file = std::env::temp_dir().join(format!("clerk-webhook-doc-{}.db", std::process::id()));
/// # let path = file.clone();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let store = SqliteStore::open(path).await?;
/// store.migrate().await?;
/// sqlx::query("CREATE TABLE welcome (message TEXT NOT NULL)").execute(store.pool()).await?;
///
/// let key = DeliveryKey::new(Scope::default(), "msg_1".parse()?);
/// let Begin::Acquired(mut transaction) = store.begin(&key).await? else { panic!("already handled") };
/// sqlx::query("INSERT INTO welcome (message) VALUES (?)").bind("msg_1").execute(&mut *transaction).await?;
/// transaction.commit().await?;
/// assert!(matches!(store.begin(&key).await?, Begin::Duplicate { completed_at: Some(_) }));
///
/// assert_eq!(purge(&store, DEFAULT_RETENTION).await?, 0); // once a day
/// # store.pool().close().await;
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # std::fs::remove_file(file)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    pool: SqlitePool,
    table: TableName,
    statements: Arc<Statements>,
}

impl SqliteStore {
    /// The SQL that [`migrate`](Self::migrate) runs, for applications that manage migrations themselves.
    ///
    /// It is the file `migrations/sqlite/0001_deliveries.sql` in this crate.
    pub const MIGRATION_SQL: &str = statements::MIGRATION;

    /// The statement that marks a delivery as completed, for use in your own transaction with an
    /// SQLite client other than sqlx.
    ///
    /// Begin the transaction with `BEGIN IMMEDIATE`. The parameters are:
    ///
    /// 1. the scope
    /// 2. the message id
    /// 3. an [`Owner`]: 16 bytes, different for each attempt
    /// 4. the time in milliseconds since the Unix epoch
    ///
    /// If the statement returns a row, the delivery is new, and the column is the attempt number. If it
    /// returns no row, run [`LOOK_UP_SQL`](Self::LOOK_UP_SQL) to find the reason, and roll back.
    pub const MARK_SQL: &str = statements::MARK;

    /// The statement that looks up a delivery that could not be marked.
    ///
    /// The parameters are the scope, the message id and the time in milliseconds since the Unix epoch. The
    /// columns are `state`, `updated_at` and `lease_left`:
    ///
    /// - `state` is 1: the delivery was completed at `updated_at`, in milliseconds since the Unix epoch.
    /// - `state` is 0 and `lease_left` is above 0: the delivery is in progress, under a lease that expires in
    ///   `lease_left` milliseconds.
    /// - any other row, or no row: the delivery can be marked now. Mark it again.
    pub const LOOK_UP_SQL: &str = statements::LOOK_UP;

    /// Creates a store with the application's pool. The table is `clerk_webhook_delivery`.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        let table = TableName::default();
        let statements = Arc::new(Statements::of(&table));
        Self { pool, table, statements }
    }

    /// Opens a file, and creates it if it is missing.
    ///
    /// The pool has one connection. This process's tasks wait for it, which is faster than competing for the
    /// file lock. While a transaction is open, no other task gets the connection. To read while a transaction
    /// is open, use the transaction, or create the store with [`new`](Self::new) and your own larger pool.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened or created.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        let path = path.as_ref();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
        let pool = pool.connect_with(options).await;
        Ok(Self::new(pool.map_err(|error| ConnectError::sqlite(path, error))?))
    }

    /// Sets the table name, `clerk_webhook_delivery` by default.
    ///
    /// The name of an attached database may precede it: `database.table`.
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
        let mut transaction = connection::begin(&self.pool).await?;
        sqlx::raw_sql(self.statements.migration.clone()).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Runs a statement on a connection that is outside of any transaction, and returns the number of changed
    /// rows.
    ///
    /// The closure runs after the connection has been acquired, so that the current time in the statement is
    /// not too old.
    async fn execute(
        &self,
        statement: impl FnOnce() -> Query<'static, Sqlite, SqliteArguments>,
    ) -> Result<u64, sqlx::Error> {
        let mut connection = connection::acquire(&self.pool).await?;
        Ok(statement().execute(&mut *connection).await.map_err(advise)?.rows_affected())
    }

    /// Claims once. Returns `None` if the row changed between the claim and the lookup.
    async fn try_claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Option<Claim>, sqlx::Error> {
        let mut connection = connection::acquire(&self.pool).await?;
        let owner = Owner::random();
        let claim = of_key(&self.statements.claim, key).bind(bytes(owner)).bind(now_plus(lease)).bind(now());
        // Reads all rows, because the statement is committed after the last one, and the commit can fail.
        if let Some(row) = claim.fetch_all(&mut *connection).await.map_err(advise)?.first() {
            return Ok(Some(Claim::Acquired(Lease::new(key.clone(), owner, attempt::<_, i64>(row)?))));
        }
        Ok(match self.look_up(key, &mut connection).await? {
            Found::Completed(at) => Some(Claim::Duplicate { completed_at: Some(at) }),
            Found::Leased(retry_after) => Some(Claim::InProgress { retry_after }),
            Found::Free => None,
        })
    }

    async fn look_up(
        &self,
        key: &DeliveryKey,
        connection: &mut SqliteConnection,
    ) -> Result<Found, sqlx::Error> {
        let look_up = of_key(&self.statements.look_up, key).bind(now());
        Found::from_row(look_up.fetch_optional(connection).await?.as_ref())
    }

    async fn try_begin(&self, key: &DeliveryKey) -> Result<Begin<DeliveryTransaction<Sqlite>>, sqlx::Error> {
        let mut transaction = connection::begin(&self.pool).await?;
        let mark = of_key(&self.statements.mark, key).bind(bytes(Owner::random())).bind(now());
        if let Some(row) = mark.fetch_all(&mut *transaction).await.map_err(advise)?.first() {
            return Ok(Begin::Acquired(DeliveryTransaction::new(transaction, attempt::<_, i64>(row)?)));
        }
        let found = match self.look_up(key, &mut transaction).await? {
            Found::Completed(at) => Begin::Duplicate { completed_at: Some(at) },
            Found::Leased(retry_after) => Begin::InProgress { retry_after },
            // No other transaction can have changed the row, so its lease must have expired after the mark
            // was tried.
            Found::Free => Begin::InProgress { retry_after: SOON },
        };
        transaction.rollback().await?;
        Ok(found)
    }
}

impl DeliveryStore for SqliteStore {
    type Error = sqlx::Error;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Claim, sqlx::Error> {
        for _ in 0..TRIES {
            match self.try_claim(key, lease).await {
                Ok(Some(claim)) => return Ok(claim),
                Ok(None) => {}
                Err(error) if is_busy(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Claim::InProgress { retry_after: SOON })
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, sqlx::Error> {
        self.execute(|| of_lease(&self.statements.renew, lease).bind(now_plus(by))).await.map(state_of)
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, sqlx::Error> {
        self.execute(|| of_lease(&self.statements.complete, lease).bind(now())).await.map(state_of)
    }

    async fn release(&self, lease: &Lease) -> Result<LeaseState, sqlx::Error> {
        self.execute(|| of_lease(&self.statements.release, lease).bind(now())).await.map(state_of)
    }

    async fn forget(&self, key: &DeliveryKey) -> Result<bool, sqlx::Error> {
        Ok(self.execute(|| of_key(&self.statements.forget, key)).await? > 0)
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> Result<u64, sqlx::Error> {
        let purge = || {
            sqlx::query(self.statements.purge.clone())
                .bind(now().saturating_sub(millis(older_than)))
                .bind(now())
                .bind(i64::from(limit))
        };
        self.execute(purge).await
    }
}

/// While a transaction is open, no other transaction can write to the file. Other deliveries, of any message,
/// wait for at most the pool's `acquire_timeout` plus the `busy_timeout`.
impl TransactionalStore for SqliteStore {
    type Error = sqlx::Error;
    type Transaction = DeliveryTransaction<Sqlite>;

    async fn begin(&self, key: &DeliveryKey) -> Result<Begin<Self::Transaction>, sqlx::Error> {
        match self.try_begin(key).await {
            Err(error) if is_busy(&error) => Ok(Begin::InProgress { retry_after: SOON }),
            begin => begin,
        }
    }

    async fn commit(&self, transaction: Self::Transaction) -> Result<(), sqlx::Error> {
        transaction.commit().await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("table", &self.table).finish_non_exhaustive()
    }
}

/// Returns whether other connections kept the database busy for longer than the limit. A pool timeout means
/// the same, because opening a file takes no time.
fn is_busy(error: &sqlx::Error) -> bool {
    /// `SQLITE_BUSY` and `SQLITE_LOCKED`, the lowest byte of extended result codes.
    const BUSY: [i32; 2] = [5, 6];
    let code = |error: &dyn sqlx::error::DatabaseError| error.code()?.parse::<i32>().ok();
    match error {
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => code(&**error).is_some_and(|code| BUSY.contains(&(code & 0xff))),
        _ => false,
    }
}

fn of_key(statement: &SqlStr, key: &DeliveryKey) -> Query<'static, Sqlite, SqliteArguments> {
    sqlx::query(statement.clone()).bind(key.scope().as_str()).bind(key.message_id().as_str())
}

fn of_lease(statement: &SqlStr, lease: &Lease) -> Query<'static, Sqlite, SqliteArguments> {
    of_key(statement, lease.key()).bind(bytes(lease.owner()))
}
