//! Handling under a lease.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Answer, Event, Failure, Handled, Handlers, Observation, Outcome, Stopped};
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::run::deadline::{Deadline, MovingDeadline};
use crate::run::runner::{Runner, runner_methods};
use crate::run::supervise::{Winner, race};
use crate::store::claim::{Claim, Lease, LeaseState};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;

/// Handles each delivery once: a duplicate is acknowledged, one that is in progress is put off, and a failure makes room
/// for the next attempt.
///
/// What handles runs in a task of its own, so that a sender that hangs up does not cut it. A handler has 12 s, as the
/// sender gives up after 15 s; while it runs its lease is renewed. What fails, panics or takes too long is released at once,
/// so that the sender's next attempt runs it again. If the whole process ends, that is so once the lease ends.
///
/// # What it guarantees
///
/// At most one run at a time, and at least one that completes, if the sender tries for long enough. A run that was cut off
/// between its effects and its completion is followed by another one: what a handler does outside of its database wants the
/// [message id](clerk_webhook_core::Context::message_id) as its idempotency key. For effects in the database of the store
/// that happen exactly once, see [`ExactlyOnce`](crate::ExactlyOnce).
///
/// A clone shares everything.
///
/// A process that was paused for longer than the lease does not go on: the deduplicator checks the end of the lease before
/// each poll of the handler, drops the handler if the lease is over, and answers `lease_lost`. It checks the monotonic clock
/// and the wall clock, since the monotonic clock of Linux stands still while the machine is suspended. After the restore of a
/// snapshot both clocks may be late: then the next renewal finds out. A run that has finished is completed even after its
/// lease, unless somebody else has taken the delivery over.
///
/// A handler that blocks its thread for longer than the lease cannot be stopped, and its lease is not renewed. Block in
/// `spawn_blocking`.
///
/// # Panics
///
/// Its asynchronous methods panic outside of a Tokio runtime. On one that was built without `enable_time` whatever has to wait
/// is answered as `store_unavailable`.
///
/// # Examples
///
/// ```
/// use clerk_webhook_core::event::marker::UserCreated;
/// use clerk_webhook_core::{Handlers, Outcome};
/// use clerk_webhook_store::{Deduplicator, MemoryStore};
/// # use clerk_webhook_core::{Event, Timestamp};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// # let body = r#"{"data":{"id":"user_1"},"type":"user.created"}"#;
/// # let event = Event::from_trusted("msg_1".parse()?, Timestamp::now(), body.into())?;
/// let handlers = Handlers::builder()
///     .on(UserCreated, |user, _cx| async move {
///         println!("{} has joined", user.id);
///         Ok(())
///     })
///     .build()?;
/// let deduplicator = Deduplicator::new(MemoryStore::new());
///
/// let first = deduplicator.handle(&handlers, event.clone(), ()).await;
/// let second = deduplicator.handle(&handlers, event, ()).await;
/// assert_eq!([first.outcome(), second.outcome()], [Outcome::Processed, Outcome::Duplicate]);
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Deduplicator<S> {
    store: Arc<S>,
    runner: Runner,
    lease: Duration,
    wait: Duration,
}

/// The sender's third attempt comes 5 minutes after the second, so whatever a crash has left is free by then.
const LEASE: Duration = Duration::from_secs(60);

/// The shortest lease of a [`Deduplicator`]: 1 s.
pub const MIN_LEASE: Duration = Duration::from_secs(1);

/// The longest lease of a [`Deduplicator`]: a day.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

