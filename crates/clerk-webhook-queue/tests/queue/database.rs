//! Queues in a Postgres database.

use std::sync::atomic::{AtomicU32, Ordering};

use clerk_webhook_queue::PostgresQueue;
use clerk_webhook_tests::servers;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection};

const TESTS: &str = "a test of PostgresQueue";

/// A schema for the queue's table and one for graphile_worker, so that tests do not disturb each other.
pub(crate) struct Database {
    url: String,
    direct: String,
    pub(crate) schema: String,
    keeps_statements: bool,
    /// The URL of the server and the name of the database, if this is a separate database.
    separate: Option<(String, String)>,
}

impl Database {
    /// Returns `None` if no server is available. If `CI` is set, it panics instead.
    pub(crate) async fn new() -> Option<Self> {
        let url = servers::postgres(TESTS)?;
        Some(Self::create(url.clone(), url, true).await)
    }

    /// Connects through PgBouncer in transaction mode, without a statement cache.
    pub(crate) async fn pooled() -> Option<Self> {
        Some(Self::create(servers::pgbouncer(TESTS)?, servers::postgres(TESTS)?, false).await)
    }

    /// Creates a separate database, whose statistics no other test changes.
    pub(crate) async fn separate() -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let direct = servers::postgres(TESTS)?;
        let name = format!("queue_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        run(&direct, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        run(&direct, &format!("CREATE DATABASE {name}")).await;
        let options: PgConnectOptions = direct.parse().unwrap();
        let url = options.database(&name).to_url_lossy().to_string();
        let database = Self::create(url.clone(), url, true).await;
        Some(Self { separate: Some((direct, name)), ..database })
    }

    async fn create(url: String, direct: String, keeps_statements: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let schema = format!("queue_{}_{number}", std::process::id());
        let database = Self { url, direct, schema, keeps_statements, separate: None };
        database.drop_schemas().await;
        let create = format!("CREATE SCHEMA {}", database.schema);
        database.execute(&create).await;
        database
    }

    /// Runs a statement on a separate direct connection.
    pub(crate) async fn execute(&self, sql: &str) {
        run(&self.direct, sql).await;
    }

    async fn drop_schemas(&self) {
        let schema = &self.schema;
        self.execute(&format!("DROP SCHEMA IF EXISTS {schema}, {schema}_graphile CASCADE")).await;
    }

    /// Drops the database or the schemas at the end of a test that has succeeded.
    pub(crate) async fn close(self) {
        match &self.separate {
            Some((url, name)) => run(url, &format!("DROP DATABASE {name} WITH (FORCE)")).await,
            None => self.drop_schemas().await,
        }
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        let options: PgConnectOptions = self.url.parse().unwrap();
        if self.keeps_statements { options } else { options.statement_cache_capacity(0) }
    }

    pub(crate) async fn pool(&self) -> PgPool {
        PgPoolOptions::new().connect_with(self.options()).await.unwrap()
    }

    /// Returns a queue with this pool, whose tables may be missing.
    pub(crate) fn queue(&self, pool: PgPool) -> PostgresQueue {
        let queue = PostgresQueue::new(pool).table(&self.table()).unwrap();
        queue.graphile_schema(&self.graphile()).unwrap()
    }

    /// Opens the queue with a separate pool, as another process would, and creates the tables.
    pub(crate) async fn open(&self) -> PostgresQueue {
        let queue = self.queue(self.pool().await);
        queue.migrate().await.unwrap();
        queue
    }

    pub(crate) fn table(&self) -> String {
        format!("{}.jobs", self.schema)
    }

    pub(crate) fn graphile(&self) -> String {
        format!("{}_graphile", self.schema)
    }

    /// Returns the first column of the first row of a query.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = PgConnection::connect(&self.direct).await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap()
    }

    /// Returns the rows of a query, read on a direct connection.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<(String, i64)> {
        let mut connection = PgConnection::connect(&self.direct).await.unwrap();
        sqlx::query_as(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await.unwrap()
    }

    /// Returns the number of tickets, including those that a worker has claimed.
    pub(crate) async fn tickets(&self) -> i64 {
        self.number(&format!("SELECT count(*) FROM {}._private_jobs", self.graphile())).await
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}
