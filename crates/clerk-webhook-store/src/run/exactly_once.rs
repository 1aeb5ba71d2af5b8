//! Runs handlers in a database transaction.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clerk_webhook_core::{Answer, Event, Failure, Handled, Handlers, Observation, Outcome, Stopped};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::timeout;

use crate::run::runner::{Runner, runner_methods};
use crate::store::key::DeliveryKey;
use crate::store::transaction::{Begin, TransactionalStore};

/// Runs a handler once per message, in a database transaction that also marks the delivery as handled.
///
/// The handler writes through the transaction that it receives. If the handler returns `Ok`, its writes and
/// the mark are committed together. If the handler fails, panics or times out (12 s by default), or if the
/// process crashes, both are rolled back, and the sender's next retry runs the handler again.
///
/// **Guarantee: exactly once** for everything that the handler writes in the transaction. Other effects, such
/// as sending an email, can happen more than once. Pass the [message
/// id](clerk_webhook_core::Context::message_id) as the idempotency key to external APIs, or insert a job into
/// a table in the same transaction and let a worker process it.
///
/// The handler runs in a separate task, so it continues if the sender closes the connection. Clones share the
/// store and the tasks.
///
/// # Rules for handlers
///
/// - Write through the transaction, not through another connection from the pool. Writes on another
///   connection are not part of the transaction. If every connection in the pool is held by a handler that is
///   waiting for a second connection, they all time out.
/// - Hold one guard of the transaction at a time: drop it before you call [`lock`](SharedTransaction::lock)
///   again.
/// - If a statement fails, return its error and run no further statements. Postgres rolls back a transaction
///   with a failed statement, even if the handler returns `Ok`. The answer is then `store_unavailable`, and
///   the next retry runs the handler again. SQLite rolls back the transaction if the disk is full or fails.
///   After that, SQLite commits each statement immediately, and the next attempt repeats these statements.
/// - To tolerate a conflict in Postgres, use `ON CONFLICT DO NOTHING`, which does not fail.
/// - If you return [`Handled::Ignored`], the writes and the mark are rolled back.
///
/// # Panics
///
/// The async methods panic outside of a Tokio runtime. On a runtime without a timer (`enable_time`), the
/// answer is `store_unavailable` if the store or the handler has to wait.
///
#[cfg_attr(feature = "sqlite", doc = include_str!("exactly_once.md"))]
#[must_use]
pub struct ExactlyOnce<S> {
    store: Arc<S>,
    runner: Runner,
}

impl<S: TransactionalStore> ExactlyOnce<S> {
    /// Creates an `ExactlyOnce` with the default scope and a handler timeout of 12 s.
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store), runner: Runner::default() }
    }

    runner_methods!();

    /// Runs the handler for the event's type, unless the delivery is completed or in progress.
    ///
    /// `state_with` receives the transaction and returns the handlers' state: the transaction, or a value
    /// that contains it.
    pub async fn handle<T, F>(&self, handlers: &Handlers<T>, event: Event, state_with: F) -> Answer
    where
        T: Send + 'static,
        F: FnOnce(SharedTransaction<S::Transaction>) -> T + Send + 'static,
    {
        let handlers = handlers.clone();
        self.run(event, move |event, transaction| handlers.handle(event, state_with(transaction))).await
    }

    /// Runs a function as the handler, unless the delivery is completed or in progress.
    ///
    /// If the handler returns [`Handled::Ignored`], the answer is 200, but the transaction is rolled back. If
    /// you add a handler for the event later, a resend reaches it.
    pub async fn run<F, H>(&self, event: Event, handler: F) -> Answer
    where
        F: FnOnce(Event, SharedTransaction<S::Transaction>) -> H + Send + 'static,
        H: Future<Output = Result<Handled, Failure>> + Send + 'static,
    {
        // The observation begins here, so that its span is a child of the request's span.
        let observation = self.runner.observe(&event);
        let this = self.clone();
        // The future is boxed, because a future that takes another future by value reserves space for it
        // twice.
        let run = Box::pin(async move {
            let work = pin!(this.run_once(event, handler, &observation));
            observation.run(work).await
        });
        self.runner.spawn(run).await
    }

    async fn run_once<F, H>(
        &self,
        event: Event,
        handler: F,
        observation: &Observation,
    ) -> Result<Handled, Stopped>
    where
        F: FnOnce(Event, SharedTransaction<S::Transaction>) -> H + Send,
        H: Future<Output = Result<Handled, Failure>> + Send,
    {
        self.runner.check_running()?;
        let key = DeliveryKey::of(&event, self.runner.scope.clone());
        let transaction = match self.runner.ask(self.store.begin(&key)).await? {
            Begin::Acquired(transaction) => SharedTransaction::new(transaction),
            Begin::Duplicate { .. } => return Err(Outcome::Duplicate.into()),
            Begin::InProgress { retry_after } => {
                return Err(Answer::from(Outcome::InProgress).with_retry_after(retry_after).into());
            }
        };
        let given = transaction.clone();
        let result = {
            // The block drops the handler before this function waits for the transaction, which the handler
            // may have locked.
            let handling = pin!(async move { handler(event, given).await });
            let supervised = pin!(self.runner.supervise(handling));
            observation.time_handler(supervised).await
        };
        // From here on, no handler can lock the transaction. An early return drops it, which rolls it back.
        let transaction = timeout(self.runner.store_timeout, transaction.take()).await;
        let handled = result??;
        if handled == Handled::Ignored {
            return Ok(handled);
        }
        let Ok(Some(transaction)) = transaction else {
            return Err(Stopped::new(
                Outcome::Failed,
                "the handler returned while a task still holds the transaction: drop every guard before the handler returns",
            ));
        };
        self.runner.ask(self.store.commit(transaction)).await?;
        Ok(handled)
    }
}