impl<S: DeliveryStore> Deduplicator<S> {
    /// Creates one with the default scope, leases of 60 s and 12 s for a handler.
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store), runner: Runner::default(), lease: LEASE, wait: Duration::ZERO }
    }

    /// Sets how long a lease lasts without renewal, 60 s by default.
    ///
    /// After a crash, no process can handle the delivery until its lease expires. A value below [`MIN_LEASE`] or above [`MAX_LEASE`] counts as that limit.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.clamp(MIN_LEASE, MAX_LEASE);
        self
    }

    /// Sets how long a delivery that somebody else is handling waits for the end of that, instead of being put off at once;
    /// not at all unless set.
    ///
    /// During a rotation of the secret, for example, every event comes twice at the same time, and a short wait spares the
    /// second one another attempt.
    pub fn in_progress_wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    runner_methods!();

    /// Handles an event by the handler of its type, unless it was handled before or is being handled.
    pub async fn handle<T: Send + 'static>(&self, handlers: &Handlers<T>, event: Event, state: T) -> Answer {
        let handlers = handlers.clone();
        self.run(event, move |event, attempt| handlers.handle_attempt(event, state, attempt)).await
    }

    /// Runs a handler of an event, unless it was handled before or is being handled.
    ///
    /// The handler receives the number of the attempt, counted from 1. If the handler returns [`Handled::Ignored`], the answer is
    /// 200, but the delivery is not marked as handled: a replay reaches a handler that you add later.
    pub async fn run<F, H>(&self, event: Event, handler: F) -> Answer
    where
        F: FnOnce(Event, u32) -> H + Send + 'static,
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
        F: FnOnce(Event, u32) -> H + Send,
        H: Future<Output = Result<Handled, Failure>> + Send,
    {
        let (lease, deadline) = self.claim(&event).await?;
        observation.record_attempt(lease.attempt());
        let handling = pin!(self.run_leased(event, handler, &lease, deadline));
        match observation.time_handler(handling).await {
            Ok(handled) if handled != Handled::Ignored => self.complete(&lease, handled).await,
            result => {
                // The answer stands even if this fails: then the lease expires.
                let _ = self.runner.ask(self.store.release(&lease)).await;
                result
            }
        }
    }

    /// Claims the event, and returns the lease with the earliest time at which it ends.
    async fn claim(&self, event: &Event) -> Result<(Lease, Deadline), Stopped> {
        self.runner.check_running()?;
        let key = DeliveryKey::of(event, self.runner.scope.clone());
        let began = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            // The lease begins in the store, after this.
            let deadline = Deadline::after(self.lease);
            let claim = self.runner.ask(self.store.claim(&key, self.lease)).await?;
            let left = self.wait.saturating_sub(began.elapsed());
            match claim {
                Claim::Acquired(lease) if deadline.is_over() => {
                    // The store took so long to answer that another process may have claimed the delivery since.
                    let _ = self.runner.ask(self.store.release(&lease)).await;
                    return Err(Outcome::InProgress.into());
                }
                Claim::Acquired(lease) => return Ok((lease, deadline)),
                Claim::Duplicate { .. } => return Err(Outcome::Duplicate.into()),
                Claim::InProgress { retry_after }
                    if !left.is_zero() && self.runner.check_running().is_ok() =>
                {
                    sleep(pause.min(left).min(retry_after.max(Duration::from_millis(1)))).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                }
                Claim::InProgress { retry_after } => {
                    return Err(Answer::from(Outcome::InProgress).with_retry_after(retry_after).into());
                }
            }
        }
    }

    /// Runs the handler while it renews the lease, and stops it if the lease is lost: another process has the delivery, or
    /// may have it.
    async fn run_leased<F, H>(
        &self,
        event: Event,
        handler: F,
        lease: &Lease,
        deadline: Deadline,
    ) -> Result<Handled, Stopped>
    where
        F: FnOnce(Event, u32) -> H + Send,
        H: Future<Output = Result<Handled, Failure>> + Send,
    {
        let attempt = lease.attempt();
        let deadline = MovingDeadline::new(deadline);
        let handling = pin!(async move { handler(event, attempt).await });
        let leased = pin!(deadline.before(handling));
        let supervised = pin!(self.runner.supervise(leased));
        // Unconstrained, as the time limit: it must be polled however busy the handler is.
        let lost = pin!(unconstrained(self.renew_until_lost(lease, &deadline)));
        match race(supervised, lost).await {
            Winner::First(Ok(Some(result))) => Ok(result?),
            Winner::First(Err(stopped)) => Err(stopped),
            Winner::First(Ok(None)) | Winner::Second(()) => {
                Err(Stopped::new(Outcome::LeaseLost, "the lease was lost while the handler ran"))
            }
        }
    }

    /// Renews the lease again and again, and returns when it is lost: somebody else has it, or it has ended while the store
    /// could not be reached, so that somebody else may have it.
    async fn renew_until_lost(&self, lease: &Lease, deadline: &MovingDeadline) {
        let period = self.lease / 3;
        let mut ends = deadline.get().monotonic;
        let mut next = ends - period * 2;
        while next < ends {
            sleep_until(next).await;
            let (renewed_from, renewed) = (Instant::now(), Deadline::after(self.lease));
            match timeout_at(ends, self.runner.ask(self.store.renew(lease, self.lease))).await {
                Ok(Ok(LeaseState::Held)) => {
                    deadline.set(renewed);
                    ends = renewed.monotonic;
                    next = renewed_from + period;
                }
                Ok(Ok(LeaseState::Lost)) => return,
                // It may be there again before the lease ends.
                Ok(Err(_)) | Err(_) => next = Instant::now() + period / 4,
            }
        }
        sleep_until(ends).await;
    }

    async fn complete(&self, lease: &Lease, handled: Handled) -> Result<Handled, Stopped> {
        let mut completed = self.runner.ask(self.store.complete(lease)).await;
        if completed.is_err() {
            // Without the completion the handler runs again, which is worth a second try.
            completed = self.runner.ask(self.store.complete(lease)).await;
        }
        match completed? {
            LeaseState::Held => Ok(handled),
            LeaseState::Lost => {
                let error = "another process took the delivery over before the handler had finished";
                Err(Stopped::new(Outcome::LeaseLost, error))
            }
        }
    }
}

impl<S> Clone for Deduplicator<S> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            runner: self.runner.clone(),
            lease: self.lease,
            wait: self.wait,
        }
    }
}

