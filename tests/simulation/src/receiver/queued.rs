//! The receiver with a queue and workers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clerk_webhook_core::{Answer, Context, Event, EventType, Handlers, MessageId, Timestamp};
use clerk_webhook_queue::{
    DeadLetter, DeliveryQueue, Enqueued, Job, JobQueue, QueueStats, RunningWorker, TakeOptions, Worker, purge,
};
use clerk_webhook_store::{DeliveryKey, Lease, LeaseState, Owner, Scope};
use tokio::time::sleep;

use super::jobs::Jobs;
use super::{DeadLetterEnd, Receiver, delivery_key, event, key_of, scope_of};
use crate::history::{Did, Key, Millis, Op};
use crate::plan::{HOUR, Plan, SECOND};
use crate::process::{Local, Unreachable, millis};
use crate::visit::{ASKED_DELAY, Shared, Visit};

/// The documented default of a worker.
pub(crate) const MAX_ATTEMPTS: u32 = 12;

/// The longest delay of a worker, and the longest that a simulated handler asks for.
pub(crate) const LONGEST_DELAY: Millis = HOUR;

/// Returns the longest delay that a worker chooses after an attempt: 5 s, then twice as long each time.
fn longest_delay(attempt: u32) -> Millis {
    ((5 * SECOND) << (attempt - 1).min(20)).min(LONGEST_DELAY)
}

/// Returns the object that a message is about.
#[must_use]
pub fn object(key: Key) -> u8 {
    key.message % 2
}

/// The receiver with a queue: every process enqueues events, and runs a worker.
#[derive(Debug)]
pub struct Queued;

/// The queue and the worker of a process.
#[derive(Clone)]
pub struct App {
    link: Arc<Link>,
    worker: Arc<Mutex<Option<RunningWorker>>>,
    open: Arc<AtomicBool>,
}

impl Receiver for Queued {
    type Service = Service;
    type App = App;

    fn service(_plan: &Plan) -> Service {
        Service::default()
    }

    fn execute(service: &mut Service, op: &Op, now: Millis, _process: usize) -> Did {
        let did = service.jobs.execute(op, now);
        service.open.store(service.jobs.is_open(), Ordering::Relaxed);
        did
    }

    fn start(plan: &Plan, service: &Service, local: &Local, shared: &Shared) -> App {
        let link = Arc::new(Link { local: local.clone(), scope: scope_of(0) });
        let visit = Visit {
            local: local.clone(),
            request: usize::MAX,
            key: Key { scope: 0, message: 0 },
            handlers: plan.handlers,
            shared: shared.clone(),
        };
        let handlers = Handlers::builder()
            .otherwise(async |event: Event, cx: Context<Visit>| {
                let mut visit = cx.state().clone();
                visit.key = key_of(&DeliveryKey::of(&event, scope_of(0)));
                visit.handle(cx.attempt().unwrap_or_default(), ()).await.map(|_| ())
            })
            .build()
            .expect("the handlers");
        let worker = Worker::new(Arc::clone(&link), handlers, visit)
            .lease(Duration::from_millis(plan.lease))
            .handler_timeout(Duration::from_millis(plan.handler_timeout))
            .poll_interval(Duration::from_millis(plan.poll_interval))
            // With one job at a time, an exploration has much fewer orders of steps.
            .concurrency(if shared.turns.is_some() { 1 } else { 2 })
            .start();
        let worker = Arc::new(Mutex::new(Some(worker)));
        App { link, worker, open: Arc::clone(&service.open) }
    }

    async fn receive(app: App, event: Event, _visit: Visit) -> Answer {
        app.link.answer(event).await
    }

    fn is_active(app: &App) -> bool {
        let worker = app.worker.lock().unwrap_or_else(PoisonError::into_inner);
        app.open.load(Ordering::Relaxed) || worker.as_ref().is_some_and(|worker| worker.in_flight() > 0)
    }

    async fn shutdown(app: App, limit: Duration) {
        let worker = app.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(worker) = worker {
            worker.shutdown(limit).await;
        }
    }

    async fn purge(app: App, retention: Duration) {
        let _ = purge(&*app.link, retention).await;
    }

    async fn end_dead_letter(app: App, key: Key, end: DeadLetterEnd) {
        let id = delivery_key(key).message_id().clone();
        let _ = match end {
            DeadLetterEnd::Retry => app.link.retry_dead(&id).await,
            DeadLetterEnd::Discard => app.link.discard(&id).await,
        };
    }
}

