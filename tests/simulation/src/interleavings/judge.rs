//! Judges the order of what happened to one message, or to jobs about one object.

use std::collections::{HashMap, HashSet};

use clerk_webhook_core::Outcome;

use super::world::SHUTDOWN_LIMIT;
use crate::check::check;
use crate::history::{Did, Op, Record, RunEnd, What};
use crate::plan::{Kind, Plan};

/// Returns what was wrong.
///
/// The checker of the simulation compares times. Here many steps happen at the same time, so their order counts, too.
pub(super) fn judge(plan: &Plan, records: &[Record]) -> Vec<String> {
    let mut violations = check(plan, records);
    // The number of the record of each claim.
    let (mut claims, mut claim) = (HashMap::new(), 0);
    let mut runs = Vec::new();
    let mut effects = HashSet::new();
    let (mut keys, mut durable) = (HashMap::new(), HashSet::new());
    let (mut succeeded, mut recorded, mut forgotten) = (false, false, 0);
    let (mut live, mut stopping) = (HashMap::new(), None);
    for (number, record) in records.iter().enumerate() {
        match &record.what {
            What::Returned { call, .. } => claim = claims.get(call).copied().unwrap_or(claim),
            What::RunStarted { run, .. } => {
                runs.push((*run, claim));
                live.insert(*run, record.process);
                if stopping.is_some_and(|(process, since)| {
                    process == record.process && record.at >= since + SHUTDOWN_LIMIT
                }) {
                    violations.push(format!("run {run} starts after the shutdown has stopped all handlers"));
                }
            }
            What::Stopping => stopping = Some((record.process, record.at)),
            What::Stopped => {
                stopping = None;
                if live.values().any(|process| *process == record.process) {
                    violations.push("the shutdown ended before a handler".to_owned());
                }
            }
            What::Polled { run } => {
                let claimed = runs.iter().find(|(of, _)| of == run).map(|(_, claimed)| *claimed);
                // Two handlers may run at the same time if somebody has forgotten the message between their claims.
                let is_taken_over = runs.iter().any(|(_, later)| {
                    claimed.is_some_and(|claimed| claimed < *later && !(claimed..*later).contains(&forgotten))
                });
                if is_taken_over {
                    violations.push(format!("run {run} continues beside the run of a later claim"));
                }
            }
            What::Executed { did: Did::Acquired { .. } | Did::Taken { .. }, call, .. } => {
                claims.insert(*call, number);
            }
            What::Effect { run } => drop(effects.insert(*run)),
            What::RunEnded { run, end } => {
                live.remove(run);
                succeeded |= *end == RunEnd::Processed && effects.contains(run);
            }
            What::Executed { op: Op::Complete(..) | Op::Commit(..), did: Did::Held, .. } => recorded = true,
            What::Executed { op: Op::Forget(_), .. } => forgotten = number,
            What::Executed { op: Op::Enqueue(key), did: Did::New, .. } => drop(durable.insert(*key)),
            What::Send { request, key, .. } => drop(keys.insert(*request, *key)),
            What::Answered { request, answer }
                if plan.receiver == Kind::Queue
                    && answer.status() / 100 == 2
                    && !durable.contains(&keys[request]) =>
            {
                violations.push(format!("request {request} was acknowledged before it was durable"));
            }
            What::Answered { .. } if plan.receiver == Kind::Queue => {}
            What::Answered { request, answer }
                if answer.status() / 100 == 2
                    && answer.outcome() != Outcome::Ignored
                    && !(succeeded && recorded) =>
            {
                violations.push(format!("request {request} was acknowledged too early"));
            }
            _ => {}
        }
    }
    violations
}
