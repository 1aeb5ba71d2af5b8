//! The loop that takes jobs and starts their handlers.

use std::collections::HashSet;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::mem::replace;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use clerk_webhook_core::Outcome;
use clerk_webhook_store::LeaseState;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::queue::job_queue::{Job, JobQueue};
use crate::queue::label::type_name;
use crate::queue::log::dead_letter;
use crate::worker::execute::Execute;
use crate::worker::log;
use crate::worker::note::Note;
use crate::worker::settings::{QUEUE_TIMEOUT, REST, Settings, WORK};
use crate::worker::settle::{Next, next};
use crate::worker::taken::TakenAt;

/// How long a call to `take` may last. The timeout is long, because an abandoned call may have taken a job,
/// which then cannot be handled until its lease expires.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum number of concurrent calls to `take`. With a server, a call consists of several requests, so a
/// single call at a time would limit the throughput.
const TAKES: usize = 4;

/// The pause before the third try to store the result of a job. Later pauses are longer.
const SHORTEST_SETTLE_PAUSE: Duration = Duration::from_millis(50);

/// The range of the pauses between attempts to reach the queue.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

const CANNOT_TAKE: &str =
    "the worker cannot take jobs: check that the queue's database is reachable and not overloaded";

/// The parts of a running worker that its tasks share.
pub(super) struct Dispatcher<Q> {
    pub(super) queue: Arc<Q>,
    pub(super) execution: Arc<dyn Execute>,
    pub(super) settings: Settings,
    /// Is canceled when the worker must not start any more handlers.
    pub(super) stop: CancellationToken,
    pub(super) jobs: TaskTracker,
    /// The types of events for which the log has said that they have no handler.
    pub(super) ignored: Mutex<HashSet<String>>,
}

/// How the tasks that take jobs work together.
struct Shared {
    /// One permit for each handler that may run.
    free: Arc<Semaphore>,
    /// The end of a job can make another job about the same object ready.
    ended: Notify,
    /// Wakes a helper, because more jobs are probably ready.
    more: Notify,
    outage: Mutex<log::Outage>,
}

impl Shared {
    fn log(&self, error: &dyn Error) {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).log(error);
    }
}

impl<Q: JobQueue> Dispatcher<Q> {
    /// Takes jobs and starts their handlers until [`stop`](Self::stop) is canceled.
    pub(super) async fn run(self: Arc<Self>) {
        let shared = Arc::new(Shared {
            free: Arc::new(Semaphore::new(self.settings.permits())),
            ended: Notify::new(),
            more: Notify::new(),
            outage: Mutex::new(log::Outage::new(CANNOT_TAKE)),
        });
        let mut helpers = JoinSet::new();
        for _ in 1..self.settings.permits().min(TAKES) {
            helpers.spawn(Arc::clone(&self).help(Arc::clone(&shared)));
        }
        let _panic = LogPanic;
        self.dispatch(&shared).await;
        // A helper may be taking a job, which it must give back.
        while helpers.join_next().await.is_some() {}
    }

