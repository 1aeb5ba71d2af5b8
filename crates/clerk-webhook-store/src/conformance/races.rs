use std::collections::HashMap;
use std::panic;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::client::{Client, LONG, ROUNDING, SHORT, longest_left};
use super::random::Random;
use super::rule::Rule;
use super::{Harness, Suite};
use crate::store::claim::{Claim, Lease, LeaseState, Owner};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;

const DELIVERIES: u64 = 64;
const AT_ONCE: usize = 16;
/// The number of deliveries that run at the same time. It is limited, so that a database with few connections
/// keeps up.
const GROUP: u64 = 16;

impl<H: Harness> Suite<'_, H> {
    /// Sixteen handlers compete for each of 64 deliveries.
    ///
    /// Some of them fail, crash, finish after their lease has expired, or renew their lease. In the end each
    /// delivery is completed once, and no two handlers had a lease at the same time.
    pub async fn races(&self) {
        let mut clients = Vec::new();
        while clients.len() < 4 {
            clients.push(self.client().await);
        }
        for group in 0..DELIVERIES / GROUP {
            let mut handlers = JoinSet::new();
            let deliveries: Vec<_> =
                (0..GROUP).map(|_| Arc::new(RacedDelivery::new(self.new_key()))).collect();
            for (number, delivery) in (group * GROUP..).zip(&deliveries) {
                let start = Arc::new(Barrier::new(AT_ONCE));
                for (stream, client) in (number << 32..).zip(clients.iter().cycle().take(AT_ONCE)) {
                    let random = Random::new(self.seed, stream);
                    let (client, start) = (client.clone(), Arc::clone(&start));
                    let handler = Handler { client, random, seed: self.seed, delivery: Arc::clone(delivery) };
                    handlers.spawn(async move {
                        start.wait().await;
                        handler.run().await;
                    });
                }
            }
            while let Some(ended) = handlers.join_next().await {
                if let Err(error) = ended
                    && let Ok(panic) = error.try_into_panic()
                {
                    panic::resume_unwind(panic);
                }
            }
            for delivery in deliveries {
                delivery.check(self.seed);
                clients[0].is_duplicate(&delivery.key, "a delivery that was completed in a race").await;
            }
        }
    }
}

/// What a handler does after it has obtained a lease.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Complete,
    Fail,
    Crash,
    /// Runs for longer than its lease, and then completes.
    CompleteLate,
    /// Runs for longer than its lease, and then releases.
    FailLate,
    RenewAndComplete,
}

impl Plan {
    fn random(random: &mut Random) -> Self {
        match random.below(100) {
            0..30 => Self::Complete,
            30..55 => Self::Fail,
            55..70 => Self::Crash,
            70..80 => Self::CompleteLate,
            80..90 => Self::FailLate,
            _ => Self::RenewAndComplete,
        }
    }

    fn lease(self) -> Duration {
        match self {
            Self::Complete | Self::Fail => LONG,
            Self::Crash | Self::CompleteLate | Self::FailLate => SHORT,
            Self::RenewAndComplete => SHORT * 4,
        }
    }
}

struct Handler<S> {
    client: Client<S>,
    random: Random,
    seed: u64,
    delivery: Arc<RacedDelivery>,
}

impl<S: DeliveryStore> Handler<S> {
    /// Claims repeatedly until this handler or another one has completed the delivery.
    async fn run(mut self) {
        loop {
            let (plan, asked) = (Plan::random(&mut self.random), Instant::now());
            match self.client.claim(&self.delivery.key, plan.lease()).await {
                Claim::Acquired(lease) => {
                    self.delivery.claimed(&lease, asked + plan.lease(), self.seed);
                    self.handle(lease, plan).await;
                }
                Claim::InProgress { retry_after } => {
                    let text = format!("retry after {retry_after:?} in a race, seed {}", self.seed);
                    Rule::RetryAfter.check(retry_after <= longest_left(LONG, asked), text);
                    // A short pause, so that most waiting handlers claim again while others are still
                    // running.
                    let pause = Duration::from_millis(2 + self.random.below(20));
                    tokio::time::sleep(retry_after.min(pause)).await;
                }
                Claim::Duplicate { .. } => return self.delivery.duplicate(self.seed),
            }
        }
    }

