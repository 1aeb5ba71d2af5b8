//! The receiver with a `Deduplicator`.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use clerk_webhook_core::{Answer, Event};
use clerk_webhook_store::{
    Claim, Deduplicator, DeliveryKey, DeliveryStore, Lease, LeaseState, MemoryStore, Owner, purge,
};
use tokio::runtime::{Builder, Runtime};

use super::{Receiver, delivery_key, key_of, scope_of};
use crate::history::{Did, Key, Millis, Op};
use crate::plan::{DAY, Plan, StoreClock};
use crate::process::{Local, Unreachable, block, millis};
use crate::visit::{Shared, Visit};

/// The receiver with a `Deduplicator`.
#[derive(Debug)]
pub struct Leased;

impl Receiver for Leased {
    type Service = Service;
    type App = [Deduplicator<Link>; 2];

    fn service(plan: &Plan) -> Service {
        match &plan.clock {
            StoreClock::Server => Service::Memory(Box::default()),
            StoreClock::Clients { .. } => {
                let ahead = (0..plan.processes).map(|process| plan.ahead(process)).collect();
                Service::Model(Model::default(), ahead)
            }
        }
    }

    fn execute(service: &mut Service, op: &Op, now: Millis, process: usize) -> Did {
        match service {
            Service::Memory(memory) => memory.execute(op, now),
            Service::Model(model, ahead) => model.execute(op, now + ahead[process]),
        }
    }

    fn start(plan: &Plan, _service: &Service, local: &Local, _shared: &Shared) -> Self::App {
        [0, 1].map(|scope| {
            Deduplicator::new(Link(local.clone()))
                .scope(scope_of(scope))
                .lease(Duration::from_millis(plan.lease))
                .handler_timeout(Duration::from_millis(plan.handler_timeout))
                .store_timeout(Duration::from_millis(plan.store_timeout))
                .in_progress_wait(Duration::from_millis(plan.in_progress_wait))
        })
    }

    async fn receive(app: Self::App, event: Event, visit: Visit) -> Answer {
        app[usize::from(visit.key.scope)].run(event, move |_, attempt| visit.handle(attempt, ())).await
    }

    fn is_active(app: &Self::App) -> bool {
        app.iter().any(|deduplicator| deduplicator.in_flight() > 0)
    }

    async fn shutdown(app: Self::App, limit: Duration) {
        for deduplicator in app {
            deduplicator.shutdown(limit).await;
        }
    }

    async fn purge(app: Self::App, retention: Duration) {
        let _ = purge(app[0].store(), retention).await;
    }

    async fn forget(app: Self::App, key: Key) {
        let _ = app[0].store().forget(&delivery_key(key)).await;
    }
}

/// A process's connection to the store.
#[derive(Clone)]
pub struct Link(pub(super) Local);

impl Link {
    async fn state(&self, op: Op) -> Result<LeaseState, Unreachable> {
        Ok(match self.0.call(op).await? {
            Did::Held => LeaseState::Held,
            _ => LeaseState::Lost,
        })
    }
}

