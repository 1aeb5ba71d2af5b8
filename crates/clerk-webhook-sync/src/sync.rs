//! The entry point of the crate: settings, migrations and handlers.

use std::fmt;
use std::sync::Arc;

use clerk_webhook_core::handler::Handler;
use clerk_webhook_core::{Context, Event, Handlers};
use sqlx::{Pool, SqlStr, Transaction};

use crate::apply::applied::{Applied, Uncounted};
use crate::apply::change::{Change, Hook, HookFuture, Origin};
use crate::apply::engine::SyncDatabase;
use crate::error::SyncError;
use crate::observe::{Observation, observe};
use crate::schema::names::{InvalidPrefix, Names};
use crate::schema::statements::Statements;
use crate::settings::{RawColumn, Settings};
use crate::value::{Kind, Value};

/// Applies Clerk's events to tables in the application's database.
///
/// Clones are cheap and share the pool.
///
/// # Guarantees
///
/// The same events always produce the same tables, regardless of the order and how often they are applied.
/// After all events have been applied, the views show the current objects in Clerk. A row stores the newest
/// version of its object. A deleted object never becomes live again, even if the deletion is applied before
/// the creation. All of this also applies if several processes write to one database.
///
/// # Notes
///
/// - Do not add columns to these tables. Store your own data about a user in your own table, with the user's
///   id as the key.
/// - If [`apply_in`](Self::apply_in) fails, roll back the transaction, because a part of the event may
///   already be written.
/// - If you apply several events in one Postgres transaction, it can deadlock with another transaction.
///   Postgres then aborts one of them. [`apply`](Self::apply) uses one transaction for each event, which
///   cannot deadlock.
/// - In SQLite, use the `WAL` journal mode. A database in memory belongs to one connection. Its pool needs
///   `max_connections(1)`, `idle_timeout(None)` and `max_lifetime(None)`. Set `test_before_acquire(false)`
///   too, because a failed test closes the connection.
///
/// # Panics
///
/// The asynchronous methods panic outside of a Tokio runtime.
#[must_use]
pub struct ClerkSync<DB: SyncDatabase> {
    pool: Pool<DB>,
    names: Names,
    settings: Settings,
    statements: Arc<Statements>,
    hook: Option<Arc<Hook<DB::Connection>>>,
    keeps_statements: bool,
}

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Creates a sync with the application's pool.
    ///
    /// The table names begin with `clerk_`; [`prefix`](Self::prefix) changes that.
    ///
    /// Behind a pooler in transaction mode, such as PgBouncer, set `statement_cache_capacity(0)` on the
    /// Postgres pool. Otherwise [`migrate`](Self::migrate) returns an error. With this setting, every
    /// statement is unnamed and inside a transaction. A query takes four round trips instead of one, and so
    /// does an event that needs one statement. Any other event takes one more round trip for each of its
    /// statements, and one more with [`on_change`](Self::on_change).
    pub fn new(pool: Pool<DB>) -> Self {
        let names = Names::default();
        let statements = Arc::new(Statements::new(&names, DB::DIALECT));
        let keeps_statements = DB::keeps_statements(&pool);
        Self { pool, names, settings: Settings::default(), statements, hook: None, keeps_statements }
    }

    /// Sets the table name prefix, `clerk_` by default.
    ///
    /// The prefix can begin with a schema: `auth.clerk_` creates `auth.clerk_users`, and `clerk.` creates
    /// `clerk.users`. The schema must exist. In SQLite, it is the name of an attached database.
    ///
    /// # Errors
    ///
    /// Returns an error if the prefix or the schema contains characters other than lowercase ASCII letters,
    /// digits and `_`, begins with a digit, or is longer than 32 characters (63 for the schema). The prefix
    /// can be empty only after a schema.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, InvalidPrefix> {
        self.names = prefix.parse()?;
        self.statements = Arc::new(Statements::new(&self.names, DB::DIALECT));
        Ok(self)
    }

    /// Sets what the `raw` column stores; [`RawColumn::Redacted`] by default.
    pub fn raw(mut self, raw: RawColumn) -> Self {
        self.settings.raw = raw;
        self
    }

    /// Sets the id of the only Clerk instance (`ins_…`) whose events are applied.
    ///
    /// By default, events from all instances are applied. Set the id to ignore the example events that the
    /// dashboard sends: they have a valid signature, but their instance and their users do not exist. An
    /// event without an instance id is always applied.
    pub fn instance_id(mut self, id: &str) -> Self {
        self.settings.instance_id = Some(id.into());
        self
    }

    /// Registers a hook that is called for each row that an event changes, in the transaction that changes
    /// it.
    ///
    /// The row and the hook's writes are committed together or not at all. A second call to `on_change`
    /// replaces the hook.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// # use clerk_webhook_core::{Event, Timestamp};
    /// use clerk_webhook_sync::{Change, ClerkSync, Origin};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let body = r#"{"data":{"email_addresses":[],"id":"user_1","updated_at":1},"timestamp":2,"type":"user.created"}"#;
    /// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # sqlx::query("CREATE TABLE credits (user_id TEXT, credits INTEGER, reason TEXT)").execute(&pool).await?;
    /// let reason: Arc<str> = "welcome".into();
    /// let sync = ClerkSync::new(pool).on_change(move |change, connection| {
    ///     let reason = Arc::clone(&reason);
    ///     Box::pin(async move {
    ///         if let Change::User(user) = change
    ///             && user.origin != Origin::Backfill // not a user who existed before an import
    ///             && user.before.is_none()
    ///             && user.after.is_some()
    ///         {
    ///             let insert = sqlx::query("INSERT INTO credits (user_id, credits, reason) VALUES (?, 10, ?)");
    ///             insert.bind(user.id).bind(&*reason).execute(connection).await?;
    ///         }
    ///         Ok(())
    ///     })
    /// });
    /// # sync.migrate().await?;
    ///
    /// for _ in 0..2 {
    ///     sync.apply(&event).await?; // The second time, nothing changes and the hook is not called.
    /// }
    /// let credits: i64 = sqlx::query_scalar("SELECT sum(credits) FROM credits").fetch_one(sync.pool()).await?;
    /// assert_eq!(credits, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # How to write the hook
    ///
    /// Write the closure directly in the call to `on_change`. Otherwise the compiler cannot infer that the
    /// closure accepts a connection of any lifetime. An `async fn` or an `async` closure does not compile.
    /// The closure is called many times, so it must clone captured values for each call.
    ///
    /// Use the connection that the hook receives, not the pool. [`user`](Self::user) and the other queries
    /// take another connection from the pool, which does not see the change yet. If the pool has only one
    /// connection, they wait for it until they time out.
    ///
    /// # When it is called
    ///
    /// The hook receives the row before and after the change. The sequence has no gap, even if several
    /// processes apply events: the `before` of each change is the `after` of the previous change. The only
    /// exception is a number in JSON that Postgres writes differently in `jsonb`, such as `0` for `-0`. A
    /// user's child rows, such as the addresses, are written before the call.
    ///
    /// The hook is not called for copies from events about other objects, or for late and duplicate events
    /// that change nothing.
    ///
    /// With a hook, the sync reads each row before it writes it. In Postgres, this locks the row until the
    /// end of the transaction.
    ///
    /// # If it fails
    ///
    /// If the hook returns an error, the transaction is rolled back and the event fails with the outcome that
    /// the hook requested. Do nothing in the hook that a rollback cannot undo. To send an email, insert a row
    /// into your own table, and let another task read the table and send the email.
    ///
    /// Postgres aborts a transaction after a failed statement. The event then fails even if the hook ignores
    /// the error. Use a savepoint for a statement that may fail:
    ///
    /// ```
    /// # #[cfg(feature = "postgres")] {
    /// use clerk_webhook_sync::ClerkSync;
    /// use sqlx::{Connection as _, PgPool};
    ///
    /// # fn sync(pool: PgPool) -> ClerkSync<sqlx::Postgres> {
    /// ClerkSync::new(pool).on_change(|_change, connection| {
    ///     Box::pin(async move {
    ///         let mut savepoint = connection.begin().await?;
    ///         if sqlx::query("UPDATE statistics SET changes = changes + 1").execute(&mut *savepoint).await.is_ok() {
    ///             savepoint.commit().await?;
    ///         } // If it failed, dropping the savepoint undoes only the failed statement.
    ///         Ok(())
    ///     })
    /// })
    /// # }
    /// # }
    /// ```
    pub fn on_change<F>(mut self, hook: F) -> Self
    where
        F: for<'a> Fn(Change, &'a mut DB::Connection) -> HookFuture<'a> + Send + Sync + 'static,
    {
        self.hook = Some(Arc::new(hook));
        self
    }

    /// Returns the pool.
    #[must_use]
    pub fn pool(&self) -> &Pool<DB> {
        &self.pool
    }

    #[cfg(feature = "backend-api")]
    pub(crate) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn statements(&self) -> &Statements {
        &self.statements
    }

    pub(crate) const fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    /// Begins a transaction for writing.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, DB>, sqlx::Error> {
        let mut transaction = DB::begin(&self.pool).await?;
        if !self.keeps_statements && self.hook.is_some() {
            DB::prepare(&mut transaction).await?;
        }
        Ok(transaction)
    }

    /// Begins a transaction that writes many rows of one table, and calls no hook.
    #[cfg(feature = "backend-api")]
    pub(crate) async fn begin_bulk(&self) -> Result<Transaction<'static, DB>, sqlx::Error> {
        DB::begin_bulk(&self.pool).await
    }

    pub(crate) fn hook(&self) -> Option<&Hook<DB::Connection>> {
        self.hook.as_deref()
    }

    /// Creates the tables and views, or updates them to this version.
    ///
    /// Several processes can call it at the same time.
    ///
    /// To run the migrations with a different tool, copy the files from this crate's `migrations` folder.
    /// Call this method every time the application starts anyway: if a Postgres pool keeps prepared
    /// statements, the method opens a second connection to detect a pooler in transaction mode.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written, and `sqlx::Error::Configuration` if the pool keeps
    /// prepared statements behind a pooler in transaction mode.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        DB::refuse_pooler(&self.pool, self.keeps_statements).await?;
        // If the tables are up to date, this needs no lock and no privilege to create tables.
        let version = if self.keeps_statements {
            self.version(&mut *self.pool.acquire().await?).await?
        } else {
            let mut transaction = self.begin().await?;
            let version = self.version(&mut transaction).await?;
            transaction.commit().await?;
            version
        };
        if version >= self.statements.migrations.len() {
            return Ok(());
        }
        let mut transaction = self.begin().await?;
        DB::take_turns(&mut transaction).await?;
        let version = self.version(&mut transaction).await?;
        for migration in self.statements.migrations.iter().skip(version) {
            DB::run(&mut transaction, migration.clone()).await?;
        }
        transaction.commit().await
    }

    /// Returns the version of the tables and the version that this crate needs.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be read.
    pub async fn schema_version(&self) -> Result<SchemaVersion, sqlx::Error> {
        let mut transaction = self.begin().await?;
        let found = self.version(&mut transaction).await?;
        transaction.commit().await?;
        Ok(SchemaVersion { found, needed: self.statements.migrations.len() })
    }

    /// Returns the SQL of the migrations with this sync's table names. The first one creates version 1.
    pub fn migrations(&self) -> impl ExactSizeIterator<Item = &str> {
        self.statements.migrations.iter().map(SqlStr::as_str)
    }

    /// Returns how many migrations have run.
    async fn version(&self, connection: &mut DB::Connection) -> Result<usize, sqlx::Error> {
        let mut version = 0;
        for query in [&self.statements.schema_exists, &self.statements.schema_version] {
            let rows = self.fetch(connection, query.clone(), &[]).await?;
            let Some(row) = rows.first() else { return Ok(0) };
            version = match DB::get(row, "version", Kind::Integer)? {
                Value::Integer(Some(number @ 1..)) => usize::try_from(number).unwrap_or(usize::MAX),
                _ => return Ok(0),
            };
        }
        Ok(version)
    }

    /// Applies an event in a new transaction.
    ///
    /// If the future is dropped, the event is applied completely or not at all.
    ///
    /// # Errors
    ///
    /// Returns an error if a statement fails, if the data does not match the event's type, or if a hook
    /// fails. In these cases, nothing has changed, and you can apply the event again.
    pub async fn apply(&self, event: &Event) -> Result<Applied, SyncError> {
        let observations = match observe(event, &self.settings)? {
            Ok(observations) => observations,
            Err(reason) => return Ok(Applied::Ignored(reason)),
        };
        let table = table(&observations);
        let applied = self.apply_observed(event, observations).await?;
        Ok(Uncounted { applied, table }.count())
    }

    async fn apply_observed(
        &self,
        event: &Event,
        observations: Vec<Observation>,
    ) -> Result<Applied, SyncError> {
        if self.keeps_statements && self.is_one_statement(&observations) {
            let applied = self
                .write(&mut *self.pool.acquire().await?, observations, is_creation(event), Origin::Event)
                .await;
            // A statement outside of a transaction runs at the server's default isolation level. Above
            // READ COMMITTED, it can conflict with another transaction.
            let Err(error) = &applied else { return applied };
            if !error.is_conflict() {
                return applied;
            }
            let mut transaction = self.begin().await?;
            let Uncounted { applied, .. } = self.apply_uncounted(&mut transaction, event).await?;
            transaction.commit().await?;
            return Ok(applied);
        }
        let mut transaction = self.begin().await?;
        let applied = self.write(&mut transaction, observations, is_creation(event), Origin::Event).await?;
        transaction.commit().await?;
        Ok(applied)
    }

    /// Applies an event in the application's or `ExactlyOnce`'s transaction.
    ///
    /// The transaction keeps its isolation level. Above `READ COMMITTED`, Postgres can reject a statement
    /// because of a concurrent transaction (SQLSTATE 40001). If the event is applied again, it succeeds.
    /// [`apply`](Self::apply) always uses `READ COMMITTED`.
    ///
    /// With the `metrics` feature, the event counts as applied, even if you roll back the transaction.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`apply`](Self::apply). After an error, roll back the transaction.
    pub async fn apply_in(
        &self,
        connection: &mut DB::Connection,
        event: &Event,
    ) -> Result<Applied, SyncError> {
        self.apply_uncounted(connection, event).await.map(Uncounted::count)
    }

    /// Applies an event. The caller counts the result as soon as it knows that the transaction succeeds.
    pub(crate) async fn apply_uncounted(
        &self,
        connection: &mut DB::Connection,
        event: &Event,
    ) -> Result<Uncounted, SyncError> {
        match observe(event, &self.settings)? {
            Ok(observations) => {
                let table = table(&observations);
                let applied = self.write(connection, observations, is_creation(event), Origin::Event).await?;
                Ok(Uncounted { applied, table })
            }
            Err(reason) => Ok(Uncounted { applied: Applied::Ignored(reason), table: None }),
        }
    }

    /// Returns a handler that applies each event in a new transaction. The handler accepts any state.
    ///
    /// Pass the handler to [`otherwise`](clerk_webhook_core::handler::HandlersBuilder::otherwise). It does
    /// not receive events whose type has its own handler. Use [`handler_with`](Self::handler_with) to apply
    /// these too.
    ///
    /// If the handler succeeds, the outcome is [`Processed`](clerk_webhook_core::Outcome::Processed), even
    /// for an event that the sync [ignores](Applied::Ignored). To detect ignored events, such as a deletion
    /// without an id, call [`apply`](Self::apply) in your own handler and check its result.
    pub fn handler<S: Send + 'static>(&self) -> impl Handler<Event, S, Handling: Send> + Clone + use<DB, S> {
        let sync = self.clone();
        move |event: Event, _cx: Context<S>| {
            let sync = sync.clone();
            async move {
                sync.apply(&event).await.map_err(SyncError::into_failure)?;
                Ok(())
            }
        }
    }

    /// Returns a handler that applies each event in a new transaction and then calls your handler for its
    /// type.
    ///
    /// Pass the handler to [`otherwise`](clerk_webhook_core::handler::HandlersBuilder::otherwise).
    ///
    /// ```
    /// use clerk_webhook_core::event::marker::UserCreated;
    /// use clerk_webhook_core::event::payload::User;
    /// use clerk_webhook_core::{Context, Failure, Handlers, Outcome};
    /// use clerk_webhook_sync::ClerkSync;
    /// # use clerk_webhook_core::{Event, Timestamp};
    ///
    /// type Sync = ClerkSync<sqlx::Sqlite>;
    ///
    /// async fn welcome(user: User, cx: Context<Sync>) -> Result<(), Failure> {
    ///     // The row exists already. It contains this event or a newer one.
    ///     assert!(cx.state().user(&user.id).await?.is_some());
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let body = r#"{"data":{"email_addresses":[],"id":"user_1","updated_at":1},"timestamp":2,"type":"user.created"}"#;
    /// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// let sync = ClerkSync::new(pool);
    /// sync.migrate().await?;
    /// let own = Handlers::builder().on(UserCreated, welcome).build()?;
    /// let handlers = Handlers::builder().otherwise(sync.handler_with(&own)).build()?;
    ///
    /// assert_eq!(handlers.answer(event, sync).await.outcome(), Outcome::Processed);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// If your handler fails, the rows stay. When the sender retries the delivery, applying the event again
    /// changes nothing. Your handler runs at least once for each event, and also for late and duplicate
    /// events. For code that must run once for each change, use [`on_change`](Self::on_change). To commit the
    /// rows together with your handler's writes, use
    /// [`transactional_handler_with`](Self::transactional_handler_with).
    ///
    /// If the sync and your handler succeed, the outcome is
    /// [`Processed`](clerk_webhook_core::Outcome::Processed), even for an event that the sync ignores and
    /// that has no handler.
    pub fn handler_with<S: Send + 'static>(
        &self,
        handlers: &Handlers<S>,
    ) -> impl Handler<Event, S, Handling: Send> + Clone + use<DB, S> {
        let (sync, handlers) = (self.clone(), handlers.clone());
        move |event: Event, cx: Context<S>| {
            let (sync, handlers) = (sync.clone(), handlers.clone());
            async move {
                sync.apply(&event).await.map_err(SyncError::into_failure)?;
                match cx.attempt() {
                    Some(attempt) => handlers.handle_attempt(event, cx.into_state(), attempt).await?,
                    None => handlers.handle(event, cx.into_state()).await?,
                };
                Ok(())
            }
        }
    }
}

