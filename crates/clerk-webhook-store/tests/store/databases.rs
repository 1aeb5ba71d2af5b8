//! The SQL databases for the tests.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clerk_webhook_store::{
    Begin, DeliveryKey, DeliveryStore, DeliveryTransaction, PostgresStore, Scope, SqliteStore,
    TransactionalStore,
};
use clerk_webhook_tests::servers;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Database, Postgres, Sqlite};

/// How long a second delivery waits for the first one: short, for tests that expect a timeout.
pub(crate) const PATIENCE: Duration = Duration::from_millis(50);

/// How long a statement waits for others in tests that expect no timeout: longer than a busy machine needs,
/// and shorter than the conformance suite waits for a response.
pub(crate) const LONG_PATIENCE: Duration = Duration::from_secs(8);

pub(crate) fn key(id: &str) -> DeliveryKey {
    DeliveryKey::new(Scope::default(), id.parse().unwrap())
}

/// A database with the store's table and an application table, `effect (id)`, without a unique constraint.
pub(crate) trait Engine: Sized + Send + Sync + 'static {
    type Kind: Database;
    type Store: DeliveryStore<Error = sqlx::Error>
        + TransactionalStore<Error = sqlx::Error, Transaction = DeliveryTransaction<Self::Kind>>
        + Clone;

    /// Creates a database with empty tables. Returns `None` if no server is available.
    async fn create(test: &str) -> Option<Self>;

    /// Connects to the database that another process has created.
    async fn find(address: &str) -> Self;

    fn address(&self) -> String;

    /// Returns a store with the application's pool.
    fn store(&self) -> Self::Store;

    /// Returns a store with separate connections, like a store in another process.
    async fn other_store(&self) -> Self::Store;

    /// Returns a store with a long timeout.
    async fn patient_store(&self) -> Self::Store;

    fn write(
        transaction: &mut DeliveryTransaction<Self::Kind>,
        id: &str,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Drops the store's table.
    async fn drop_table(&self);

    /// Drops the index that a purge uses.
    async fn drop_index(&self);

    /// Returns the ids in the application's table, in order.
    async fn effects(&self) -> Vec<String>;
}

pub(crate) struct PostgresDatabase {
    pool: PgPool,
    url: String,
    schema: String,
}

impl PostgresDatabase {
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        let options: PgConnectOptions = self.url.parse().unwrap();
        options.options([("search_path", &self.schema)])
    }

    async fn connect(url: &str, schema: &str) -> Self {
        let options: PgConnectOptions = url.parse().unwrap();
        let options = options.options([("search_path", schema)]);
        let pool = PgPoolOptions::new().max_connections(10).connect_with(options).await.unwrap();
        Self { pool, url: url.to_owned(), schema: schema.to_owned() }
    }

    /// Creates an empty schema.
    pub(crate) async fn empty(test: &str) -> Option<Self> {
        let url = servers::postgres(test)?;
        let database = Self::connect(&url, &format!("test_{test}")).await;
        let schema = &database.schema;
        let create = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&database.pool).await.unwrap();
        Some(database)
    }
}

impl Engine for PostgresDatabase {
    type Kind = Postgres;
    type Store = PostgresStore;

    async fn create(test: &str) -> Option<Self> {
        let database = Self::empty(test).await?;
        sqlx::query("CREATE TABLE effect (id TEXT NOT NULL)").execute(&database.pool).await.unwrap();
        database.store().migrate().await.unwrap();
        Some(database)
    }

    async fn find(address: &str) -> Self {
        let (url, schema) = address.split_once(' ').unwrap();
        Self::connect(url, schema).await
    }

    fn address(&self) -> String {
        format!("{} {}", self.url, self.schema)
    }

    fn store(&self) -> PostgresStore {
        PostgresStore::new(self.pool.clone()).lock_timeout(PATIENCE)
    }

    async fn other_store(&self) -> PostgresStore {
        Self::connect(&self.url, &self.schema).await.store()
    }

    async fn patient_store(&self) -> PostgresStore {
        self.store().lock_timeout(LONG_PATIENCE)
    }

