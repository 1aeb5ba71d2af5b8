//! The two variants of deduplication: leases and transactions.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Answer, Event, Handled};
use clerk_webhook_store::{
    Deduplicator, DeliveryStore, DeliveryTransaction, ExactlyOnce, PostgresStore, Scope, SqliteStore,
    TransactionalStore,
};
use clerk_webhook_tests_once::variable;
use clerk_webhook_tests_once::work::Work;
use sqlx::{Postgres, Sqlite};

/// Handles events.
pub trait Receive: Clone + Send + Sync + 'static {
    fn receive(&self, event: Event) -> impl Future<Output = Answer> + Send;

    /// Waits for the running handlers, and returns the number of handlers that it stopped.
    fn shutdown(&self, limit: Duration) -> impl Future<Output = usize> + Send;
}

/// Handles events under a lease.
#[derive(Clone)]
pub struct Leases<S> {
    deduplicator: Deduplicator<S>,
    work: Work,
}

impl<S: DeliveryStore> Leases<S> {
    pub fn on(store: S) -> Self {
        let mut deduplicator = Deduplicator::new(store).scope(scope());
        if let Some(lease) = millis("LEASE") {
            deduplicator = deduplicator.lease(lease);
        }
        if let Some(limit) = millis("STORE_TIMEOUT") {
            deduplicator = deduplicator.store_timeout(limit);
        }
        Self { deduplicator, work: Work::from_env() }
    }
}

impl<S: DeliveryStore + Clone> Receive for Leases<S> {
    async fn receive(&self, event: Event) -> Answer {
        let work = self.work.clone();
        let run = Arc::new(work.run(&event));
        let handled = Arc::clone(&run);
        let handler = async move |_event, attempt| {
            let running = handled.start(attempt);
            work.work().await.inspect_err(|_| running.fail())?;
            running.complete();
            Ok(Handled::Processed)
        };
        let answer = self.deduplicator.run(event, handler).await;
        run.answered(answer);
        answer
    }

    async fn shutdown(&self, limit: Duration) -> usize {
        self.deduplicator.shutdown(limit).await
    }
}

/// Handles events in a transaction that also contains the effects.
#[derive(Clone)]
pub struct Transactions<S> {
    once: ExactlyOnce<S>,
    work: Work,
}

impl<S: Effects> Transactions<S> {
    pub fn on(store: S) -> Self {
        let mut once = ExactlyOnce::new(store).scope(scope());
        if let Some(limit) = millis("STORE_TIMEOUT") {
            once = once.store_timeout(limit);
        }
        Self { once, work: Work::from_env() }
    }
}

impl<S: Effects> Receive for Transactions<S> {
    async fn receive(&self, event: Event) -> Answer {
        let work = self.work.clone();
        let run = Arc::new(work.run(&event));
        let handled = Arc::clone(&run);
        let answer = self.once.run(event, async move |event: Event, transaction| {
            let mut transaction = transaction.lock().await?;
            let running = handled.start(0);
            S::write(&mut transaction, event.message_id().as_str()).await?;
            work.work().await.inspect_err(|_| running.fail())?;
            running.complete();
            Ok(Handled::Processed)
        });
        let answer = answer.await;
        run.answered(answer);
        answer
    }

    async fn shutdown(&self, limit: Duration) -> usize {
        self.once.shutdown(limit).await
    }
}

/// A store whose transaction writes a message's effect. The table has no unique constraint, so a second run
/// would be visible.
pub trait Effects: TransactionalStore + Clone {
    fn write(
        transaction: &mut Self::Transaction,
        message_id: &str,
    ) -> impl Future<Output = sqlx::Result<()>> + Send;
}

impl Effects for SqliteStore {
    async fn write(transaction: &mut DeliveryTransaction<Sqlite>, message_id: &str) -> sqlx::Result<()> {
        let insert = sqlx::query("INSERT INTO effect (message_id) VALUES (?)").bind(message_id);
        insert.execute(&mut **transaction).await.map(drop)
    }
}

impl Effects for PostgresStore {
    async fn write(transaction: &mut DeliveryTransaction<Postgres>, message_id: &str) -> sqlx::Result<()> {
        let insert = sqlx::query("INSERT INTO effect (message_id) VALUES ($1)").bind(message_id);
        insert.execute(&mut **transaction).await.map(drop)
    }
}

fn scope() -> Scope {
    variable("SCOPE").unwrap_or_default()
}

fn millis(name: &str) -> Option<Duration> {
    variable(name).map(Duration::from_millis)
}
