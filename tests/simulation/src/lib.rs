//! Simulates the receiver with failing processes and stores, in virtual time.
//!
//! A seed determines everything that happens: when the sender sends, what the network, the store and the
//! handlers do, and which processes crash, pause and restart. The simulation runs the real code of the
//! libraries. A `Deduplicator` has a real `MemoryStore`; the queue and the transactions of `ExactlyOnce` are models.
//! If the receiver is a sync, the messages are Clerk's events, the sync and its tables are real, and Clerk's API is a
//! fake. A checker then judges the history.
//!
//! Each process has its own Tokio runtime, whose clock is paused, so that a process can stop while time
//! goes on for the others. The simulation drives one process at a time to the next moment at which anything can
//! happen, so it needs milliseconds for a day.

pub mod check;
pub mod clerk;
pub mod history;
pub mod interleavings;
pub mod picture;
pub mod plan;
pub mod process;
pub mod receiver;
pub mod simulation;
pub mod visit;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::history::Record;
use crate::plan::{Kind, Plan};
use crate::receiver::leased::Leased;
use crate::receiver::queued::Queued;
use crate::receiver::synced::Synced;
use crate::receiver::transactional::Transactional;
use crate::simulation::Simulation;

/// The result of a seed.
#[derive(Debug)]
pub struct Report {
    /// What happened.
    pub records: Vec<Record>,
    /// What was wrong.
    pub violations: Vec<String>,
    /// The number of attempts.
    pub requests: usize,
    /// The number of deliveries, multiplied by the simulated days.
    pub delivery_days: f64,
    /// The days between the first attempt and the end of each delivery, summed up.
    pub waiting_days: f64,
}

/// Simulates a seed, and judges what happened.
#[must_use]
pub fn simulate(seed: u64) -> Report {
    let run = || {
        let plan = Plan::new(seed);
        let outcome = match plan.receiver {
            Kind::Deduplicator => Simulation::<Leased>::run(&plan),
            Kind::Queue => Simulation::<Queued>::run(&plan),
            Kind::ExactlyOnce => Simulation::<Transactional>::run(&plan),
            Kind::Sync => Simulation::<Synced>::run(&plan),
        };
        let mut violations = check::check(&plan, &outcome.records);
        if !outcome.finished {
            violations.push("something never ends".to_owned());
        }
        Report {
            violations,
            records: outcome.records,
            requests: outcome.requests,
            delivery_days: (outcome.deliveries as u64 * outcome.ended) as f64 / plan::DAY as f64,
            waiting_days: outcome.waiting as f64 / plan::DAY as f64,
        }
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Report {
        records: Vec::new(),
        violations: vec!["the simulation or the checker panicked".to_owned()],
        requests: 0,
        delivery_days: 0.0,
        waiting_days: 0.0,
    })
}