/// Settings that enable objects whose events are ignored by default.
///
/// Data that arrived before you enabled a setting is missing until Clerk sends it again.
impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Stores sessions in the `clerk_sessions` table.
    ///
    /// Each sign-in causes an event and a row. The end of a session causes another event. The sync never
    /// removes these rows. You can delete rows whose `expire_at` is more than 90 days ago. If you delete a
    /// row earlier, a resent event can insert it again.
    ///
    /// A row contains the user's, the client's and the organization's ids, and times. It never contains IP
    /// addresses, locations, devices or impersonators, whatever [`raw`](Self::raw) is set to. Clerk sends no
    /// event when a session is used or expires.
    pub fn keep_sessions(mut self) -> Self {
        self.settings.sessions = true;
        self
    }

    /// Stores subscriptions and their items in the `clerk_subscriptions` and `clerk_subscription_items`
    /// tables.
    ///
    /// Each payer and each plan change causes a few events and rows. The rows contain ids of users and
    /// organizations, plans, prices and times, but no names or addresses. Payment attempts are not stored.
    pub fn keep_billing(mut self) -> Self {
        self.settings.billing = true;
        self
    }

    /// Stores the waitlist in the `clerk_waitlist_entries` table.
    ///
    /// Each entry causes two or three events, and a row with the email address of a person who may never
    /// become a user. Clerk sends no event when an entry is removed, so the row stays.
    /// [`forget_user`](Self::forget_user) erases the entries with any of a user's addresses, and
    /// [`forget_email`](Self::forget_email) erases the entries with one address.
    pub fn keep_waitlist(mut self) -> Self {
        self.settings.waitlist = true;
        self
    }
}

/// The version of the tables in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SchemaVersion {
    /// The version of the tables; 0 without tables.
    pub found: usize,
    /// The version that this crate creates with [`ClerkSync::migrate`].
    pub needed: usize,
}

/// Returns the table of the event's own object, which is the last observation.
fn table(observations: &[Observation]) -> Option<&'static str> {
    observations.last().map(|observation| observation.entity.table().name)
}

/// Returns whether the event's object is probably new. This decides only whether an insertion is tried first.
fn is_creation(event: &Event) -> bool {
    event.event_type().as_str().ends_with(".created")
}

impl<DB: SyncDatabase> Clone for ClerkSync<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            names: self.names.clone(),
            settings: self.settings.clone(),
            statements: Arc::clone(&self.statements),
            hook: self.hook.clone(),
            keeps_statements: self.keeps_statements,
        }
    }
}

/// Omits the pool, because its options may contain credentials.
impl<DB: SyncDatabase> fmt::Debug for ClerkSync<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClerkSync")
            .field("names", &self.names)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
