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
    /// With the number of its attempts.
    Open(u32),
    Done(Millis),
    Dead,
    Discarded(Millis),
}

impl Job {
    /// Returns whether it may be a dead letter. The queue buries a job after the lease of its last attempt.
    fn may_be_dead(self) -> bool {
        self == Self::Dead || matches!(self, Self::Open(attempts) if attempts >= MAX_ATTEMPTS)
    }
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

    /// Every job that was enqueued is handled, discarded or becomes a dead letter, for a reason.
    fn check_jobs(&mut self, records: &[Record]) {
        let mut jobs: HashMap<Key, Job> = HashMap::new();
        let mut attempts: HashMap<u128, u32> = HashMap::new();
        for record in records {
            let What::Executed { op, did, .. } = &record.what else { continue };
            let at = record.at;
            let key = if let Did::Taken { key, .. } = did { Some(*key) } else { op.key() };
            let old = key.and_then(|key| jobs.get(&key).copied());
            let (new, wrong) = match (op, did) {
                (Op::Enqueue(_), Did::New) => (Some(Job::Open(0)), old.map(|_| "was enqueued twice")),
                (Op::Enqueue(_), Did::Duplicate) => {
                    (None, old.is_none().then_some("is a duplicate, but was not enqueued"))
                }
                (_, Did::Taken { owner, attempt, .. }) => {
                    attempts.insert(*owner, *attempt);
                    let wrong = match old {
                        Some(Job::Open(before)) if before + 1 == *attempt => None,
                        Some(Job::Open(_)) => Some("was taken with a wrong number of attempts"),
                        Some(Job::Discarded(_)) => Some("was taken after it had been discarded"),
                        _ => Some("was taken after it had ended"),
                    };
                    (Some(Job::Open(*attempt)), wrong)
                }
                (Op::GiveBack(..), Did::Held) => match old {
                    Some(Job::Open(attempts @ 1..)) => (Some(Job::Open(attempts - 1)), None),
                    _ => (None, Some("was given back after it had ended")),
                },
                (Op::Complete(..), Did::Held) => match old {
                    Some(Job::Open(_)) => (Some(Job::Done(at)), None),
                    Some(Job::Done(_)) => (None, None),
                    _ => (None, Some("was completed after it had ended")),
                },
                (Op::Bury(..), Did::Held) => match old {
                    Some(Job::Open(_) | Job::Dead) => (Some(Job::Dead), None),
                    _ => (None, Some("was buried after it had ended")),
                },
                (Op::Retry(..) | Op::Renew(..), Did::Held) => match old {
                    Some(Job::Open(_)) => (None, None),
                    _ => (None, Some("was retried or renewed after it had ended")),
                },
                (Op::RetryDead(_) | Op::Discard(_), Did::Removed(number)) => {
                    let end = if matches!(op, Op::RetryDead(_)) { Job::Open(0) } else { Job::Discarded(at) };
                    match number {
                        1 => {
                            let wrong = !old.is_some_and(Job::may_be_dead);
                            (Some(end), wrong.then_some("was a dead letter, but has not died"))
                        }
                        _ => {
                            (None, (old == Some(Job::Dead)).then_some("is a dead letter, but was not found"))
                        }
                    }
                }
                (Op::Purge(age), Did::Removed(_)) => {
                    self.check_purge(at, *age);
                    jobs.retain(|_, job| {
                        !matches!(job, Job::Done(since) | Job::Discarded(since) if *since + age <= at)
                    });
                    (None, None)
                }
                _ => (None, None),
            };
            let Some(key) = key else { continue };
            if let Some(new) = new {
                jobs.insert(key, new);
            }
            if let Some(wrong) = wrong {
                self.violation(at, format!("{op}: {key} {wrong}"));
            }
        }
        for (key, job) in jobs {
            let handled = self.runs.iter().any(|run| {
                run.key == key && matches!(run.ended, Some((_, RunEnd::Processed | RunEnd::Ignored)))
            });
            match job {
                Job::Open(_) if job.may_be_dead() => {}
                Job::Open(_) => {
                    self.violations.push(format!("{key} was enqueued, and is neither done nor dead"))
                }
                Job::Done(_) if !handled => {
                    self.violations.push(format!("{key} is done, but was not handled"))
                }
                Job::Done(_) | Job::Dead | Job::Discarded(_) => {}
            }
        }
        for index in 0..self.calls.len() {
            let call = &self.calls[index];
            let (at, op) = (call.called, call.op.clone());
            let Some(owner) = op.owner() else { continue };
            let Some(attempt) = attempts.get(&owner).copied() else { continue };
            let run = self.runs.iter().find(|run| run.lease.is_some_and(|(of, _)| of == owner));
            let ended = run.and_then(|run| run.ended).filter(|(ended, _)| *ended <= at).map(|(_, end)| end);
            // The worker does not know whether the job was completed.
            let is_uncertain = self.calls.iter().any(|call| {
                matches!(call.op, Op::Complete(_, of) if of == owner)
                    && call.called <= at
                    && !(matches!(call.executed, Some((_, Did::Held)))
                        && call.succeeded(self.plan.store_timeout))
            });
            let wrong = match op {
                Op::Complete(..) => !matches!(ended, Some(RunEnd::Processed | RunEnd::Ignored)),
                Op::Bury(..) => match ended {
                    Some(RunEnd::Rejected) => false,
                    _ => attempt < MAX_ATTEMPTS,
                },
                Op::Retry(_, _, after) => {
                    let has_succeeded = matches!(ended, Some(RunEnd::Processed | RunEnd::Ignored));
                    after > LONGEST_DELAY
                        || run.is_none()
                        || has_succeeded && !is_uncertain
                        || ended == Some(RunEnd::Rejected)
                }
                // Only an attempt that was stopped, or that has not begun, does not count.
                Op::GiveBack(..) => !matches!(ended, None | Some(RunEnd::Dropped)),
                _ => false,
            };
            if wrong {
                self.violation(at, format!("{op} after the handler ended with {ended:?}, attempt {attempt}"));
            }
        }
    }
}