    async fn write(transaction: &mut DeliveryTransaction<Postgres>, id: &str) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO effect VALUES ($1)").bind(id).execute(&mut **transaction).await?;
        Ok(())
    }

    async fn drop_table(&self) {
        sqlx::query("DROP TABLE clerk_webhook_delivery").execute(&self.pool).await.unwrap();
    }

    async fn drop_index(&self) {
        sqlx::query("DROP INDEX clerk_webhook_delivery_age").execute(&self.pool).await.unwrap();
    }

    async fn effects(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT id FROM effect ORDER BY id").fetch_all(&self.pool).await.unwrap()
    }
}

pub(crate) struct SqliteDatabase {
    pool: SqlitePool,
    file: PathBuf,
    /// Removed on drop. `None` if another process has created it.
    folder: Option<PathBuf>,
}

impl SqliteDatabase {
    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    pub(crate) fn file(&self) -> &PathBuf {
        &self.file
    }

    async fn connect(file: PathBuf, patience: Duration) -> SqlitePool {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(patience);
        SqlitePoolOptions::new().max_connections(4).connect_with(options).await.unwrap()
    }

    /// Creates an empty database file.
    pub(crate) async fn empty(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("clerk-webhook-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir(&folder).unwrap();
        let file = folder.join("deliveries.db");
        Self { pool: Self::connect(file.clone(), PATIENCE).await, file, folder: Some(folder) }
    }
}

impl Engine for SqliteDatabase {
    type Kind = Sqlite;
    type Store = SqliteStore;

    async fn create(test: &str) -> Option<Self> {
        let database = Self::empty(test).await;
        sqlx::query("CREATE TABLE effect (id TEXT NOT NULL)").execute(&database.pool).await.unwrap();
        database.store().migrate().await.unwrap();
        Some(database)
    }

    async fn find(address: &str) -> Self {
        Self { pool: Self::connect(address.into(), PATIENCE).await, file: address.into(), folder: None }
    }

    fn address(&self) -> String {
        self.file.to_str().unwrap().to_owned()
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::new(self.pool.clone())
    }

    async fn other_store(&self) -> SqliteStore {
        SqliteStore::new(Self::connect(self.file.clone(), PATIENCE).await)
    }

    async fn patient_store(&self) -> SqliteStore {
        SqliteStore::new(Self::connect(self.file.clone(), LONG_PATIENCE).await)
    }

    async fn write(transaction: &mut DeliveryTransaction<Sqlite>, id: &str) -> Result<(), sqlx::Error> {
        sqlx::query("INSERT INTO effect VALUES (?1)").bind(id).execute(&mut **transaction).await?;
        Ok(())
    }

    async fn drop_table(&self) {
        sqlx::query("DROP TABLE clerk_webhook_delivery").execute(&self.pool).await.unwrap();
    }

    async fn drop_index(&self) {
        sqlx::query("DROP INDEX clerk_webhook_delivery_age").execute(&self.pool).await.unwrap();
    }

    async fn effects(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT id FROM effect ORDER BY id").fetch_all(&self.pool).await.unwrap()
    }
}

impl Drop for SqliteDatabase {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let _ = fs::remove_dir_all(folder);
        }
    }
}

/// Begins a new delivery's transaction.
pub(crate) async fn begin_new<S>(store: &S, id: &str) -> S::Transaction
where
    S: TransactionalStore<Error = sqlx::Error>,
    S::Transaction: std::fmt::Debug,
{
    match store.begin(&key(id)).await.unwrap() {
        Begin::Acquired(transaction) => transaction,
        other => panic!("{id} is not new: {other:?}"),
    }
}

/// Begins a delivery's transaction again after a rollback, for which the server may need some time.
pub(crate) async fn begin_again<S>(store: &S, id: &str) -> S::Transaction
where
    S: TransactionalStore<Error = sqlx::Error>,
{
    loop {
        match store.begin(&key(id)).await.unwrap() {
            Begin::Acquired(transaction) => return transaction,
            Begin::InProgress { .. } => {}
            Begin::Duplicate { .. } => panic!("{id} was not rolled back"),
        }
    }
}

/// Defines a test for each combination of these functions and the engines.
macro_rules! on_every_engine {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                use crate::databases::{Engine as _, SqliteDatabase};
                super::$test(SqliteDatabase::create(stringify!($test)).await.unwrap()).await;
            })*
        }

        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $test() {
                use crate::databases::{Engine as _, PostgresDatabase};
                if let Some(database) = PostgresDatabase::create(stringify!($test)).await {
                    super::$test(database).await;
                }
            })*
        }
    };
}
pub(crate) use on_every_engine;
