//! Runs handlers under a lease.

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

/// Runs a handler once per message, under a lease in a [`DeliveryStore`].
///
/// For each delivery, the deduplicator claims the message id in the store:
///
/// - If the delivery is new, the handler runs. The deduplicator renews the lease while the handler runs, and
///   completes the delivery afterwards.
/// - If the delivery is completed, the answer is `duplicate`, with status 200.
/// - If another task or process is handling the delivery, the answer is `in_progress`, with status 409. The
///   sender retries.
/// - If the handler fails, panics or times out, the deduplicator releases the delivery immediately. The next
///   retry runs the handler again.
///
/// The handler runs in a separate task, so it continues if the sender closes the connection. Its time limit
/// is 12 s by default. Clones share the store and the tasks.
///
/// # Guarantee: at least once
///
/// A delivery has at most one run at a time, and at least one completed run if the sender retries often
/// enough.
///
/// If the process crashes after the handler's effects but before the completion is recorded, the handler runs
/// again after the lease has expired. Pass the [message id](clerk_webhook_core::Context::message_id) as the
/// idempotency key to every external API that the handler calls. For effects in the store's database, use
/// [`ExactlyOnce`](crate::ExactlyOnce).
///
/// # Pauses and blocked threads
///
/// If a process is paused for longer than the lease, its handler does not continue. Before each poll of the
/// handler, the deduplicator checks whether the lease has expired. If it has, the deduplicator drops the
/// handler and answers `lease_lost`. It checks the monotonic clock and the wall clock, because on Linux the
/// monotonic clock stops while the machine is suspended. After a virtual machine is restored from a snapshot,
/// both clocks may be behind. In this case the next renewal detects that the lease is lost.
///
/// If the handler has already finished, the deduplicator completes the delivery even after the lease has
/// expired, unless another process has taken the delivery over.
///
/// Do not block the thread in a handler. A blocked handler cannot be stopped, and its lease might expire
/// without being renewed. Use `spawn_blocking`.
///
/// # Panics
///
/// The async methods panic outside of a Tokio runtime. On a runtime without a timer (`enable_time`), the
/// answer is `store_unavailable` if the store or the handler has to wait.
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

/// Below the 5 minutes between the sender's second and third attempts, so that the lease of a crashed process
/// expires before the third attempt.
const LEASE: Duration = Duration::from_secs(60);

/// The shortest lease of a [`Deduplicator`]: 1 s.
pub const MIN_LEASE: Duration = Duration::from_secs(1);

/// The longest lease of a [`Deduplicator`]: 24 h.
pub const MAX_LEASE: Duration = Duration::from_secs(24 * 60 * 60);

