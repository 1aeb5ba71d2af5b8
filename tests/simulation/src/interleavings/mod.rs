//! Explores all orders in which the steps of a few requests can happen.
//!
//! A random schedule rarely contains the one order that is wrong. An exploration runs the real code in every order
//! instead: after each step, it tries each step that is possible next. A step is a call of the store, the arrival of
//! its result, a part of a handler, the passage of time, or a fault, within [`Bounds`].
//!
//! These steps are all that another task can see. The store executes each call at once, as `MemoryStore` does under its
//! lock. Between two calls, a task only reads the clock and whether the application stops. So every interleaving of
//! threads has the same result as one of these orders.

mod judge;
mod processes;
mod world;

use std::collections::{BTreeSet, HashMap};

use clerk_webhook_core::Outcome;

use self::world::World;
use crate::plan::{Kind, Plan, SECOND, StoreClock};
use crate::receiver::Receiver;
use crate::receiver::leased::Leased;
use crate::receiver::queued::Queued;
use crate::receiver::transactional::Transactional;
use crate::visit::Script;

/// What an exploration contains.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The settings of the receiver.
    pub plan: Plan,
    /// What the handlers of the requests do, or the first attempts of the jobs. All requests are for one message, or, at a
    /// queue, each for the next of the messages, which are about one object.
    pub scripts: Vec<Script>,
    /// What else may happen.
    pub budget: Budget,
}

/// How often something may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Time passes until a task continues.
    pub times: u8,
    /// A process is paused for the duration of a lease.
    pub pauses: u8,
    /// The caller gets an error, before or after the service executes the call.
    pub faults: u8,
    /// The service executes a call after its caller has given up.
    pub late_calls: u8,
    /// The sender closes the connection.
    pub hang_ups: u8,
    /// A process is asked to stop.
    pub shutdowns: u8,
    /// A process crashes.
    pub crashes: u8,
    /// An operator forgets the message.
    pub forgets: u8,
}

/// The result of an exploration.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// The number of different states.
    pub states: usize,
    /// The number of runs from the beginning to the end.
    pub runs: u64,
    /// The number of orders of steps.
    pub interleavings: f64,
    /// The outcomes of the requests.
    pub outcomes: BTreeSet<&'static str>,
}

impl Bounds {
    /// Creates bounds for a receiver in one process, in which nothing but the requests happens.
    fn new(receiver: Kind, scripts: &[Script], budget: Budget) -> Self {
        let plan = Plan {
            receiver,
            processes: 1,
            messages: 1,
            endpoints: 1,
            one_scope: true,
            clock: StoreClock::Server,
            lease: 3 * SECOND,
            handler_timeout: 12 * SECOND,
            store_timeout: 5 * SECOND,
            in_progress_wait: 0,
            poll_interval: 5 * SECOND,
            ..Plan::new(0)
        };
        Self { plan, scripts: scripts.to_vec(), budget }
    }

