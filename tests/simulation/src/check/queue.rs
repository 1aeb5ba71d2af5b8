//! Judges the receiver with a queue and workers.

use std::collections::HashMap;

use clerk_webhook_core::Outcome;

use super::Checker;
use crate::history::{Did, Key, Millis, Op, Record, RunEnd, What};
use crate::receiver::queued::{LONGEST_DELAY, MAX_ATTEMPTS, object};

/// How long `DeliveryQueue::answer` waits.
const ENQUEUE_TIMEOUT: Millis = 5000;

/// The last known state of a job.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    Open,
    Done,
    Dead,
}

impl Checker<'_> {
    pub(super) fn check_queue(&mut self, records: &[Record]) {
        self.check_jobs(records);
        self.check_overlaps(|one, other| object(one.key) == object(other.key));
        self.check_acknowledgments();
    }

    /// An acknowledged event is durable.
    fn check_acknowledgments(&mut self) {
        for (at, request, answer) in std::mem::take(&mut self.answers) {
            let Some((key, process, arrived)) = self.arrival(at, request) else { continue };
            let durable = self.calls.iter().any(|call| {
                call.op == Op::Enqueue(key) && matches!(call.executed, Some((done, Did::New)) if done <= at)
            });
            let explained = match answer.outcome() {
                Outcome::Queued | Outcome::Duplicate => durable,
                Outcome::StoreUnavailable => self
                    .calls_in(process, key, arrived, at)
                    .any(|call| matches!(call.op, Op::Enqueue(_)) && !call.succeeded(ENQUEUE_TIMEOUT)),
                Outcome::ExpiredTimestamp => self.expired.contains(&request),
                _ => false,
            };
            if !explained || (answer.status() / 100 == 2 && !durable) {
                let outcome = answer.outcome();
                self.violation(
                    at,
                    format!("no reason for the answer {outcome} to request {request} of {key}"),
                );
            }
        }
    }

    /// Every job that was enqueued is handled or becomes a dead letter, for a reason.
    fn check_jobs(&mut self, records: &[Record]) {
        let mut jobs: HashMap<Key, Job> = HashMap::new();
        let mut last: HashMap<Key, u32> = HashMap::new();
        let mut attempts: HashMap<u128, u32> = HashMap::new();
        for record in records {
            let What::Executed { op, did, .. } = &record.what else { continue };
            match (op, did) {
                (Op::Enqueue(key), Did::New) => drop(jobs.insert(*key, Job::Open)),
                (_, Did::Taken { key, owner, attempt }) => {
                    attempts.insert(*owner, *attempt);
                    last.insert(*key, *attempt);
                    if jobs.get(key) != Some(&Job::Open) {
                        self.violation(record.at, format!("{key} was taken after it had ended"));
                    }
                }
                (Op::Complete(key, _), Did::Held) => drop(jobs.insert(*key, Job::Done)),
                (Op::Bury(key, _), Did::Held) => drop(jobs.insert(*key, Job::Dead)),
                _ => {}
            }
        }
        for (key, job) in jobs {
            let handled = self.runs.iter().any(|run| {
                run.key == key && matches!(run.ended, Some((_, RunEnd::Processed | RunEnd::Ignored)))
            });
            match job {
                // The queue buries a job after the lease of its last attempt.
                Job::Open if last.get(&key).is_some_and(|attempt| *attempt >= MAX_ATTEMPTS) => {}
                Job::Open => {
                    self.violations.push(format!("{key} was enqueued, and is neither done nor dead"))
                }
                Job::Done if !handled => self.violations.push(format!("{key} is done, but was not handled")),
                Job::Done | Job::Dead => {}
            }
        }
        for index in 0..self.calls.len() {
            let call = &self.calls[index];
            let (at, op) = (call.called, call.op.clone());
            let Some(owner) = op.owner() else { continue };
            let Some(attempt) = attempts.get(&owner).copied() else { continue };
            let run = self.runs.iter().find(|run| run.lease.is_some_and(|(of, _)| of == owner));
            let ended = run.and_then(|run| run.ended).filter(|(ended, _)| *ended <= at).map(|(_, end)| end);
            let wrong = match op {
                Op::Complete(..) => !matches!(ended, Some(RunEnd::Processed | RunEnd::Ignored)),
                Op::Bury(..) => match ended {
                    Some(RunEnd::Rejected) => false,
                    _ => attempt < MAX_ATTEMPTS,
                },
                Op::Retry(_, _, after) => {
                    after > LONGEST_DELAY || run.is_none() || ended == Some(RunEnd::Rejected)
                }
                Op::GiveBack(..) => {
                    matches!(
                        ended,
                        Some(RunEnd::Failed | RunEnd::Panicked | RunEnd::Rejected | RunEnd::Ignored)
                    )
                }
                _ => false,
            };
            if wrong {
                self.violation(at, format!("{op} after the handler ended with {ended:?}, attempt {attempt}"));
            }
        }
    }
}