    async fn dispatch(self: &Arc<Self>, shared: &Arc<Shared>) {
        let options = self.settings.take_options();
        let (mut found, mut pause) = (false, SHORTEST_PAUSE);
        // The work since the last rest, and the beginning of the current job.
        let (mut work, mut working) = (Duration::ZERO, None::<Instant>);
        while let Some(permit) = self.permit(shared).await {
            if self.settings.holds_write_lock {
                // The only permit is here, so no handler is running.
                work += working.take().map_or(Duration::ZERO, |began| began.elapsed());
                if work >= WORK {
                    work = Duration::ZERO;
                    if self.stop.run_until_cancelled(sleep(REST)).await.is_none() {
                        break;
                    }
                }
            }
            let (at, began) = (TakenAt::now(), Instant::now());
            match limited(TAKE_TIMEOUT, self.queue.take(&options)).await {
                Ok(Some(job)) => {
                    pause = SHORTEST_PAUSE;
                    working = Some(began);
                    self.start(job, at, permit, shared);
                    // The second job in a row: the queue is busy.
                    if replace(&mut found, true) {
                        shared.more.notify_one();
                    }
                }
                Ok(None) => {
                    (found, pause) = (false, SHORTEST_PAUSE);
                    drop(permit);
                    let ready = pin!(self.queue.wait(self.settings.poll_interval));
                    self.stop.run_until_cancelled(first(ready, pin!(shared.ended.notified()))).await;
                }
                Err(error) => {
                    found = false;
                    drop(permit);
                    shared.log(&*error);
                    self.stop.run_until_cancelled(sleep(pause)).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Takes further jobs while the queue is busy.
    async fn help(self: Arc<Self>, shared: Arc<Shared>) {
        let options = self.settings.take_options();
        while self.stop.run_until_cancelled(shared.more.notified()).await.is_some() {
            while let Some(permit) = self.permit(&shared).await {
                let at = TakenAt::now();
                match limited(TAKE_TIMEOUT, self.queue.take(&options)).await {
                    Ok(Some(job)) => {
                        self.start(job, at, permit, &shared);
                        shared.more.notify_one();
                    }
                    Ok(None) => break,
                    Err(error) => {
                        shared.log(&*error);
                        break;
                    }
                }
            }
        }
    }

    /// Waits for a permit, until [`stop`](Self::stop) is canceled.
    async fn permit(&self, shared: &Shared) -> Option<OwnedSemaphorePermit> {
        let permit = Arc::clone(&shared.free).acquire_owned();
        self.stop.run_until_cancelled(permit).await?.ok()
    }

    fn start(self: &Arc<Self>, job: Job, at: TakenAt, permit: OwnedSemaphorePermit, shared: &Arc<Shared>) {
        let (this, shared) = (Arc::clone(self), Arc::clone(shared));
        self.jobs.spawn(async move {
            this.run_job(job, at).await;
            drop(permit);
            shared.ended.notify_one();
        });
    }

    /// Runs the handler of a job, and stores the result.
    pub(super) async fn run_job(&self, job: Job, at: TakenAt) {
        let next = self.next(&job, at).await;
        if let Err(error) = self.settle(&job, &next).await {
            log::unsettled(&job, &*error);
        }
    }

    /// Runs the handler of a job, and returns the next state of the job.
    async fn next(&self, job: &Job, at: TakenAt) -> Next {
        // The worker was stopped while it was taking the job.
        if self.stop.is_cancelled() {
            return Next::GiveBack { pause: Duration::ZERO };
        }
        if self.settings.is_expired(job) {
            log::expired(job);
            return Next::Expire;
        }
        let note = Note::default();
        let answer = self.execution.execute(job, at, note.clone()).await;
        if answer.outcome() == Outcome::Ignored {
            let event_type = type_name(job.event.event_type());
            let mut ignored = self.ignored.lock().unwrap_or_else(PoisonError::into_inner);
            if !ignored.contains(event_type) {
                ignored.insert(event_type.to_owned());
                log::ignored(event_type);
            }
        }
        next(answer.outcome(), &note, job.lease.attempt(), &self.settings, self.stop.is_cancelled())
    }

    async fn settle(&self, job: &Job, next: &Next) -> Result<(), BoxError> {
        match next {
            Next::Unchanged => return Ok(()),
            Next::GiveBack { pause } => {
                self.stop.run_until_cancelled(sleep(*pause)).await;
            }
            _ => {}
        }
        let (began, mut pause) = (Instant::now(), Duration::ZERO);
        let mut settled = self.try_settle(job, next).await;
        // Otherwise the job would run again when its lease expires. During a shutdown, there is only one more
        // try.
        while settled.is_err() && began.elapsed() < self.settings.lease {
            let paused = self.stop.run_until_cancelled(sleep(pause)).await;
            settled = self.try_settle(job, next).await;
            if paused.is_none() {
                break;
            }
            pause = (pause * 2).clamp(SHORTEST_SETTLE_PAUSE, SHORTEST_PAUSE);
        }
        match (settled?, next) {
            (LeaseState::Held, Next::Bury { error }) => {
                let attempts = job.lease.attempt();
                dead_letter(
                    self.queue.scope(),
                    job.event.message_id(),
                    job.event.event_type(),
                    attempts,
                    error,
                );
            }
            #[cfg(feature = "metrics")]
            (LeaseState::Held, Next::Expire) => {
                crate::queue::metrics::expired(self.queue.scope(), job.event.event_type());
            }
            // If another worker has taken the job, that worker decides what happens to it.
            (LeaseState::Held | LeaseState::Lost, _) => {}
        }
        Ok(())
    }

    async fn try_settle(&self, job: &Job, next: &Next) -> Result<LeaseState, BoxError> {
        let (queue, lease) = (&self.queue, &job.lease);
        match next {
            Next::Unchanged => Ok(LeaseState::Held),
            Next::Complete | Next::Expire => limited(QUEUE_TIMEOUT, queue.complete(lease)).await,
            Next::GiveBack { .. } => limited(QUEUE_TIMEOUT, queue.give_back(lease)).await,
            Next::Retry { after, error } => limited(QUEUE_TIMEOUT, queue.retry(lease, *after, error)).await,
            Next::Bury { error } => limited(QUEUE_TIMEOUT, queue.bury(lease, error)).await,
        }
    }
}

/// Logs a panic of the queue when it is dropped, even if nobody waits for the worker.
struct LogPanic;

impl Drop for LogPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            log::panicked();
        }
    }
}

/// Waits until one of two futures finishes.
pub(super) async fn first(
    mut one: Pin<&mut impl Future<Output = ()>>,
    mut other: Pin<&mut impl Future<Output = ()>>,
) {
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => other.as_mut().poll(cx),
    })
    .await;
}