    /// Returns what the tests explore, with names.
    #[must_use]
    pub fn all() -> Vec<(&'static str, Self)> {
        use Kind::{Deduplicator, ExactlyOnce, Queue};
        use Script::{Fail, Ignore, Panic, Reject, Succeed};
        let none = Budget::default();
        let two = |bounds: Self| Self { plan: Plan { processes: 2, ..bounds.plan }, ..bounds };
        let waiting =
            |bounds: Self| Self { plan: Plan { in_progress_wait: SECOND, ..bounds.plan }, ..bounds };
        let leased = |scripts: &[Script], budget| Self::new(Deduplicator, scripts, budget);
        let transaction = |scripts: &[Script], budget| Self::new(ExactlyOnce, scripts, budget);
        let jobs = |messages, scripts: &[Script], budget| {
            let bounds = Self::new(Queue, scripts, budget);
            Self { plan: Plan { messages, ..bounds.plan }, ..bounds }
        };
        vec![
            ("three requests", leased(&[Succeed, Fail, Succeed], none)),
            ("renewals", leased(&[Succeed, Succeed], Budget { times: 2, ..none })),
            ("a panic", leased(&[Panic, Ignore], Budget { times: 1, ..none })),
            ("a shutdown", leased(&[Succeed, Succeed], Budget { times: 1, shutdowns: 1, ..none })),
            ("a failed call", leased(&[Fail, Succeed], Budget { faults: 1, ..none })),
            ("a late call", leased(&[Succeed, Succeed], Budget { times: 1, late_calls: 1, ..none })),
            ("a pause", leased(&[Succeed, Succeed], Budget { pauses: 1, ..none })),
            ("a closed connection", leased(&[Fail, Succeed], Budget { hang_ups: 1, ..none })),
            ("a forgotten message", leased(&[Succeed, Succeed], Budget { forgets: 1, ..none })),
            ("a crash", two(leased(&[Succeed, Succeed], Budget { times: 1, crashes: 1, ..none }))),
            ("a paused process", two(leased(&[Succeed, Succeed], Budget { pauses: 1, ..none }))),
            ("a waiting request", waiting(leased(&[Fail, Succeed], Budget { times: 1, ..none }))),
            ("three transactions", transaction(&[Succeed, Fail, Succeed], none)),
            ("a panic in a transaction", transaction(&[Panic, Ignore], Budget { times: 1, ..none })),
            (
                "a shutdown with transactions",
                transaction(&[Succeed, Succeed], Budget { times: 1, shutdowns: 1, ..none }),
            ),
            ("a failed transaction", transaction(&[Fail, Succeed], Budget { times: 1, faults: 1, ..none })),
            (
                "a crash in a transaction",
                two(transaction(&[Succeed, Succeed], Budget { crashes: 1, ..none })),
            ),
            ("two jobs", jobs(2, &[Fail, Reject], none)),
            ("a worker", jobs(1, &[Fail], Budget { times: 2, ..none })),
            ("a shutdown of a worker", jobs(1, &[Succeed], Budget { times: 1, shutdowns: 1, ..none })),
            ("a failed call of a worker", jobs(1, &[Panic], Budget { faults: 1, ..none })),
            ("a late call of a worker", jobs(1, &[Succeed], Budget { times: 1, late_calls: 1, ..none })),
            ("a paused worker", two(jobs(1, &[Succeed], Budget { pauses: 1, ..none }))),
            ("a crash of a worker", two(jobs(1, &[Succeed], Budget { crashes: 1, ..none }))),
        ]
    }

    /// Explores all orders, and returns the story of the first one that breaks a promise.
    ///
    /// # Errors
    ///
    /// Returns what was wrong, after what had happened.
    pub fn explore(&self) -> Result<Explored, String> {
        match self.plan.receiver {
            Kind::ExactlyOnce => explore::<Transactional>(self),
            Kind::Queue => explore::<Queued>(self),
            _ => explore::<Leased>(self),
        }
    }
}

/// A state on the current path, of whose actions some have been tried.
struct Branch {
    state: u64,
    actions: usize,
    tried: usize,
    interleavings: f64,
}

fn explore<R: Receiver>(bounds: &Bounds) -> Result<Explored, String> {
    let mut explored = Explored::default();
    // The number of orders of the steps after each state.
    let mut known: HashMap<u64, f64> = HashMap::new();
    let mut path: Vec<Branch> = Vec::new();
    loop {
        let mut world = World::<R>::new(bounds);
        for branch in &path {
            // The code must behave in the same way each time.
            assert_eq!(world.state(), branch.state, "the exploration is not deterministic");
            let action = world.actions().swap_remove(branch.tried - 1);
            world.take(action);
        }
        let ways = loop {
            let state = world.state();
            if let Some(ways) = known.get(&state) {
                break *ways;
            }
            let mut actions = world.actions();
            if actions.is_empty() {
                known.insert(state, 1.0);
                break 1.0;
            }
            path.push(Branch { state, actions: actions.len(), tried: 1, interleavings: 0.0 });
            world.take(actions.swap_remove(0));
        };
        explored.runs += 1;
        explored.outcomes.extend(world.finish()?.into_iter().map(Outcome::as_str));
        if let Some(branch) = path.last_mut() {
            branch.interleavings += ways;
        }
        // Continue at the latest state with an action that has not been tried.
        while let Some(done) = path.pop_if(|branch| branch.tried == branch.actions) {
            known.insert(done.state, done.interleavings);
            if let Some(branch) = path.last_mut() {
                branch.interleavings += done.interleavings;
            } else {
                explored.interleavings = done.interleavings;
            }
        }
        let Some(branch) = path.last_mut() else { break };
        branch.tried += 1;
    }
    explored.states = known.len();
    Ok(explored)
}