/// The queue that the processes share, and whether a job is neither done nor dead.
#[derive(Debug, Default)]
pub struct Service {
    jobs: Jobs,
    open: Arc<AtomicBool>,
}

/// A process's connection to the queue.
pub struct Link {
    local: Local,
    scope: Scope,
}

impl Link {
    async fn state(&self, op: Op) -> Result<LeaseState, Unreachable> {
        Ok(match self.local.call(op).await? {
            Did::Held => LeaseState::Held,
            _ => LeaseState::Lost,
        })
    }
}

fn of(lease: &Lease) -> (Key, u128) {
    (key_of(lease.key()), lease.owner().as_u128())
}

impl DeliveryQueue for Link {
    type Error = Unreachable;

    fn scope(&self) -> &Scope {
        &self.scope
    }

    async fn enqueue(&self, event: &Event) -> Result<Enqueued, Unreachable> {
        let key = key_of(&DeliveryKey::of(event, self.scope.clone()));
        Ok(match self.local.call(Op::Enqueue(key)).await? {
            Did::New => Enqueued::New,
            _ => Enqueued::Duplicate,
        })
    }
}

impl JobQueue for Link {
    async fn take(&self, options: &TakeOptions) -> Result<Option<Job>, Unreachable> {
        Ok(match self.local.call(Op::Take(millis(options.lease), options.max_attempts)).await? {
            Did::Taken { key, owner, attempt } => {
                let lease = Lease::new(delivery_key(key), Owner::from_u128(owner), attempt);
                Some(Job::new(lease, event(key), Timestamp::from_secs(1_800_000_000)))
            }
            _ => None,
        })
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, Unreachable> {
        let (key, owner) = of(lease);
        self.state(Op::Renew(key, owner, millis(by))).await
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, Unreachable> {
        let (key, owner) = of(lease);
        self.state(Op::Complete(key, owner)).await
    }

    async fn retry(&self, lease: &Lease, after: Duration, error: &str) -> Result<LeaseState, Unreachable> {
        let (key, owner) = of(lease);
        let longest = longest_delay(lease.attempt());
        let after = match millis(after) {
            after if error == ASKED_DELAY => after,
            after if after > longest => Millis::MAX,
            // The worker's jitter is random. Another number replaces it, so that the seed determines everything.
            _ => self.local.below(longest),
        };
        self.state(Op::Retry(key, owner, after)).await
    }

    async fn give_back(&self, lease: &Lease) -> Result<LeaseState, Unreachable> {
        let (key, owner) = of(lease);
        self.state(Op::GiveBack(key, owner)).await
    }

    async fn bury(&self, lease: &Lease, _error: &str) -> Result<LeaseState, Unreachable> {
        let (key, owner) = of(lease);
        self.state(Op::Bury(key, owner)).await
    }

    async fn wait(&self, limit: Duration) {
        sleep(limit).await;
    }

    async fn stats(&self) -> Result<QueueStats, Unreachable> {
        Err(Unreachable)
    }

    async fn dead_letters(&self, _limit: u32) -> Result<Vec<DeadLetter>, Unreachable> {
        Err(Unreachable)
    }

    async fn dead_letter(&self, _message_id: &MessageId) -> Result<Option<DeadLetter>, Unreachable> {
        Err(Unreachable)
    }

    async fn retry_dead(&self, message_id: &MessageId) -> Result<bool, Unreachable> {
        let key = DeliveryKey::new(self.scope.clone(), message_id.clone());
        Ok(self.local.call(Op::RetryDead(key_of(&key))).await? == Did::Removed(1))
    }

    async fn retry_all_dead(&self, _event_type: Option<&EventType>) -> Result<u64, Unreachable> {
        Err(Unreachable)
    }

    async fn discard(&self, message_id: &MessageId) -> Result<bool, Unreachable> {
        let key = DeliveryKey::new(self.scope.clone(), message_id.clone());
        Ok(self.local.call(Op::Discard(key_of(&key))).await? == Did::Removed(1))
    }

    async fn purge(&self, older_than: Duration, _limit: u32) -> Result<u64, Unreachable> {
        match self.local.call(Op::Purge(millis(older_than))).await? {
            Did::Removed(number) => Ok(number),
            _ => Err(Unreachable),
        }
    }
}
