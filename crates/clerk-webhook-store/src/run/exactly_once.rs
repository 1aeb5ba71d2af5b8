//! Handling inside a transaction.

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

/// Handles each delivery once, with its effects in the database exactly once.
///
/// A handler writes by the transaction that it is given, and the mark that says "handled" lies in the same one. When the
/// handler returns `Ok` both are committed; when it fails, panics, takes more than 12 s or the process ends, neither is
/// there, and the sender's next attempt runs it again. There is no lease and no moment in which a crash would lose or
/// double anything. What a handler does elsewhere, such as sending a mail, is not part of that.
///
/// What handles runs in a task of its own, so that a sender that hangs up does not cut it. A clone shares everything.
///
/// # Panics
///
/// Its asynchronous methods panic outside of a Tokio runtime. On one that was built without `enable_time` whatever has to wait
/// is answered as `store_unavailable`.
///
/// # What a handler has to mind
///
/// - It writes by the transaction and not by another connection of the same pool: what that writes is not part of it, and
///   where all connections are in transactions that wait for a further one, all of them wait until their time is over.
/// - It [locks](SharedTransaction::lock) the transaction once, or drops the guard before it locks it again.
/// - In Postgres a statement that fails undoes the whole transaction, even if the handler goes on and returns `Ok`: that is
///   answered as `store_unavailable`, and the next attempt runs it again. `ON CONFLICT DO NOTHING` does not fail.
/// - It returns the error of a statement and does not go on after it. Where the disk is full or fails, SQLite ends the
///   transaction by itself: what is written after that stays, and is written again by the next attempt.
/// - [`Handled::Ignored`] undoes what was written, and the mark.
///
#[cfg_attr(feature = "sqlite", doc = include_str!("exactly_once.md"))]
#[must_use]
pub struct ExactlyOnce<S> {
    store: Arc<S>,
    runner: Runner,
}

impl<S: TransactionalStore> ExactlyOnce<S> {
    /// Creates one with the default scope, and 12 s for a handler.
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store), runner: Runner::default() }
    }

    runner_methods!();

    /// Handles an event by the handler of its type, unless it was handled before.
    ///
    /// `state_with` makes the handlers' state of the transaction: the transaction itself, or something that has it.
    pub async fn handle<T, F>(&self, handlers: &Handlers<T>, event: Event, state_with: F) -> Answer
    where
        T: Send + 'static,
        F: FnOnce(SharedTransaction<S::Transaction>) -> T + Send + 'static,
    {
        let handlers = handlers.clone();
        self.run(event, move |event, transaction| handlers.handle(event, state_with(transaction))).await
    }

    /// Runs a handler of an event in a transaction, unless the event was handled before.
    ///
    /// If the handler returns [`Handled::Ignored`], the transaction is rolled back: a replay reaches a handler that you add later.
    pub async fn run<F, H>(&self, event: Event, handler: F) -> Answer
    where
        F: FnOnce(Event, SharedTransaction<S::Transaction>) -> H + Send + 'static,
        H: Future<Output = Result<Handled, Failure>> + Send + 'static,
    {
        // Begun here, so that the span is a child of the request's span.
        let observation = Observation::begin(&event, self.runner.scope.as_str());
        let this = self.clone();
        // Boxed here: a future that takes another future by value reserves space for it twice.
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
            // Dropped before this waits for the transaction, which the handler may have locked.
            let handling = pin!(async move { handler(event, given).await });
            let supervised = pin!(self.runner.supervise(handling));
            observation.time_handler(supervised).await
        };
        // From here on no handler gets the transaction, and dropping it rolls it back.
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

/// The transaction of a delivery, as a handler has it.
///
/// It is the state of a handler, or a part of it. It is committed when the handler has returned `Ok`, so it cannot be
/// kept: a clone that outlives the handler finds [`TransactionEnded`].
pub struct SharedTransaction<T>(Arc<Shared<T>>);

struct Shared<T> {
    transaction: Mutex<Option<T>>,
    /// Whether the handler has ended, even where a task that it left behind still has the transaction.
    ended: AtomicBool,
}

impl<T> SharedTransaction<T> {
    /// Waits for the transaction, which whoever has it uses alone.
    ///
    /// # Errors
    ///
    /// Refuses it when the handler has ended.
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

/// The transaction of a delivery, while it is used.
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

/// The error of a transaction whose handler has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionEnded;

impl fmt::Display for TransactionEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the transaction has ended with the handler that it was for; it cannot be kept")
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

    /// A database in which every delivery is new. It remembers what deliveries it was asked for.
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
        Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), "{}".into()).unwrap()
    }

    #[tokio::test]
    async fn counts_the_deliveries_that_are_being_handled() {
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
    fn runs_handlers_on_the_runtime_that_is_set() {
        let mut of = tokio::runtime::Builder::new_multi_thread();
        let of = of.worker_threads(1).thread_name("theirs").enable_time().build();
        let (of_handlers, own) =
            (of.unwrap(), tokio::runtime::Builder::new_current_thread().build().unwrap());
        let once = ExactlyOnce::new(Database::default()).runtime(of_handlers.handle().clone());
        let answer = own.block_on(once.run(event(), async |_, _| {
            assert_eq!(std::thread::current().name(), Some("theirs"));
            Ok(Handled::Processed)
        }));
        assert_eq!(answer.outcome(), Outcome::Processed);
    }

    #[tokio::test]
    async fn marks_a_delivery_in_the_scope_that_is_set() {
        let default = ExactlyOnce::new(Database::default());
        let set = ExactlyOnce::new(Database::default()).scope("mail".parse().unwrap());
        for (once, key) in [(default, "clerk:msg_1"), (set, "mail:msg_1")] {
            once.run(event(), async |_, _| Ok(Handled::Processed)).await;
            assert_eq!(*once.store().0.lock().unwrap(), [key]);
        }
    }
}
