//! The receiver with a queue and workers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clerk_webhook_core::{Answer, Context, Event, EventType, Handlers, MessageId, Timestamp};
use clerk_webhook_queue::{
    DeadLetter, DeliveryQueue, Enqueued, Job, JobQueue, QueueStats, RunningWorker, TakeOptions, Worker, purge,
};
use clerk_webhook_store::{DeliveryKey, Lease, LeaseState, Owner, Scope};
use tokio::time::sleep;

use super::{Receiver, delivery_key, event, key_of, scope_of};
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
pub(crate) fn object(key: Key) -> u8 {
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
    open: Arc<AtomicUsize>,
}

impl Receiver for Queued {
    type Service = Jobs;
    type App = App;

    fn service(_plan: &Plan) -> Jobs {
        Jobs::default()
    }

    fn execute(service: &mut Jobs, op: &Op, now: Millis, _process: usize) -> Did {
        service.execute(op, now)
    }

    fn start(plan: &Plan, service: &Jobs, local: &Local, shared: &Shared) -> App {
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
            .concurrency(2)
            .start();
        let worker = Arc::new(Mutex::new(Some(worker)));
        App { link, worker, open: Arc::clone(&service.open) }
    }

    async fn receive(app: App, event: Event, _visit: Visit) -> Answer {
        app.link.answer(event).await
    }

    fn is_active(app: &App) -> bool {
        let worker = app.worker.lock().unwrap_or_else(PoisonError::into_inner);
        app.open.load(Ordering::Relaxed) > 0 || worker.as_ref().is_some_and(|worker| worker.in_flight() > 0)
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

    async fn retry_dead(&self, _message_id: &MessageId) -> Result<bool, Unreachable> {
        Err(Unreachable)
    }

    async fn retry_all_dead(&self, _event_type: Option<&EventType>) -> Result<u64, Unreachable> {
        Err(Unreachable)
    }

    async fn discard(&self, _message_id: &MessageId) -> Result<bool, Unreachable> {
        Err(Unreachable)
    }

    async fn purge(&self, older_than: Duration, _limit: u32) -> Result<u64, Unreachable> {
        match self.local.call(Op::Purge(millis(older_than))).await? {
            Did::Removed(number) => Ok(number),
            _ => Err(Unreachable),
        }
    }
}

/// The documented state machine of a queue.
#[derive(Debug, Default)]
pub struct Jobs {
    jobs: BTreeMap<Key, Stored>,
    takes: u128,
    open: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Stored {
    state: State,
    attempts: u32,
    owner: u128,
    /// How the owner ended the job, so that a second call with the same lease has the same result.
    ended_by: Option<Op>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready { at: Millis },
    Running { until: Millis },
    Done { at: Millis },
    Dead,
}

impl Jobs {
    fn execute(&mut self, op: &Op, now: Millis) -> Did {
        let did = self.change(op, now);
        let is_open = |job: &&Stored| matches!(job.state, State::Ready { .. } | State::Running { .. });
        self.open.store(self.jobs.values().filter(is_open).count(), Ordering::Relaxed);
        did
    }

    fn change(&mut self, op: &Op, now: Millis) -> Did {
        match *op {
            Op::Enqueue(key) if self.jobs.contains_key(&key) => Did::Duplicate,
            Op::Enqueue(key) => {
                let job = Stored { state: State::Ready { at: now }, attempts: 0, owner: 0, ended_by: None };
                self.jobs.insert(key, job);
                Did::New
            }
            Op::Take(lease, max_attempts) => self.take(now, lease, max_attempts),
            Op::Renew(key, owner, by) => {
                let expired = match self.jobs.get(&key) {
                    Some(Stored { state: State::Running { until }, .. }) => *until <= now,
                    _ => return Did::Lost,
                };
                if expired && self.is_running(object(key), now) {
                    return Did::Lost;
                }
                self.end(key, owner, op, |_| State::Running { until: now + by })
            }
            Op::Complete(key, owner) => self.end(key, owner, op, |_| State::Done { at: now }),
            Op::Retry(key, owner, after) => {
                self.end(key, owner, op, |_| State::Ready { at: now.saturating_add(after) })
            }
            Op::GiveBack(key, owner) => self.end(key, owner, op, |job| {
                job.attempts -= 1;
                State::Ready { at: now }
            }),
            Op::Bury(key, owner) => self.end(key, owner, op, |_| State::Dead),
            Op::Purge(age) => {
                let before = self.jobs.len();
                self.jobs.retain(|_, job| !matches!(job.state, State::Done { at } if at + age <= now));
                Did::Removed((before - self.jobs.len()) as u64)
            }
            _ => Did::Refused,
        }
    }

    fn take(&mut self, now: Millis, lease: Millis, max_attempts: u32) -> Did {
        for job in self.jobs.values_mut() {
            if let State::Ready { at: since } | State::Running { until: since } = job.state
                && since <= now
                && job.attempts >= max_attempts
            {
                job.state = State::Dead;
            }
        }
        let next = self
            .jobs
            .iter()
            .filter_map(|(key, job)| match job.state {
                State::Ready { at } if at <= now => Some((at, *key)),
                State::Running { until } if until <= now => Some((until, *key)),
                _ => None,
            })
            // One object at a time.
            .filter(|(_, key)| !self.is_running(object(*key), now))
            .min();
        let Some((_, key)) = next else { return Did::Nothing };
        self.takes += 1;
        let owner = self.takes;
        let Some(job) = self.jobs.get_mut(&key) else { return Did::Nothing };
        job.attempts += 1;
        (job.state, job.owner, job.ended_by) = (State::Running { until: now + lease }, owner, None);
        Did::Taken { key, owner, attempt: job.attempts }
    }

    /// Returns whether a job about the object runs under a live lease.
    fn is_running(&self, about: u8, now: Millis) -> bool {
        self.jobs.iter().any(|(key, job)| {
            object(*key) == about && matches!(job.state, State::Running { until } if until > now)
        })
    }

    fn end(&mut self, key: Key, owner: u128, op: &Op, state: impl FnOnce(&mut Stored) -> State) -> Did {
        match self.jobs.get_mut(&key) {
            Some(job) if job.owner == owner && matches!(job.state, State::Running { .. }) => {
                job.state = state(job);
                if !matches!(op, Op::Renew(..)) {
                    job.ended_by = Some(op.clone());
                }
                Did::Held
            }
            Some(job) if job.owner == owner && job.ended_by.as_ref() == Some(op) => Did::Held,
            _ => Did::Lost,
        }
    }
}