impl<S> Clone for ExactlyOnce<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), runner: self.runner.clone() }
    }
}

impl<S> fmt::Debug for ExactlyOnce<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactlyOnce").field("runner", &self.runner).finish_non_exhaustive()
    }
}

/// A delivery's transaction, which is the handler's state or a part of it.
///
/// [`ExactlyOnce`] commits the transaction after the handler has returned `Ok`. If a clone outlives the
/// handler, its [`lock`](Self::lock) returns [`TransactionEnded`].
pub struct SharedTransaction<T>(Arc<Shared<T>>);

struct Shared<T> {
    transaction: Mutex<Option<T>>,
    /// Whether the handler has ended, even if a task that it spawned still holds the transaction.
    ended: AtomicBool,
}

impl<T> SharedTransaction<T> {
    /// Locks the transaction until the guard is dropped, and waits if it is already locked.
    ///
    /// # Errors
    ///
    /// Returns an error if the handler has ended.
    pub async fn lock(&self) -> Result<TransactionGuard<'_, T>, TransactionEnded> {
        let guard = self.0.transaction.lock().await;
        if self.0.ended.load(Ordering::SeqCst) {
            return Err(TransactionEnded);
        }
        MutexGuard::try_map(guard, Option::as_mut).map(TransactionGuard).map_err(|_| TransactionEnded)
    }

    fn new(transaction: T) -> Self {
        Self(Arc::new(Shared { transaction: Mutex::new(Some(transaction)), ended: AtomicBool::new(false) }))
    }

    async fn take(&self) -> Option<T> {
        self.0.ended.store(true, Ordering::SeqCst);
        self.0.transaction.lock().await.take()
    }
}

impl<T> Clone for SharedTransaction<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> fmt::Debug for SharedTransaction<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedTransaction").finish_non_exhaustive()
    }
}

/// Exclusive access to a delivery's transaction, returned by [`SharedTransaction::lock`].
pub struct TransactionGuard<'a, T>(tokio::sync::MappedMutexGuard<'a, T>);

impl<T> Deref for TransactionGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for TransactionGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> fmt::Debug for TransactionGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransactionGuard").finish_non_exhaustive()
    }
}

/// The error of [`SharedTransaction::lock`] after the handler has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionEnded;

impl fmt::Display for TransactionEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the transaction has ended, because its handler has ended. Use the transaction only while the handler runs",
        )
    }
}

debug_is_display!(TransactionEnded);

impl std::error::Error for TransactionEnded {}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;
    use std::time::Duration;

    use clerk_webhook_core::Timestamp;
    use tokio::sync::Notify;
    use tokio::time::Instant;

    use super::*;

    /// A database in which every delivery is new. It records the deliveries' keys.
    #[derive(Default)]
    struct Database(std::sync::Mutex<Vec<String>>);

    impl TransactionalStore for Database {
        type Error = Infallible;
        type Transaction = ();

        async fn begin(&self, key: &DeliveryKey) -> Result<Begin<()>, Infallible> {
            self.0.lock().unwrap().push(key.to_string());
            Ok(Begin::Acquired(()))
        }

        async fn commit(&self, (): ()) -> Result<(), Infallible> {
            Ok(())
        }
    }

    fn event() -> Event {
        Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into()).unwrap()
    }

    #[tokio::test]
    async fn counts_the_deliveries_in_progress() {
        let once = ExactlyOnce::new(Database::default());
        assert_eq!(once.in_flight(), 0);
        let (running, ends) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut handling = Vec::new();
        for _ in 0..2 {
            let (once, runs, may_end) = (once.clone(), Arc::clone(&running), Arc::clone(&ends));
            handling.push(tokio::spawn(async move {
                let handler = async move |_, _| {
                    runs.notify_one();
                    may_end.notified().await;
                    Ok(Handled::Processed)
                };
                once.run(event(), handler).await.outcome()
            }));
            running.notified().await;
        }
        assert_eq!(once.in_flight(), 2);
        ends.notify_waiters();
        for handling in handling {
            assert_eq!(handling.await.unwrap(), Outcome::Processed);
        }
        assert_eq!(once.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn stops_a_handler_after_its_timeout() {
        let (default, longer) = (ExactlyOnce::new(Database::default()), Duration::from_millis(20_500));
        let set = ExactlyOnce::new(Database::default()).handler_timeout(longer);
        for (once, limit) in [(default, Duration::from_secs(12)), (set, longer)] {
            let began = Instant::now();
            assert_eq!(once.run(event(), |_, _| pending()).await.outcome(), Outcome::HandlerTimeout);
            assert_eq!(began.elapsed(), limit);
        }
    }

    #[test]
    fn runs_handlers_on_the_configured_runtime() {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let handlers = builder.worker_threads(1).thread_name("handlers").enable_time().build().unwrap();
        let caller = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let once = ExactlyOnce::new(Database::default()).runtime(handlers.handle().clone());
        let answer = caller.block_on(once.run(event(), async |_, _| {
            assert_eq!(std::thread::current().name(), Some("handlers"));
            Ok(Handled::Processed)
        }));
        assert_eq!(answer.outcome(), Outcome::Processed);
    }

    #[tokio::test]
    async fn marks_a_delivery_in_the_configured_scope() {
        let default = ExactlyOnce::new(Database::default());
        let set = ExactlyOnce::new(Database::default()).scope("mail".parse().unwrap());
        for (once, key) in [(default, "clerk:msg_1"), (set, "mail:msg_1")] {
            once.run(event(), async |_, _| Ok(Handled::Processed)).await;
            assert_eq!(*once.store().0.lock().unwrap(), [key]);
        }
    }
}