    async fn handle(&mut self, lease: Lease, plan: Plan) {
        tokio::time::sleep(Duration::from_millis(self.random.below(4))).await;
        match plan {
            Plan::Complete => self.complete(&lease).await,
            Plan::Fail => self.release(&lease).await,
            Plan::Crash => drop(lease),
            Plan::CompleteLate => {
                tokio::time::sleep(SHORT).await;
                self.complete(&lease).await;
            }
            Plan::FailLate => {
                tokio::time::sleep(SHORT).await;
                self.release(&lease).await;
            }
            Plan::RenewAndComplete => {
                let asked = Instant::now();
                if self.client.renew(&lease, LONG).await == LeaseState::Held {
                    self.delivery.renewed(&lease, asked + LONG, self.seed);
                }
                self.complete(&lease).await;
            }
        }
    }

    async fn complete(&self, lease: &Lease) {
        let until = self.delivery.is_giving_up(lease);
        // Count before the call, because other handlers may find a duplicate before this one receives the
        // store's response.
        self.delivery.seen().completing += 1;
        match self.client.complete(lease).await {
            LeaseState::Held => self.delivery.completed(self.seed),
            LeaseState::Lost => self.lost(until),
        }
    }

    async fn release(&self, lease: &Lease) {
        let until = self.delivery.is_giving_up(lease);
        if self.client.release(lease).await == LeaseState::Lost {
            self.lost(until);
        }
    }

    fn lost(&self, until: Option<Instant>) {
        let text = format!("a lease was lost before it expired, seed {}", self.seed);
        Rule::OwnerUntilOvertaken.check(until.is_none_or(is_over), text);
    }
}

/// What happened to one delivery.
struct RacedDelivery {
    key: DeliveryKey,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The owners of live leases, and the time until which each can rely on its lease.
    leases: HashMap<Owner, Instant>,
    attempts: Vec<u32>,
    /// The number of calls to `complete`.
    completing: u32,
    completed: u32,
}

impl RacedDelivery {
    fn new(key: DeliveryKey) -> Self {
        Self { key, seen: Mutex::default() }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claimed(&self, lease: &Lease, until: Instant, seed: u64) {
        let mut seen = self.seen();
        seen.attempts.push(lease.attempt());
        let text = format!("a delivery was claimed after it had been completed, seed {seed}");
        // A handler that claimed before the completion may reach this line later, but then its lease has
        // expired.
        Rule::CompletedOnce.check(seen.completed == 0 || is_over(until), text);
        drop(seen);
        self.renewed(lease, until, seed);
    }

    fn renewed(&self, lease: &Lease, until: Instant, seed: u64) {
        let mut seen = self.seen();
        // The task may have been suspended since the store responded, so only leases that are live at this
        // moment count.
        seen.leases.retain(|owner, until| *owner != lease.owner() && !is_over(*until));
        let text = format!("two clients had a lease at the same time, seed {seed}");
        Rule::OneOwner.check(seen.leases.is_empty() || is_over(until), text);
        seen.leases.insert(lease.owner(), until);
    }

    /// Removes the owner's lease from the live leases, and returns the time until which the owner could rely
    /// on it.
    fn is_giving_up(&self, lease: &Lease) -> Option<Instant> {
        self.seen().leases.remove(&lease.owner())
    }

    fn completed(&self, seed: u64) {
        let mut seen = self.seen();
        seen.completed += 1;
        let text = format!("a delivery was completed by {} owners, seed {seed}", seen.completed);
        Rule::OnlyTheOwner.check(seen.completed == 1, text);
    }

    fn duplicate(&self, seed: u64) {
        let text = format!("a delivery is a duplicate, but no client completed it, seed {seed}");
        Rule::NeverLost.check(self.seen().completing > 0, text);
    }

    fn check(&self, seed: u64) {
        let seen = self.seen();
        Rule::NeverLost
            .check(seen.completed == 1, format_args!("no client could complete the delivery, seed {seed}"));
        let mut attempts = seen.attempts.clone();
        attempts.sort_unstable();
        attempts.dedup();
        let text = format!("two attempts have the same number, seed {seed}");
        Rule::AttemptsRise.check(attempts.len() == seen.attempts.len(), text);
        Rule::AttemptsRise.check(
            attempts.first() == Some(&1),
            format_args!("the first attempt does not have the number 1, seed {seed}"),
        );
    }
}

fn is_over(until: Instant) -> bool {
    until <= Instant::now() + ROUNDING
}
