//! Applies events.

use std::fmt;
use std::sync::Arc;

use clerk_webhook_core::handler::Handler;
use clerk_webhook_core::{Context, Event, Handlers};
use sqlx::{Pool, Transaction};

use crate::apply::applied::Applied;
use crate::apply::change::{Change, Hook, HookFuture};
use crate::apply::engine::SyncDatabase;
use crate::error::SyncError;
use crate::observe::observe;
use crate::schema::names::{InvalidPrefix, Names};
use crate::schema::statements::Statements;
use crate::settings::{RawColumn, Settings};
use crate::value::{Kind, Value};

/// Keeps Clerk's users, organizations and memberships in tables of the application's database.
///
/// A clone is one reference count and shares the pool.
///
/// # What it promises
///
/// However events are ordered and however often each of them comes, once all of them have come the tables are the same, and
/// the views show what Clerk has. A row is the newest version that any event has told; a deletion is for ever, also where
/// it comes before the creation. That holds for any number of processes on one database.
///
/// # What to mind
///
/// - The tables belong to this crate: what the application knows of a user goes into a table of its own, by the id.
/// - After [`apply_in`](Self::apply_in) has failed, the transaction has to be rolled back: a part may have been written.
/// - An application that applies several events in one Postgres transaction of its own can get into a deadlock with another
///   one, which Postgres ends with an error. A transaction for each event, as [`apply`](Self::apply) has it, cannot.
/// - In SQLite the journal is best `WAL`. For a database in memory the pool has a single connection, without an
///   `idle_timeout` and a `max_lifetime`, and is best not to test it (`test_before_acquire`): each connection has its own.
///
/// # Panics
///
/// Its asynchronous methods panic outside of a Tokio runtime.
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
    /// Creates one on a pool of the application, with tables whose names begin with `clerk_`.
    ///
    /// Behind a pooler in transaction mode, such as PgBouncer, set `statement_cache_capacity(0)` on the Postgres pool.
    /// Otherwise [`migrate`](Self::migrate) returns an error. With this setting every statement is unnamed and inside a
    /// transaction. A query takes four round trips instead of one, and so does an event that needs one statement. Any other
    /// event takes one more for each of its statements, and one more with [`on_change`](Self::on_change).
    pub fn new(pool: Pool<DB>) -> Self {
        let names = Names::default();
        let statements = Arc::new(Statements::new(&names, DB::DIALECT));
        let keeps_statements = DB::keeps_statements(&pool);
        Self { pool, names, settings: Settings::default(), statements, hook: None, keeps_statements }
    }

    /// Sets what stands before the names of tables, `clerk_` unless set, with or without a schema: `clerk.` lets them be
    /// `clerk.users` and so on.
    ///
    /// The schema has to exist; in SQLite it is the name of an attached database.
    ///
    /// # Errors
    ///
    /// Refuses anything but lower-case ASCII letters, digits and `_`, and what is too long.
    pub fn prefix(mut self, prefix: &str) -> Result<Self, InvalidPrefix> {
        self.names = prefix.parse()?;
        self.statements = Arc::new(Statements::new(&self.names, DB::DIALECT));
        Ok(self)
    }

    /// Sets what the column `raw` has.
    pub fn raw(mut self, raw: RawColumn) -> Self {
        self.settings.raw = raw;
        self
    }

    /// Sets the id of the Clerk instance (`ins_…`) whose events are applied; those of others are ignored.
    ///
    /// The examples that the dashboard sends to try an endpoint are properly signed, and of an instance and users that do
    /// not exist. An event that does not say where it comes from is applied.
    pub fn instance_id(mut self, id: &str) -> Self {
        self.settings.instance_id = Some(id.into());
        self
    }

    /// Sets a function that is called with each row that an event has changed, and with the connection in whose transaction:
    /// what it writes there is there together with the row, or neither is. Set twice, the last one counts.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// # use clerk_webhook_core::{Event, Timestamp};
    /// use clerk_webhook_sync::{Change, ClerkSync};
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
    ///             && user.before.is_none()
    ///             && user.after.is_some()
    ///         {
    ///             let give = sqlx::query("INSERT INTO credits (user_id, credits, reason) VALUES (?, 10, ?)");
    ///             give.bind(user.id).bind(&*reason).execute(connection).await?;
    ///         }
    ///         Ok(())
    ///     })
    /// });
    /// # sync.migrate().await?;
    ///
    /// for _ in 0..2 {
    ///     sync.apply(&event).await?; // the second time nothing changes
    /// }
    /// let credits: i64 = sqlx::query_scalar("SELECT sum(credits) FROM credits").fetch_one(sync.pool()).await?;
    /// assert_eq!(credits, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The closure is written where it is handed over, as only there the compiler sees that it is for a connection of any
    /// lifetime; an `async fn` and an `async` closure are not of this form. It is called again and again, so it clones for
    /// each call what it has captured.
    ///
    /// It is told what was live of the row before, and what is live now. That is a history without a gap: whoever else
    /// applies events, the row `before` of each change is the row `after` of the previous one, but for the way in which Postgres writes
    /// the same number in `jsonb` (of `-0` it makes `0`). What belongs to a user, such as all their
    /// addresses, has been written and can be asked for. Copies that a membership shows of others are not told of, and
    /// neither is what changes nothing: an event that comes again, or late.
    ///
    /// Where it fails, the transaction is rolled back and the event fails, with the outcome that the function has asked for.
    /// Do nothing in it that a rollback does not undo: an e-mail is sent by what reads a table of the application's own.
    ///
    /// Postgres ends a transaction in which a statement has failed, so the event fails also where the function has ignored
    /// the error. A statement that may fail needs a savepoint:
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
    ///         } // and dropped it undoes what has failed, no more
    ///         Ok(())
    ///     })
    /// })
    /// # }
    /// # }
    /// ```
    ///
    /// What it asks it asks on the connection that it is given. [`user`](Self::user) and the like take another one of the
    /// pool, on which the change is not seen yet; where the pool has a single connection, it would wait for itself.
    ///
    /// With a function each row is read before it is written, and on Postgres nobody else can write it meanwhile.
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

    pub(crate) fn statements(&self) -> &Statements {
        &self.statements
    }

    pub(crate) const fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, DB>, sqlx::Error> {
        let mut transaction = DB::begin(&self.pool).await?;
        if !self.keeps_statements && self.hook.is_some() {
            DB::prepare(&mut transaction).await?;
        }
        Ok(transaction)
    }

    pub(crate) fn hook(&self) -> Option<&Hook<DB::Connection>> {
        self.hook.as_deref()
    }

    /// Creates the tables and views if they are missing; any number of processes may do so at once.
    ///
    /// To keep the migrations in a folder of your own, copy the files of this crate's folder `migrations`. Call this method at
    /// every start nevertheless: if a Postgres pool keeps prepared statements, it opens a second connection to detect a pooler
    /// in transaction mode.
    ///
    /// # Errors
    ///
    /// Returns an error if the database cannot be written, and `sqlx::Error::Configuration` if the pool keeps prepared
    /// statements behind a pooler.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        DB::refuse_pooler(&self.pool, self.keeps_statements).await?;
        // Without any lock, and without the right to create tables, where there is nothing to do.
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

    /// Applies an event in a transaction of its own.
    ///
    /// Where this is dropped before it has returned, either all of it has happened or nothing.
    ///
    /// # Errors
    ///
    /// Where the database refuses it, where the data is not what the event's type says, and where a hook fails. Nothing has
    /// changed then, and the event can be applied again.
    pub async fn apply(&self, event: &Event) -> Result<Applied, SyncError> {
        let observations = match observe(event, &self.settings)? {
            Ok(observations) => observations,
            Err(reason) => return Ok(Applied::Ignored(reason)),
        };
        if self.keeps_statements && self.is_one_statement(&observations) {
            let applied =
                self.write(&mut *self.pool.acquire().await?, observations, is_creation(event)).await;
            // A statement alone runs at the level of isolation that the server's default is.
            let Err(error) = &applied else { return applied };
            if !error.is_conflict() {
                return applied;
            }
            let mut transaction = self.begin().await?;
            let applied = self.apply_in(&mut transaction, event).await?;
            transaction.commit().await?;
            return Ok(applied);
        }
        let mut transaction = self.begin().await?;
        let applied = self.write(&mut transaction, observations, is_creation(event)).await?;
        transaction.commit().await?;
        Ok(applied)
    }

    /// Applies an event in a transaction of the application, or of `ExactlyOnce`.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply), but the transaction has to be rolled back then.
    ///
    /// [`apply`](Self::apply) sees to the level of isolation itself; here it is the application's. In Postgres an event can
    /// fail above `READ COMMITTED` for what others did at the same time (SQLSTATE 40001), and is applied when it comes again.
    pub async fn apply_in(
        &self,
        connection: &mut DB::Connection,
        event: &Event,
    ) -> Result<Applied, SyncError> {
        match observe(event, &self.settings)? {
            Ok(observations) => self.write(connection, observations, is_creation(event)).await,
            Err(reason) => Ok(Applied::Ignored(reason)),
        }
    }

    /// Returns a handler that applies each event in its own transaction, for any state. It is for
    /// [`otherwise`](clerk_webhook_core::handler::HandlersBuilder::otherwise).
    ///
    /// It does not get events of types that have another handler; [`handler_with`](Self::handler_with) does.
    ///
    /// The outcome is always [`Processed`](clerk_webhook_core::Outcome::Processed), even for an event that the sync
    /// [ignores](Applied::Ignored). To detect ignored events, such as a deletion [without an id](crate::IgnoredReason::WithoutId), call [`apply`](Self::apply)
    /// in your own handler and look at what it returns.
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

    /// Returns a handler that applies each event in its own transaction and then calls the application's handler of its type,
    /// if one exists. It is for [`otherwise`](clerk_webhook_core::handler::HandlersBuilder::otherwise).
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
    /// async fn joined(user: User, cx: Context<Sync>) -> Result<(), Failure> {
    ///     // What it has applied is there, and anything that is newer.
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
    /// let own = Handlers::builder().on(UserCreated, joined).build()?;
    /// let handlers = Handlers::builder().otherwise(sync.handler_with(&own)).build()?;
    ///
    /// assert_eq!(handlers.answer(event, sync).await.outcome(), Outcome::Processed);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// If the application's handler fails, the rows stay and the sender retries the event. Applying it once more changes
    /// nothing. The handler runs at least once for each event, and also for late and duplicate events.
    /// [`transactional_handler_with`](Self::transactional_handler_with) does both in one transaction. Use
    /// [`on_change`](Self::on_change) for code that has to run once for each change.
    ///
    /// The outcome is always [`Processed`](clerk_webhook_core::Outcome::Processed), even for an event that the sync does not keep
    /// and that has no handler, because the sync does not know which types have one.
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

