//! The queue's settings.

use std::fmt;
use std::sync::{Arc, Mutex};

use clerk_webhook_store::internal::Mode;
use clerk_webhook_store::{ConnectError, InvalidTableName, PostgresStore, Scope};
use graphile_worker::Schema;
use sqlx::postgres::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::DropGuard;

use super::sql::{self, DEFAULT, DEFAULT_SCHEMA};
use super::statements::Statements;
use super::tasks::Tasks;

#[doc = include_str!("postgres.md")]
#[derive(Clone)]
pub struct PostgresQueue {
    pub(super) pool: PgPool,
    pub(super) mode: Mode,
    pub(super) table: Arc<str>,
    pub(super) graphile: Arc<str>,
    pub(crate) schema: Schema,
    pub(super) statements: Arc<Statements>,
    pub(super) tasks: Arc<Mutex<Tasks>>,
    pub(super) scope: Scope,
    /// Wakes a worker in this process. Each table and each scope has its own `Notify`.
    pub(super) changed: Arc<Notify>,
    /// Stops the listener when the last clone is dropped.
    pub(super) listening: Option<Arc<DropGuard>>,
}

impl PostgresQueue {
    /// The SQL that [`migrate`](Self::migrate) runs for this crate's table, for applications that manage
    /// migrations themselves.
    ///
    /// It is the content of this crate's `migrations/postgres/0001_queue.sql` file. graphile_worker's schema
    /// has its own migrations.
    pub const MIGRATION_SQL: &str = sql::MIGRATION;

    /// Creates a queue with the application's pool. The table is `clerk_webhook_queue`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self {
            mode: Mode::of(&pool),
            pool,
            table: DEFAULT.into(),
            graphile: DEFAULT_SCHEMA.into(),
            schema: Schema::new(DEFAULT_SCHEMA),
            statements: Arc::new(Statements::of(DEFAULT, DEFAULT_SCHEMA)),
            tasks: Arc::default(),
            scope: Scope::default(),
            changed: Arc::default(),
            listening: None,
        }
    }

    /// Connects to `postgres://user:password@host:port/database`, with a pool of up to 10 connections.
    ///
    /// A statement waits up to 5 s for a connection. The rules about TLS of [`PostgresStore::connect`] apply: enable
    /// the `tls-rustls` feature of `clerk-webhook`, or of `clerk-webhook-store` if you use this crate directly. If
    /// you need other settings, pass your own pool to [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid, or if the server cannot be reached within 5 s or rejects the
    /// connection. The error's text states what to do.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Ok(Self::new(PostgresStore::connect(url).await?.pool().clone()))
    }

    /// Sets the name of the table, `clerk_webhook_queue` by default.
    ///
    /// A schema may precede the name: `schema.table`. The schema must exist. All processes must spell the name in
    /// the same way: `clerk_webhook_queue` and `public.clerk_webhook_queue` are different queues. Two applications
    /// with different `search_path` settings that share graphile_worker's schema must use different names.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is too long, or contains characters other than lowercase ASCII letters,
    /// digits and `_`.
    pub fn table(mut self, name: &str) -> Result<Self, InvalidTableName> {
        // The rules for the name are the same as for a store's table.
        PostgresStore::new(self.pool.clone()).table(name)?;
        self.table = name.into();
        Ok(self.renamed())
    }

    /// Sets the name of graphile_worker's schema, `graphile_worker` by default.
    ///
    /// Use a separate schema for each scope, and for each application with its own backlog, because a worker reads
    /// the ready jobs of the other scopes in its schema before it finds its own. [`migrate`](Self::migrate) needs
    /// the `CREATE` privilege on the database until it has created graphile_worker's tables, even if the schema
    /// exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not valid for a [`table`](Self::table) without a schema.
    pub fn graphile_schema(mut self, name: &str) -> Result<Self, InvalidTableName> {
        // With a schema in front, a dot in the name is an error.
        PostgresStore::new(self.pool.clone()).table(&format!("schema.{name}"))?;
        self.graphile = name.into();
        self.schema = Schema::new(name);
        Ok(self.renamed())
    }

    fn renamed(mut self) -> Self {
        self.statements = Arc::new(Statements::of(&self.table, &self.graphile));
        self.tasks = Arc::default();
        self.changed = Arc::default();
        self.listening = None;
        self
    }

    /// Sets the scope: the name of the endpoint, `clerk` by default.
    ///
    /// Endpoints that share a table, but have different handlers, need different scopes. A worker takes only
    /// the jobs of its scope.
    #[must_use]
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self.tasks = Arc::default();
        self.changed = Arc::default();
        self.listening = None;
        self
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl fmt::Debug for PostgresQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresQueue")
            .field("table", &self.table)
            .field("scope", &self.scope)
            .field("graphile_schema", &self.graphile)
            .finish_non_exhaustive()
    }
}