impl<S: DeliveryStore> Deduplicator<S> {
    /// Creates a deduplicator with the default scope, a lease of 60 s and a handler timeout of 12 s.
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store), runner: Runner::default(), lease: LEASE, wait: Duration::ZERO }
    }

    /// Sets how long a lease lasts without renewal, 60 s by default.
    ///
    /// After a crash, no process can handle the delivery until its lease expires. A value outside of
    /// [`MIN_LEASE`] to [`MAX_LEASE`] is clamped to this range.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.clamp(MIN_LEASE, MAX_LEASE);
        self
    }

    /// Sets how long to wait for another run of the same delivery, zero by default.
    ///
    /// After that, the answer is `in_progress`. A short wait avoids retries during a secret rotation, when
    /// every event arrives twice at the same time.
    pub fn in_progress_wait(mut self, limit: Duration) -> Self {
        self.wait = limit;
        self
    }

    runner_methods!();

    /// Runs the handler for the event's type, unless the delivery is completed or in progress.
    pub async fn handle<T: Send + 'static>(&self, handlers: &Handlers<T>, event: Event, state: T) -> Answer {
        let handlers = handlers.clone();
        self.run(event, move |event, attempt| handlers.handle_attempt(event, state, attempt)).await
    }

    /// Runs a function as the handler, unless the delivery is completed or in progress.
    ///
    /// The handler receives the attempt number, counted from 1. If the handler returns [`Handled::Ignored`],
    /// the answer is 200, but the delivery is released instead of completed. If you add a handler for the
    /// event later, a resend reaches it.
    pub async fn run<F, H>(&self, event: Event, handler: F) -> Answer
    where
        F: FnOnce(Event, u32) -> H + Send + 'static,
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
        F: FnOnce(Event, u32) -> H + Send,
        H: Future<Output = Result<Handled, Failure>> + Send,
    {
        let (lease, deadline) = self.claim(&event).await?;
        observation.record_attempt(lease.attempt());
        let handling = pin!(self.run_leased(event, handler, &lease, deadline));
        match observation.time_handler(handling).await {
            Ok(handled) if handled != Handled::Ignored => self.complete(&lease, handled).await,
            result => {
                // If the release fails too, the lease expires. The answer is the same.
                let _ = self.runner.ask(self.store.release(&lease)).await;
                result
            }
        }
    }

    /// Claims the event, and returns the lease with the earliest time at which it expires.
    async fn claim(&self, event: &Event) -> Result<(Lease, Deadline), Stopped> {
        self.runner.check_running()?;
        let key = DeliveryKey::of(event, self.runner.scope.clone());
        let began = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            // Compute the deadline before the call, because the lease begins later, when the store records
            // it.
            let deadline = Deadline::after(self.lease);
            let claim = self.runner.ask(self.store.claim(&key, self.lease)).await?;
            let left = self.wait.saturating_sub(began.elapsed());
            match claim {
                Claim::Acquired(lease) if deadline.is_over() => {
                    // The store responded so late that another process may have claimed the delivery.
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

    /// Runs the handler and renews the lease. Stops the handler if the lease is lost: another process owns
    /// the delivery, or may own it.
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
        // The renewal is unconstrained like the time limit, because it must be polled even if the handler
        // uses up the task's budget.
        let lost = pin!(unconstrained(self.renew_until_lost(lease, &deadline)));
        match race(supervised, lost).await {
            Winner::First(Ok(Some(result))) => Ok(result?),
            Winner::First(Err(stopped)) => Err(stopped),
            Winner::First(Ok(None)) | Winner::Second(()) => Err(Stopped::new(
                Outcome::LeaseLost,
                "the lease was lost while the handler ran: use `spawn_blocking` for blocking work, and check that the store is reachable",
            )),
        }
    }

    /// Renews the lease periodically, and returns when it is lost: another process has taken the delivery
    /// over, or the lease expired while the store could not be reached.
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
                // The store may be reachable again before the lease expires.
                Ok(Err(_)) | Err(_) => next = Instant::now() + period / 4,
            }
        }
        sleep_until(ends).await;
    }

    async fn complete(&self, lease: &Lease, handled: Handled) -> Result<Handled, Stopped> {
        let mut completed = self.runner.ask(self.store.complete(lease)).await;
        if completed.is_err() {
            // Tries twice, because the handler runs again if the completion is not recorded.
            completed = self.runner.ask(self.store.complete(lease)).await;
        }
        match completed? {
            LeaseState::Held => Ok(handled),
            LeaseState::Lost => {
                let error = "the delivery was taken over or forgotten before the handler had finished: use `spawn_blocking` for blocking work";
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

    /// A store that accepts the claim and a number of renewals, and is then unreachable.
    #[derive(Default)]
    struct Vanishing {
        claim_takes: Duration,
        renewals: AtomicUsize,
        completes: bool,
    }

    fn event() -> Event {
        Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into()).unwrap()
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
    async fn stops_a_handler_if_its_lease_cannot_be_renewed() {
        let store = Vanishing { renewals: AtomicUsize::new(2), ..Vanishing::default() };
        let deduplicator =
            Deduplicator::new(store).lease(Duration::from_secs(30)).handler_timeout(Duration::from_secs(600));
        let began = Instant::now();
        let answer = deduplicator.run(event(), |_, _| pending()).await;
        assert_eq!(answer.outcome(), Outcome::LeaseLost);
        // Two renewals succeed, after 10 s and 20 s. The lease expires 30 s after the second one.
        assert_eq!(began.elapsed().as_secs(), 50);
    }

    /// The handler advances the clock, as if the process had been paused during the poll.
    #[tokio::test(start_paused = true)]
    async fn does_not_poll_a_handler_after_its_lease_expired() {
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
    async fn continues_a_handler_while_its_lease_is_renewed() {
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
    async fn completes_a_run_that_finished_after_its_lease_expired() {
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
    async fn does_not_start_a_handler_if_the_store_answers_after_the_lease_expired() {
        let store = Vanishing { claim_takes: Duration::from_secs(3), ..Vanishing::default() };
        let deduplicator = Deduplicator::new(store).lease(Duration::from_secs(2));
        let answer = deduplicator.run(event(), async |_, _| panic!("the handler started")).await;
        assert_eq!(answer.outcome(), Outcome::InProgress);
    }

    #[tokio::test]
    async fn checks_the_lease_of_a_handler_that_never_waits() {
        let deduplicator = Deduplicator::new(Vanishing::default()).lease(Duration::from_secs(1));
        let answer = deduplicator.run(event(), async |_, _| {
            loop {
                tokio::task::consume_budget().await;
            }
        });
        assert_eq!(answer.await.outcome(), Outcome::LeaseLost);
    }
}