type BoxError = Box<dyn Error + Send + Sync>;

/// Waits for a call to the queue, for at most `limit`.
pub(super) async fn limited<T, E: Error + Send + Sync + 'static>(
    limit: Duration,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, BoxError> {
    match timeout(limit, asking).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(format!("the queue did not answer within {limit:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clerk_webhook_core::{Answer, Context, Event, EventType, Handlers, MessageId, Timestamp};
    use clerk_webhook_store::{DeliveryKey, Lease, Owner, Scope};

    use super::*;
    use crate::queue::dead_letters::{DeadLetter, QueueStats};
    use crate::queue::delivery_queue::{DeliveryQueue, Enqueued};
    use crate::queue::job_queue::TakeOptions;
    use crate::worker::builder::Worker;
    use crate::worker::execute::Boxed;
    use crate::worker::running::RunningWorker;

    /// A queue whose first calls to `take` fail, and which then has one job, or more.
    #[derive(Debug, Default)]
    struct Failing {
        failures: usize,
        more_jobs: usize,
        take_lasts: Duration,
        later_takes_last: Duration,
        panics: bool,
        complete_failures: usize,
        completes: AtomicUsize,
        takes: AtomicUsize,
        renewals: AtomicUsize,
        settles: AtomicUsize,
        given_back: AtomicUsize,
        stats: AtomicUsize,
        scope: Scope,
    }

    impl Failing {
        fn settle(&self) -> io::Result<LeaseState> {
            match self.settles.fetch_add(1, Ordering::SeqCst) {
                0 => Err(io::ErrorKind::ConnectionRefused.into()),
                _ => Ok(LeaseState::Held),
            }
        }
    }

    impl DeliveryQueue for Failing {
        type Error = io::Error;

        fn scope(&self) -> &Scope {
            &self.scope
        }

        async fn enqueue(&self, _event: &Event) -> io::Result<Enqueued> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    impl JobQueue for Failing {
        async fn take(&self, _options: &TakeOptions) -> io::Result<Option<Job>> {
            assert!(!self.panics, "intended");
            let is_later = self.takes.load(Ordering::SeqCst) > self.failures;
            sleep(if is_later { self.later_takes_last } else { self.take_lasts }).await;
            let takes = self.takes.fetch_add(1, Ordering::SeqCst);
            if !(self.failures..=self.failures + self.more_jobs).contains(&takes) {
                return if takes < self.failures {
                    Err(io::ErrorKind::ConnectionRefused.into())
                } else {
                    Ok(None)
                };
            }
            let event =
                Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into())
                    .unwrap();
            let lease = Lease::new(DeliveryKey::of(&event, Scope::default()), Owner::random(), 1);
            Ok(Some(Job::new(lease, event, Timestamp::now())))
        }

        async fn renew(&self, _lease: &Lease, _by: Duration) -> io::Result<LeaseState> {
            self.renewals.fetch_add(1, Ordering::SeqCst);
            Ok(LeaseState::Held)
        }

        async fn complete(&self, _lease: &Lease) -> io::Result<LeaseState> {
            if self.completes.fetch_add(1, Ordering::SeqCst) < self.complete_failures {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(LeaseState::Held)
        }

        async fn retry(&self, _lease: &Lease, _after: Duration, _error: &str) -> io::Result<LeaseState> {
            self.settle()
        }

        async fn give_back(&self, _lease: &Lease) -> io::Result<LeaseState> {
            self.given_back.fetch_add(1, Ordering::SeqCst);
            Ok(LeaseState::Held)
        }

        async fn bury(&self, _lease: &Lease, _error: &str) -> io::Result<LeaseState> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn wait(&self, limit: Duration) {
            sleep(limit).await;
        }

        async fn stats(&self) -> io::Result<QueueStats> {
            self.stats.fetch_add(1, Ordering::SeqCst);
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn dead_letters(&self, _limit: u32) -> io::Result<Vec<DeadLetter>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn dead_letter(&self, _message_id: &MessageId) -> io::Result<Option<DeadLetter>> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn retry_dead(&self, _message_id: &MessageId) -> io::Result<bool> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn retry_all_dead(&self, _event_type: Option<&EventType>) -> io::Result<u64> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn discard(&self, _message_id: &MessageId) -> io::Result<bool> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn purge(&self, _older_than: Duration, _limit: u32) -> io::Result<u64> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn handlers() -> Handlers {
        Handlers::builder().otherwise(async |_, _| Err("intended".into())).build().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_for_longer_and_longer_while_the_queue_is_unreachable() {
        let queue = Arc::new(Failing { failures: usize::MAX, ..Failing::default() });
        let worker = Worker::new(Arc::clone(&queue), handlers(), ()).start();
        sleep(Duration::from_secs(10 * 60)).await;
        // The calls begin after 0, 1, 3, 7, 15, 31 and 61 s, and then every 30 s.
        assert_eq!(queue.takes.load(Ordering::SeqCst), 24);
        worker.shutdown(Duration::ZERO).await;
    }

    #[tokio::test(start_paused = true)]
    async fn handles_jobs_again_after_an_outage_and_stores_their_end_at_the_second_try() {
        let queue = Arc::new(Failing { failures: 3, ..Failing::default() });
        let worker = Worker::new(Arc::clone(&queue), handlers(), ()).start();
        sleep(Duration::from_secs(8)).await;
        assert_eq!(queue.settles.load(Ordering::SeqCst), 2);
        assert_eq!(worker.shutdown(Duration::ZERO).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn completes_the_job_of_a_handler_that_has_succeeded_as_soon_as_the_queue_is_reachable() {
        let queue = Arc::new(Failing { complete_failures: 12, ..Failing::default() });
        let handlers = Handlers::builder().otherwise(async |_, _| Ok(())).build().unwrap();
        let worker = Worker::new(Arc::clone(&queue), handlers, ()).start();
        sleep(Duration::from_secs(30)).await;
        assert_eq!(worker.in_flight(), 0);
        assert_eq!(queue.completes.load(Ordering::SeqCst), 13);
        assert_eq!(queue.settles.load(Ordering::SeqCst), 0, "the job was retried");
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_a_job_whose_end_cannot_be_stored_until_its_lease_would_expire() {
        let queue = Arc::new(Failing { complete_failures: usize::MAX, ..Failing::default() });
        let handlers = Handlers::builder().otherwise(async |_, _| Ok(())).build().unwrap();
        let worker = Worker::new(Arc::clone(&queue), handlers, ()).start();
        sleep(Duration::from_secs(59)).await;
        assert_eq!(
            (worker.in_flight(), format!("{worker:?}").as_str()),
            (1, "RunningWorker { in_flight: 1, .. }")
        );
        sleep(Duration::from_secs(5)).await;
        assert_eq!(worker.in_flight(), 0);
        // The pauses become longer, up to one second.
        assert!((60..70).contains(&queue.completes.load(Ordering::SeqCst)), "{queue:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn renews_the_lease_of_a_job_that_took_long_to_take() {
        for (take_lasts, renewals) in [(0, 0), (1, 0), (3, 1)] {
            let take_lasts = Duration::from_secs(take_lasts);
            let queue = Arc::new(Failing { take_lasts, later_takes_last: take_lasts, ..Failing::default() });
            let worker = Worker::new(Arc::clone(&queue), handlers(), ()).start();
            sleep(Duration::from_secs(5)).await;
            assert_eq!(queue.settles.load(Ordering::SeqCst), 2);
            assert_eq!(queue.renewals.load(Ordering::SeqCst), renewals, "{take_lasts:?}");
            worker.shutdown(Duration::ZERO).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn gives_back_a_job_that_is_taken_during_the_shutdown() {
        let queue = Arc::new(Failing { take_lasts: Duration::from_secs(3), ..Failing::default() });
        let handlers = Handlers::builder().otherwise(async |_, _| panic!("a handler started"));
        let worker = Worker::new(Arc::clone(&queue), handlers.build().unwrap(), ()).start();
        sleep(Duration::from_secs(1)).await;
        worker.shutdown(Duration::ZERO).await;
        assert_eq!(queue.given_back.load(Ordering::SeqCst), 1);
        assert_eq!(queue.settles.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn looks_for_jobs_when_a_job_has_ended_and_after_the_poll_interval() {
        let queue = Arc::new(Failing::default());
        let interval = Duration::from_secs(3600);
        let worker = Worker::new(Arc::clone(&queue), handlers(), ()).poll_interval(interval).start();
        sleep(Duration::from_secs(60)).await;
        // The first call returns the job. The second one, and the third one after the job has ended, return
        // none.
        assert_eq!(queue.takes.load(Ordering::SeqCst), 3);
        sleep(interval * 5).await;
        assert_eq!(queue.takes.load(Ordering::SeqCst), 8);
        worker.shutdown(Duration::ZERO).await;
    }

    #[tokio::test(start_paused = true)]
    async fn takes_several_jobs_at_the_same_time_while_the_queue_is_busy() {
        for (concurrency, takes) in [(1, 4), (2, 6), (8, 8)] {
            let second = Duration::from_secs(1);
            let queue =
                Failing { more_jobs: 7, take_lasts: second, later_takes_last: second, ..Failing::default() };
            let queue = Arc::new(queue);
            let worker = Worker::new(Arc::clone(&queue), handlers(), ()).concurrency(concurrency).start();
            // One job after 1 s, the second after 2 s, from which on further calls run at the same time.
            sleep(Duration::from_millis(4500)).await;
            assert_eq!(queue.takes.load(Ordering::SeqCst), takes, "{concurrency}");
            assert_eq!(worker.shutdown(Duration::from_secs(5)).await, 0);
        }
    }

    #[cfg(feature = "metrics")]
    #[tokio::test(start_paused = true)]
    async fn reports_the_statistics_immediately_and_at_each_interval_until_the_shutdown() {
        for (interval, reports) in [
            (None, 5),
            (Some(Duration::from_secs(30)), 3),
            (Some(Duration::ZERO), 62),
            (Some(Duration::MAX), 0),
        ] {
            let queue = Arc::new(Failing::default());
            let mut worker = Worker::new(Arc::clone(&queue), handlers(), ());
            if let Some(interval) = interval {
                worker = worker.stats_interval(interval);
            }
            let worker = worker.start();
            sleep(Duration::from_millis(61_500)).await;
            worker.shutdown(Duration::ZERO).await;
            sleep(Duration::from_secs(600)).await;
            assert_eq!(queue.stats.load(Ordering::SeqCst), reports, "{interval:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_very_short_poll_interval_is_treated_as_10_ms() {
        let queue = Arc::new(Failing::default());
        let worker = Worker::new(Arc::clone(&queue), handlers(), ());
        let worker = worker.poll_interval(Duration::from_millis(1)).start();
        sleep(Duration::from_secs(1)).await;
        assert!((90..=105).contains(&queue.takes.load(Ordering::SeqCst)), "{queue:?}");
        worker.shutdown(Duration::ZERO).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_holds_the_write_lock_runs_one_handler_at_a_time_and_rests() {
        for (holds, pauses) in [(true, [20, 20, 31, 20, 20, 31]), (false, [20; 6])] {
            let queue = Arc::new(Failing { more_jobs: 6, ..Failing::default() });
            let starts = Arc::new(Mutex::new(Vec::new()));
            let handlers = Handlers::builder().otherwise(async |_, cx: Context<Starts>| {
                cx.state().lock().unwrap().push(Instant::now());
                sleep(Duration::from_millis(200)).await;
                Err("intended".into())
            });
            let worker = Worker::new(Arc::clone(&queue), handlers.build().unwrap(), Arc::clone(&starts));
            let worker = worker.concurrency(if holds { 8 } else { 1 }).holds_write_lock(holds).start();
            sleep(Duration::from_secs(5)).await;
            let starts = starts.lock().unwrap().clone();
            let measured: Vec<_> =
                starts.windows(2).map(|pair| (pair[1] - pair[0]).as_millis() / 10).collect();
            assert_eq!(measured, pauses);
            worker.shutdown(Duration::ZERO).await;
        }
    }

    type Starts = Arc<Mutex<Vec<Instant>>>;

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_stops_handlers_at_its_limit_even_if_a_job_is_being_taken() {
        let queue = Arc::new(Failing { later_takes_last: Duration::from_secs(3600), ..Failing::default() });
        let handlers = Handlers::builder().otherwise(async |_, _| pending().await).build().unwrap();
        let worker = Worker::new(Arc::clone(&queue), handlers, ()).start();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(worker.in_flight(), 1);
        let began = Instant::now();
        let shutdown = tokio::spawn(worker.shutdown(Duration::from_secs(1)));
        sleep(Duration::from_millis(1500)).await;
        assert_eq!(queue.given_back.load(Ordering::SeqCst), 1);
        assert_eq!(shutdown.await.unwrap(), 1);
        assert_eq!(began.elapsed().as_secs(), 11);
    }

    /// Responds without running the handlers.
    struct Answers(Outcome);

    impl Execute for Answers {
        fn execute<'a>(&'a self, _job: &'a Job, _at: TakenAt, _note: Note) -> Boxed<'a, Answer> {
            Box::pin(async { Answer::from(self.0) })
        }

        fn shutdown(&self, _limit: Duration) -> Boxed<'_, usize> {
            Box::pin(async { 0 })
        }
    }

    fn answering(outcome: Outcome) -> (Arc<Failing>, RunningWorker) {
        let (queue, execution) = (Arc::new(Failing::default()), Arc::new(Answers(outcome)));
        (Arc::clone(&queue), RunningWorker::start(queue, execution, Settings::default()))
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_a_job_that_may_be_running_under_a_newer_lease() {
        let (queue, worker) = answering(Outcome::InProgress);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(worker.shutdown(Duration::ZERO).await, 0);
        assert_eq!(queue.takes.load(Ordering::SeqCst), 7);
        assert_eq!(queue.given_back.load(Ordering::SeqCst), 0);
        assert_eq!(queue.settles.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn gives_back_a_job_whose_handler_could_not_start_after_a_pause() {
        let (queue, worker) = answering(Outcome::StoreUnavailable);
        sleep(Duration::from_millis(900)).await;
        assert_eq!(queue.given_back.load(Ordering::SeqCst), 0);
        sleep(Duration::from_millis(200)).await;
        assert_eq!(queue.given_back.load(Ordering::SeqCst), 1);
        worker.shutdown(Duration::ZERO).await;

        let (queue, worker) = answering(Outcome::StoreUnavailable);
        sleep(Duration::from_millis(100)).await;
        let began = Instant::now();
        assert_eq!(worker.shutdown(Duration::from_secs(60)).await, 0);
        assert!(began.elapsed() < Duration::from_millis(100), "the shutdown ends the pause");
        assert_eq!(queue.given_back.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_whose_queue_has_panicked_can_be_awaited_and_shut_down() {
        let queue = Arc::new(Failing { panics: true, ..Failing::default() });
        let (reader, writer) = io::pipe().unwrap();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(writer)).finish();
        // No other test writes this line. A callsite can be disabled if a thread without a subscriber reaches
        // it first.
        let logging = tracing_subscriber::util::SubscriberInitExt::set_default(subscriber);
        let mut worker = Worker::new(queue, handlers(), ()).start();
        let shut_down = Worker::new(Arc::new(Failing::default()), handlers(), ()).start();
        // The worker logs its end before anybody waits for it.
        sleep(Duration::from_secs(1)).await;
        shut_down.shutdown(Duration::ZERO).await;
        drop(logging);
        let log = io::read_to_string(reader).unwrap();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("the worker stopped")).collect();
        assert_eq!(lines.len(), usize::from(cfg!(feature = "tracing")), "{log}");
        assert!(lines.iter().all(|line| line.contains("ERROR")), "{log}");
        (&mut worker).await;
        assert_eq!(worker.shutdown(Duration::from_secs(60)).await, 0);
    }
}
