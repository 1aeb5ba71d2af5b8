//! The settings of a simulation, which its seed determines.

use std::sync::Arc;

use clerk_webhook_store::internal::Random;

use crate::clerk::Clerk;
use crate::history::Millis;

pub(crate) const SECOND: Millis = 1000;
pub(crate) const MINUTE: Millis = 60 * SECOND;
pub(crate) const HOUR: Millis = 60 * MINUTE;
pub(crate) const DAY: Millis = 24 * HOUR;

/// Whose clock the store uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreClock {
    /// Its server's, as Postgres and Redis do. The store is a `MemoryStore`.
    Server,
    /// Its clients', as SQLite does. The store is a model.
    Clients {
        /// By how much each process's clock is ahead. The documentation allows no difference.
        ahead: Vec<Millis>,
    },
}

/// The receiver under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Handles in the request, under a lease.
    Deduplicator,
    /// Enqueues in the request, and handles in a worker.
    Queue,
    /// Handles in the request, in a transaction.
    ExactlyOnce,
    /// Writes Clerk's objects in the transaction of an `ExactlyOnce`, and compares them with Clerk's API.
    Sync,
}

/// The settings of a simulation.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the names say it; rates are per mille")]
pub struct Plan {
    pub seed: u64,
    pub receiver: Kind,
    pub processes: usize,
    pub messages: u8,
    pub endpoints: u8,
    /// Whether the endpoints share a scope, as during a rotation of the secret.
    pub one_scope: bool,
    pub clock: StoreClock,
    pub lease: Millis,
    pub handler_timeout: Millis,
    pub store_timeout: Millis,
    pub in_progress_wait: Millis,
    pub poll_interval: Millis,
    pub handlers: Handlers,
    pub store_faults: u64,
    pub network_faults: u64,
    pub disasters: u64,
    /// The number of days within which somebody resends some messages.
    pub resends: u64,
    pub forgets: bool,
    /// Whether an operator retries and discards dead letters.
    pub operates: bool,
    /// How often somebody resends a message within seconds after an attempt.
    pub impatience: u64,
    pub spread: Millis,
    /// By how much each process's wall clock is ahead of the sender's, in milliseconds.
    pub wall_clocks: Vec<i64>,
    /// Whether the monotonic clock of a paused process stops, as on a machine that is suspended.
    pub suspends: bool,
    /// Whether a process sometimes cannot reach the store after a renewal, whose result is slow.
    pub degrades: bool,
    /// The events, if the receiver is a sync.
    pub clerk: Option<Arc<Clerk>>,
}

/// What handlers do, in per mille.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Handlers {
    pub fail: u64,
    pub panic: u64,
    pub reject: u64,
    pub ignore: u64,
    pub block: u64,
    pub hang: u64,
    /// How many times a run waits.
    pub steps: u64,
    /// The longest duration of a run.
    pub longest: Millis,
}

