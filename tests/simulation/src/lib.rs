//! Simulates the receiver with failing processes and stores, in virtual time.
//!
//! A seed determines everything that happens: when the sender sends, what the network, the store and the
//! handlers do, and which processes crash, pause and restart. The simulation runs the real code of the
//! libraries, with the real MemoryStore as the store. A checker then judges the history. If the receiver is a
//! sync, the messages are Clerk's events, and the tables and the comparisons with Clerk's API are real, too.
//!
//! Each process has its own Tokio runtime, whose clock is paused, so that a process can stop while time
//! goes on for the others. The simulation drives one process at a time to the next moment at which anything can
//! happen, so it needs milliseconds for a day.

pub mod check;
pub mod clerk;
pub mod history;
pub mod interleavings;
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
    let plan = Plan::new(seed);
    let run = || match plan.receiver {
        Kind::Deduplicator => Simulation::<Leased>::run(&plan),
        Kind::Queue => Simulation::<Queued>::run(&plan),
        Kind::ExactlyOnce => Simulation::<Transactional>::run(&plan),
        Kind::Sync => Simulation::<Synced>::run(&plan),
    };
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => Report {
            violations: check::check(&plan, &outcome.records),
            records: outcome.records,
            requests: outcome.requests,
            delivery_days: (outcome.deliveries as u64 * outcome.ended) as f64 / plan::DAY as f64,
            waiting_days: outcome.waiting as f64 / plan::DAY as f64,
        },
        Err(_) => Report {
            records: Vec::new(),
            violations: vec!["the simulation panicked".to_owned()],
            requests: 0,
            delivery_days: 0.0,
            waiting_days: 0.0,
        },
    }
}