/// What is kept only where it is wanted. What came before that is not there until Clerk sends it again.
impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Keeps sessions, in the table `clerk_sessions`.
    ///
    /// They are many: an event and a row for each time that somebody signs in, and an event for each end. Nothing removes
    /// the rows; what has an `expire_at` long past can be deleted by the application.
    ///
    /// Of persons a row has nothing but the ids of user and client, and times: no address, place, device or impersonator,
    /// whatever [`raw`](Self::raw) is set to. Mere use of a session is told by no event, nor is its running out.
    pub fn keep_sessions(mut self) -> Self {
        self.settings.sessions = true;
        self
    }

    /// Keeps subscriptions and their items, in the tables `clerk_subscriptions` and `clerk_subscription_items`.
    ///
    /// A few events and rows for each payer and each change of plan. The rows have ids of users and organizations, plans,
    /// prices and times, and neither names nor addresses. Attempts to pay are not kept.
    pub fn keep_billing(mut self) -> Self {
        self.settings.billing = true;
        self
    }

    /// Keeps the waitlist, in the table `clerk_waitlist_entries`.
    ///
    /// Two or three events and a row for each entry, with the e-mail address of somebody who may never become a user: no
    /// event tells of the end of an entry, so the rows stay. [`forget_user`](Self::forget_user) erases those with an address
    /// of the user, and [`forget_email`](Self::forget_email) those with any.
    pub fn keep_waitlist(mut self) -> Self {
        self.settings.waitlist = true;
        self
    }
}

/// Returns whether an event tells that its object is new, which decides what is tried first and nothing else.
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

/// Does not show what the pool knows of the database.
impl<DB: SyncDatabase> fmt::Debug for ClerkSync<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClerkSync")
            .field("names", &self.names)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