impl<S> fmt::Debug for Deduplicator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deduplicator")
            .field("runner", &self.runner)
            .field("lease", &self.lease)
            .field("in_progress_wait", &self.wait)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, poll_fn};
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Poll;

    use clerk_webhook_core::Timestamp;
    use tokio::time::advance;

    use super::*;
    use crate::store::claim::Owner;

    /// A store that is there for the claim and for some renewals, and then no longer.
    #[derive(Default)]
    struct Vanishing {
        claim_takes: Duration,
        renewals: AtomicUsize,
        completes: bool,
    }

    fn event() -> Event {
        Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), "{}".into()).unwrap()
    }

    impl DeliveryStore for Vanishing {
        type Error = io::Error;

        async fn claim(&self, key: &DeliveryKey, _lease: Duration) -> io::Result<Claim> {
            sleep(self.claim_takes).await;
            Ok(Claim::Acquired(Lease::new(key.clone(), Owner::random(), 1)))
        }

        async fn renew(&self, _lease: &Lease, _by: Duration) -> io::Result<LeaseState> {
            let left =
                self.renewals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            left.map(|_| LeaseState::Held).map_err(|_| io::ErrorKind::ConnectionRefused.into())
        }

        async fn complete(&self, _lease: &Lease) -> io::Result<LeaseState> {
            if self.completes { Ok(LeaseState::Held) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
        }

        async fn release(&self, _lease: &Lease) -> io::Result<LeaseState> {
            Err(io::ErrorKind::ConnectionRefused.into())
        }

        async fn forget(&self, _key: &DeliveryKey) -> io::Result<bool> {
            Ok(false)
        }

        async fn purge(&self, _older_than: Duration, _limit: u32) -> io::Result<u64> {
            Ok(0)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_ends_with_a_lease_that_cannot_be_renewed() {
        let store = Vanishing { renewals: AtomicUsize::new(2), ..Vanishing::default() };
        let deduplicator =
            Deduplicator::new(store).lease(Duration::from_secs(30)).handler_timeout(Duration::from_secs(600));
        let began = Instant::now();
        let answer = deduplicator.run(event(), |_, _| pending()).await;
        assert_eq!(answer.outcome(), Outcome::LeaseLost);
        // Renewed after 10 and 20 s, and never again: it ended 30 s after the last one.
        assert_eq!(began.elapsed().as_secs(), 50);
    }

    /// The handler sets the clock forward, as if the process had been paused during the poll.
    #[tokio::test(start_paused = true)]
    async fn a_handler_is_not_polled_after_its_lease() {
        let store =
            Vanishing { renewals: AtomicUsize::new(usize::MAX), completes: true, ..Vanishing::default() };
        let deduplicator = Deduplicator::new(store).lease(Duration::from_secs(30));
        let continued = Arc::new(AtomicUsize::new(0));
        let effects = Arc::clone(&continued);
        let answer = deduplicator.run(event(), async move |_, _| {
            advance(Duration::from_secs(30)).await;
            effects.fetch_add(1, Ordering::SeqCst);
            Ok(Handled::Processed)
        });
        assert_eq!(answer.await.outcome(), Outcome::LeaseLost);
        assert_eq!(continued.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_is_polled_after_its_first_lease_if_that_was_renewed() {
        let store =
            Vanishing { renewals: AtomicUsize::new(usize::MAX), completes: true, ..Vanishing::default() };
        let deduplicator =
            Deduplicator::new(store).lease(Duration::from_secs(30)).handler_timeout(Duration::from_secs(600));
        let answer = deduplicator.run(event(), async |_, _| {
            sleep(Duration::from_secs(500)).await;
            Ok(Handled::Processed)
        });
        assert_eq!(answer.await.outcome(), Outcome::Processed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_finishes_after_its_lease_is_completed() {
        let store = Vanishing { completes: true, ..Vanishing::default() };
        let deduplicator = Deduplicator::new(store).lease(Duration::from_secs(30));
        let answer = deduplicator.run(event(), |_, _| {
            poll_fn(|cx| {
                let _ = pin!(advance(Duration::from_secs(31))).poll(cx);
                Poll::Ready(Ok(Handled::Processed))
            })
        });
        assert_eq!(answer.await.outcome(), Outcome::Processed);
    }

    #[tokio::test(start_paused = true)]
    async fn no_handler_is_begun_whose_lease_has_ended_before_the_store_answered() {
        let store = Vanishing { claim_takes: Duration::from_secs(3), ..Vanishing::default() };
        let deduplicator = Deduplicator::new(store).lease(Duration::from_secs(2));
        let answer = deduplicator.run(event(), async |_, _| panic!("is not begun")).await;
        assert_eq!(answer.outcome(), Outcome::InProgress);
    }

    #[tokio::test]
    async fn a_handler_that_never_waits_does_not_keep_its_lease_from_being_looked_at() {
        let deduplicator = Deduplicator::new(Vanishing::default()).lease(Duration::from_secs(1));
        let answer = deduplicator.run(event(), async |_, _| {
            loop {
                tokio::task::consume_budget().await;
            }
        });
        assert_eq!(answer.await.outcome(), Outcome::LeaseLost);
    }
}
