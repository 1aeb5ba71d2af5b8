//! Deliveries in SQLite.

pub(crate) mod connection;
mod statements;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::Timestamp;
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

/// How long to wait for others, once for a connection of this process and once for the file's lock. Less than the 5 s in
/// which whoever calls takes a database for unreachable.
const PATIENCE: Duration = Duration::from_secs(4);

/// Keeps deliveries in a file of SQLite, for any number of processes of one machine.
///
/// # What it promises
///
/// With [`begin`](TransactionalStore::begin) the mark "handled" lies in the same transaction as what the application writes:
/// effects in this database happen exactly once. With leases (all other methods) at most one at a time has a delivery, and
/// a crash lets it run again. Both share one table, so an application can use one here and the other there.
///
/// # What to set
///
/// [`open`](Self::open) sets all of it. For a pool of the application that [`new`](Self::new) takes:
///
/// - `journal_mode` WAL and `synchronous` FULL: with less, a loss of power can undo what was acknowledged. The file lies on
///   a disk of this machine, not on a network.
/// - `busy_timeout`: SQLite has one writer at a time. Who waits longer is told that the delivery is in progress, since
///   SQLite does not say who has the lock. It applies once more to the pool's `acquire_timeout`, which is 30 s.
/// - For a database in memory, a single connection without an `idle_timeout` and a `max_lifetime`: each has its own.
///
/// Times are those of this machine. A clock that is set back makes leases last longer by as much, and one that is set forward
/// ends them sooner, so that a delivery can be taken over while it is handled. Transactions know no time.
///
/// # Retention
///
/// Rows stay until they are purged: call [`purge`](crate::purge()) once a day, with 30 days, and never less than 7. The sender
/// retries for almost three days, and what was removed runs again when somebody replays it.
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
/// let Begin::Acquired(mut transaction) = store.begin(&key).await? else { panic!("nobody has handled it") };
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
    /// What [`migrate`](Self::migrate) runs, for those who keep migrations of their own.
    ///
    /// It is the file `migrations/sqlite/0001_deliveries.sql` of this crate.
    pub const MIGRATION_SQL: &str = statements::MIGRATION;

    /// Marks a delivery as completed, in an application's own transaction by whatever client it has.
    ///
    /// The transaction has begun with `BEGIN IMMEDIATE`. The parameters are scope, message id, 16 bytes that are new each
    /// time (an [`Owner`]), and the time in milliseconds since the Unix epoch. A row back: the delivery is new, and
    /// its column says how often it was claimed. No row: [`LOOK_UP_SQL`](Self::LOOK_UP_SQL) says why; roll back.
    pub const MARK_SQL: &str = statements::MARK;

    /// Looks up a delivery that could not be marked: `state`, `updated_at` and `lease_left`.
    ///
    /// The parameters are scope, message id and the time in milliseconds since the Unix epoch. The state is 1: it was
    /// completed at `updated_at`. It is 0, and `lease_left` is above 0: somebody has it for so many milliseconds.
    pub const LOOK_UP_SQL: &str = statements::LOOK_UP;

    /// Creates a store on a pool of the application, with the table `clerk_webhook_delivery`.
    #[must_use]
    pub fn new(pool: SqlitePool) -> Self {
        let table = TableName::default();
        let statements = Arc::new(Statements::of(&table));
        Self { pool, table, statements }
    }

    /// Opens a file, and creates it where it is missing, with a pool for one writer.
    ///
    /// The pool has one connection, for which tasks of this process queue: that is faster than to compete for the lock of
    /// the file. So while a transaction is open nobody else gets one; who reads meanwhile does so in the
    /// transaction, or by a pool of the application, which [`new`](Self::new) takes too.
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

    /// Sets the table, with or without a schema, which is the name of an attached database.
    ///
    /// # Errors
    ///
    /// Refuses a name of anything but lower-case ASCII letters, digits and `_`, and one that is too long.
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

    /// Creates the table where it is missing; any number of processes may do so at once.
    ///
    /// # Errors
    ///
    /// Where the database cannot be written.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        let mut transaction = connection::begin(&self.pool).await?;
        sqlx::raw_sql(self.statements.migration.clone()).execute(&mut *transaction).await?;
        transaction.commit().await
    }

    /// Runs a statement on a connection that is outside of any transaction, and returns how many rows it changed.
    ///
    /// The closure runs after the connection is acquired, so the time in the statement does not include the wait.
    async fn execute(
        &self,
        statement: impl FnOnce() -> Query<'static, Sqlite, SqliteArguments>,
    ) -> Result<u64, sqlx::Error> {
        let mut connection = connection::acquire(&self.pool).await?;
        Ok(statement().execute(&mut *connection).await.map_err(advise)?.rows_affected())
    }

    /// Claims once, and returns nothing if the row has changed between the two statements.
    async fn try_claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Option<Claim>, sqlx::Error> {
        let mut connection = connection::acquire(&self.pool).await?;
        let owner = Owner::random();
        let claim = of_key(&self.statements.claim, key).bind(bytes(owner)).bind(now_plus(lease)).bind(now());
        // All rows: only when there is no further one, the statement is committed, or fails to be.
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
            // The lease has ended in this millisecond: nobody else can write.
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

/// While a transaction is open, nobody else writes to the file: a second delivery, of whatever message, waits as long as
/// the pool and `busy_timeout` say.
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

/// Whether others had the database for longer than we wait. A file is opened at once or not at all, so a pool that has no
/// connection in time has all of them in use.
fn is_busy(error: &sqlx::Error) -> bool {
    /// `SQLITE_BUSY` and `SQLITE_LOCKED`, which stand in the lowest byte of more precise codes.
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

fn now() -> i64 {
    Timestamp::now().as_millis()
}

fn now_plus(duration: Duration) -> i64 {
    now().saturating_add(millis(duration))
}

fn bytes(owner: Owner) -> Vec<u8> {
    owner.as_u128().to_be_bytes().to_vec()
}
