//! Applies events in the transaction that marks a delivery as handled.

use std::future::Future;
use std::pin::Pin;

use clerk_webhook_core::handler::Handler;
use clerk_webhook_core::{Context, Event, Failure, Handled, Handlers};
use clerk_webhook_store::{DeliveryTransaction, SharedTransaction};

use crate::apply::applied::Applied;
use crate::apply::engine::SyncDatabase;
use crate::error::SyncError;
use crate::sync::ClerkSync;

type Handling = Pin<Box<dyn Future<Output = Result<Handled, Failure>> + Send>>;

/// Handlers for clerk-webhook-store's `ExactlyOnce`.
impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns a handler that applies each event in its delivery's transaction.
    ///
    /// The same commit writes the rows and marks the message as handled. Pass the handler to
    /// [`otherwise`](clerk_webhook_core::handler::HandlersBuilder::otherwise). It does not receive events
    /// whose type has its own handler. Use [`transactional_handler_with`](Self::transactional_handler_with)
    /// to apply these too.
    pub fn transactional_handler(
        &self,
    ) -> impl Handler<Event, SharedTransaction<DeliveryTransaction<DB>>, Handling: Send> + Clone + use<DB>
    {
        let sync = self.clone();
        move |event: Event, cx: Context<SharedTransaction<DeliveryTransaction<DB>>>| {
            let sync = sync.clone();
            async move {
                let mut transaction = cx.state().lock().await?;
                sync.apply_in(&mut transaction, &event).await.map_err(SyncError::into_failure)?;
                Ok(())
            }
        }
    }

    /// Returns a function for `ExactlyOnce::run` that applies each event and then calls your handler for its
    /// type.
    ///
    /// Both use the delivery's transaction. It also marks the message as handled. Either everything is
    /// committed, including your handler's writes, or nothing is.
    ///
    /// ```
    /// use clerk_webhook_core::event::marker::UserCreated;
    /// use clerk_webhook_core::event::payload::User;
    /// use clerk_webhook_core::{Context, Failure, Handlers, Outcome};
    /// use clerk_webhook_store::{DeliveryTransaction, ExactlyOnce, SharedTransaction, SqliteStore};
    /// use clerk_webhook_sync::ClerkSync;
    /// # use clerk_webhook_core::{Event, Timestamp};
    ///
    /// type Transaction = SharedTransaction<DeliveryTransaction<sqlx::Sqlite>>;
    ///
    /// async fn grant_credits(user: User, cx: Context<Transaction>) -> Result<(), Failure> {
    ///     let mut transaction = cx.state().lock().await?;
    ///     let insert = sqlx::query("INSERT INTO credits (user_id, credits) VALUES (?, 10)");
    ///     insert.bind(user.id).execute(&mut **transaction).await?;
    ///     Ok(())
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// # let body = r#"{"data":{"email_addresses":[],"id":"user_1","updated_at":1},"timestamp":2,"type":"user.created"}"#;
    /// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
    /// # let pool = sqlx::sqlite::SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # sqlx::query("CREATE TABLE credits (user_id TEXT, credits INTEGER)").execute(&pool).await?;
    /// let sync = ClerkSync::new(pool.clone());
    /// sync.migrate().await?;
    /// let store = SqliteStore::new(pool);
    /// store.migrate().await?;
    /// let handlers = Handlers::builder().on(UserCreated, grant_credits).build()?;
    /// let exactly_once = ExactlyOnce::new(store);
    ///
    /// for outcome in [Outcome::Processed, Outcome::Duplicate] {
    ///     let answer = exactly_once.run(event.clone(), sync.transactional_handler_with(&handlers)).await;
    ///     assert_eq!(answer.outcome(), outcome);
    /// }
    /// assert!(sync.user("user_1").await?.is_some());
    /// # let credits: i64 = sqlx::query_scalar("SELECT sum(credits) FROM credits").fetch_one(sync.pool()).await?;
    /// # assert_eq!(credits, 10);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transactional_handler_with(
        &self,
        handlers: &Handlers<SharedTransaction<DeliveryTransaction<DB>>>,
    ) -> impl FnOnce(Event, SharedTransaction<DeliveryTransaction<DB>>) -> Handling + Send + use<DB> {
        let (sync, handlers) = (self.clone(), handlers.clone());
        move |event, transaction| {
            Box::pin(async move {
                let applied = sync.apply_uncounted(&mut *transaction.lock().await?, &event).await;
                let applied = applied.map_err(SyncError::into_failure)?;
                let handled = handlers.handle(event, transaction).await?;
                Ok(match applied.count() {
                    Applied::Ignored(_) => handled,
                    // `Ignored` would roll back the rows and the mark.
                    _ => Handled::Processed,
                })
            })
        }
    }
}