impl Plan {
    /// Returns the settings of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed, 0);
        let random = &mut random;
        let processes = 1 + random.below(3) as usize;
        let clock = match random.below(8) {
            0 => StoreClock::Clients { ahead: vec![0; processes] },
            1 => StoreClock::Clients { ahead: (0..processes).map(|_| random.below(5 * MINUTE)).collect() },
            _ => StoreClock::Server,
        };
        let handlers = Handlers {
            fail: one_of(random, &[0, 50, 300, 800]),
            panic: one_of(random, &[0, 20, 100]),
            reject: one_of(random, &[0, 0, 20]),
            ignore: one_of(random, &[0, 0, 20]),
            block: one_of(random, &[0, 0, 50]),
            hang: one_of(random, &[0, 0, 50]),
            steps: 4,
            longest: one_of(random, &[SECOND, 10 * SECOND, 10 * SECOND, 2 * MINUTE, 3 * HOUR]),
        };
        let mut plan = Self {
            seed,
            receiver: Kind::Deduplicator,
            processes,
            messages: 1 + random.below(4) as u8,
            endpoints: 1 + random.below(2) as u8,
            one_scope: random.below(2) == 0,
            clock,
            lease: one_of(random, &[SECOND, 10 * SECOND, MINUTE, MINUTE, 5 * MINUTE]),
            handler_timeout: one_of(random, &[2 * SECOND, 12 * SECOND, 12 * SECOND, 10 * MINUTE, 2 * HOUR]),
            store_timeout: one_of(random, &[SECOND, 5 * SECOND, 5 * SECOND]),
            in_progress_wait: one_of(random, &[0, 0, 2 * SECOND, 10 * SECOND]),
            poll_interval: one_of(random, &[SECOND, 10 * SECOND, MINUTE, MINUTE]),
            handlers,
            store_faults: one_of(random, &[0, 10, 50, 200]),
            network_faults: one_of(random, &[0, 10, 100]),
            disasters: one_of(random, &[0, 50, 200, 400]),
            resends: one_of(random, &[0, 0, 2, 9, 33]),
            forgets: random.below(4) == 0,
            operates: false,
            impatience: one_of(random, &[0, 0, 200]),
            spread: one_of(random, &[0, SECOND, HOUR]),
            wall_clocks: Vec::new(),
            suspends: Random::new(seed, 5).below(3) == 0,
            degrades: Random::new(seed, 7).below(8) == 0,
            clerk: None,
        };
        // Many requests for one message while its lease expires.
        if random.below(4) == 0 {
            plan.processes = 2 + random.below(2) as usize;
            if let StoreClock::Clients { .. } = plan.clock {
                plan.clock = StoreClock::Server;
            }
            (plan.messages, plan.endpoints, plan.one_scope) = (1, 2, true);
            plan.lease = one_of(random, &[SECOND, 3 * SECOND]);
            plan.store_timeout = one_of(random, &[5 * SECOND, 15 * SECOND]);
            plan.in_progress_wait = one_of(random, &[2 * SECOND, 10 * SECOND]);
            plan.handlers.longest = plan.handlers.longest.max(10 * SECOND);
            plan.store_faults = one_of(random, &[100, 200, 400]);
            plan.impatience = 500;
            plan.disasters = plan.disasters.max(200);
            plan.handlers.steps = 30;
        }
        plan.receiver =
            one_of(random, &[Kind::Deduplicator, Kind::Deduplicator, Kind::Queue, Kind::ExactlyOnce]);
        plan.clerk = Clerk::of(seed).map(Arc::new);
        if let Some(clerk) = &plan.clerk {
            (plan.receiver, plan.messages) = (Kind::Sync, clerk.messages());
        }
        if plan.receiver != Kind::Deduplicator {
            plan.clock = StoreClock::Server;
        }
        if plan.receiver == Kind::Queue {
            plan.one_scope = true;
            // The worker's own limit.
            plan.store_timeout = 5 * SECOND;
            plan.forgets = false;
            plan.make_dead_letters();
        }
        plan.bound_calls();
        plan.wall_clocks = wall_clocks(seed, plan.processes);
        plan
    }

    /// Thousands of renewals of one lease, and polls for one job, would take many seconds to simulate.
    fn bound_calls(&mut self) {
        self.handler_timeout = self.handler_timeout.min(1000 * self.lease);
        if self.handlers.fail >= 300 {
            self.poll_interval = self.poll_interval.max(10 * SECOND);
        }
    }

    /// In half of the simulations with a queue, some messages become dead letters, and an operator looks after them.
    fn make_dead_letters(&mut self) {
        let mut random = Random::new(self.seed, 3);
        self.operates = random.below(2) == 0;
        if self.operates {
            self.handlers.reject = one_of(&mut random, &[20, 100, 300]);
        }
    }

    /// Returns the scope of an endpoint.
    #[must_use]
    pub fn scope(&self, endpoint: u8) -> u8 {
        if self.one_scope { 0 } else { endpoint }
    }

    /// Returns whether the clocks differ by more than the documentation allows.
    #[must_use]
    pub fn has_wrong_clocks(&self) -> bool {
        match &self.clock {
            StoreClock::Server => false,
            StoreClock::Clients { ahead } => ahead.iter().any(|by| *by != 0),
        }
    }

    /// Returns by how much the clock of a process is ahead.
    #[must_use]
    pub fn ahead(&self, process: usize) -> Millis {
        match &self.clock {
            StoreClock::Server => 0,
            StoreClock::Clients { ahead } => ahead[process],
        }
    }
}

/// Most clocks are right. The others are wrong by less than the tolerance of five minutes, by about as much, or by more.
fn wall_clocks(seed: u64, processes: usize) -> Vec<i64> {
    let mut random = Random::new(seed, 2);
    let right = random.below(4) > 0;
    let mut clock = || {
        let limit = one_of(&mut random, &[1, MINUTE, 4 * MINUTE]);
        let about = one_of(&mut random, &[0, 5 * MINUTE, 5 * MINUTE, HOUR]);
        let by = i64::try_from(about + random.below(limit)).unwrap_or_default();
        if random.below(2) == 0 { by } else { -by }
    };
    (0..processes).map(|_| if right { 0 } else { clock() }).collect()
}

pub(crate) fn one_of<T: Copy>(random: &mut Random, values: &[T]) -> T {
    values[random.below(values.len() as u64) as usize]
}