impl DeliveryStore for Link {
    type Error = Unreachable;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Claim, Unreachable> {
        Ok(match self.0.call(Op::Claim(key_of(key), millis(lease))).await? {
            Did::Acquired { attempt, owner } => {
                Claim::Acquired(Lease::new(key.clone(), Owner::from_u128(owner), attempt))
            }
            Did::InProgress(left) => Claim::InProgress { retry_after: Duration::from_millis(left) },
            _ => Claim::Duplicate { completed_at: None },
        })
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, Unreachable> {
        self.state(Op::Renew(key_of(lease.key()), lease.owner().as_u128(), millis(by))).await
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, Unreachable> {
        self.state(Op::Complete(key_of(lease.key()), lease.owner().as_u128())).await
    }

    async fn release(&self, lease: &Lease) -> Result<LeaseState, Unreachable> {
        self.state(Op::Release(key_of(lease.key()), lease.owner().as_u128())).await
    }

    async fn forget(&self, key: &DeliveryKey) -> Result<bool, Unreachable> {
        Ok(self.0.call(Op::Forget(key_of(key))).await? == Did::Removed(1))
    }

    async fn purge(&self, older_than: Duration, _limit: u32) -> Result<u64, Unreachable> {
        match self.0.call(Op::Purge(millis(older_than))).await? {
            Did::Removed(number) => Ok(number),
            _ => Err(Unreachable),
        }
    }
}

/// The store that the processes share.
pub enum Service {
    /// The real `MemoryStore`.
    Memory(Box<Memory>),
    /// A model that uses the clocks of its clients, and by how much they are ahead.
    Model(Model, Vec<Millis>),
}

/// A `MemoryStore` in a runtime whose clock shows the virtual time.
pub struct Memory {
    store: MemoryStore,
    runtime: Runtime,
    now: Millis,
}

impl Memory {
    /// Creates an empty store at time 0.
    #[must_use]
    pub fn new() -> Self {
        let runtime =
            Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        Self { store: MemoryStore::new(), runtime, now: 0 }
    }

    /// Executes a call.
    pub fn execute(&mut self, op: &Op, now: Millis) -> Did {
        let time = Duration::from_millis(now - self.now);
        self.now = now;
        let store = &self.store;
        self.runtime.block_on(async {
            if !time.is_zero() {
                block(time).await;
            }
            let mut work = pin!(execute(store, op));
            poll_fn(|cx| work.as_mut().poll(cx)).await
        })
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

async fn execute(store: &MemoryStore, op: &Op) -> Did {
    let state = |state| match state {
        Ok(LeaseState::Held) => Did::Held,
        Ok(LeaseState::Lost) => Did::Lost,
        Err(_) => Did::Refused,
    };
    let lease = |key: Key, owner: u128| Lease::new(delivery_key(key), Owner::from_u128(owner), 1);
    let duration = |time: Millis| Duration::from_millis(time);
    match *op {
        Op::Claim(key, time) => match store.claim(&delivery_key(key), duration(time)).await {
            Ok(Claim::Acquired(lease)) => {
                Did::Acquired { attempt: lease.attempt(), owner: lease.owner().as_u128() }
            }
            Ok(Claim::Duplicate { .. }) => Did::Duplicate,
            Ok(Claim::InProgress { retry_after }) => Did::InProgress(millis(retry_after)),
            Err(_) => Did::Refused,
        },
        Op::Renew(key, owner, by) => state(store.renew(&lease(key, owner), duration(by)).await),
        Op::Complete(key, owner) => state(store.complete(&lease(key, owner)).await),
        Op::Release(key, owner) => state(store.release(&lease(key, owner)).await),
        Op::Forget(key) => {
            Did::Removed(store.forget(&delivery_key(key)).await.is_ok_and(|known| known).into())
        }
        Op::Purge(age) => Did::Removed(store.purge(duration(age), 1000).await.unwrap_or_default()),
        _ => Did::Refused,
    }
}

/// The documented state machine of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    entries: HashMap<Key, Entry>,
    claims: u128,
}

/// A delivery in the [`Model`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its state.
    pub state: State,
    /// The owner of the latest claim.
    pub owner: u128,
    /// The number of claims.
    pub attempt: u32,
    /// The end of the lease, or the time of the completion or the release.
    pub until: Millis,
}

/// The state of a delivery in the [`Model`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Claimed.
    InProgress,
    /// Completed.
    Completed,
    /// Released.
    Released,
}

impl Model {
    /// Returns a delivery, unless it is absent.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Entry> {
        self.entries.get(&key).copied()
    }

    /// Executes a call, with new owners counted from 1.
    pub fn execute(&mut self, op: &Op, now: Millis) -> Did {
        let owner = self.claims + 1;
        let did = self.expect(op, now, owner);
        if matches!(did, Did::Acquired { .. }) {
            self.claims = owner;
        }
        did
    }

    /// Executes a call. A claim that succeeds gets the given owner.
    pub fn expect(&mut self, op: &Op, now: Millis, owner: u128) -> Did {
        match *op {
            Op::Claim(key, lease) => {
                let old = self.get(key);
                match old {
                    Some(Entry { state: State::Completed, .. }) => return Did::Duplicate,
                    Some(Entry { state: State::InProgress, until, .. }) if until > now => {
                        return Did::InProgress(until - now);
                    }
                    _ => {}
                }
                let attempt = old.map_or(1, |old| old.attempt + 1);
                self.entries
                    .insert(key, Entry { state: State::InProgress, owner, attempt, until: now + lease });
                Did::Acquired { attempt, owner }
            }
            Op::Renew(key, owner, by) => match self.entries.get_mut(&key) {
                Some(entry) if entry.owner == owner && entry.state == State::InProgress => {
                    entry.until = now + by;
                    Did::Held
                }
                _ => Did::Lost,
            },
            Op::Complete(key, owner) => self.end(key, owner, State::Completed, now),
            Op::Release(key, owner) => self.end(key, owner, State::Released, now),
            Op::Forget(key) => Did::Removed(self.entries.remove(&key).is_some().into()),
            Op::Purge(age) => {
                let before = self.entries.len();
                self.entries.retain(|_, entry| now < entry.until.saturating_add(age));
                Did::Removed((before - self.entries.len()) as u64)
            }
            _ => Did::Refused,
        }
    }

    fn end(&mut self, key: Key, owner: u128, state: State, now: Millis) -> Did {
        match self.entries.get_mut(&key) {
            Some(entry) if entry.owner == owner && entry.state == State::InProgress => {
                (entry.state, entry.until) = (state, now);
                Did::Held
            }
            Some(entry) if entry.owner == owner && entry.state == state => Did::Held,
            _ => Did::Lost,
        }
    }

    /// Removes what a `MemoryStore` forgets after its retention of 30 days.
    pub fn forget_old(&mut self, now: Millis) {
        self.entries.retain(|_, entry| now < entry.until + 30 * DAY);
    }
}
