//! Judges the receiver with a `Deduplicator`.

use std::collections::{HashMap, HashSet};

use clerk_webhook_core::Outcome;
use clerk_webhook_store::MIN_RETENTION;

use super::{Call, Checker};
use crate::history::{Did, Key, Millis, Op, Record, RunEnd, What};
use crate::plan::StoreClock;
use crate::process::millis;
use crate::receiver::leased::{Model, State};

impl Checker<'_> {
    pub(super) fn check_leased(&mut self, records: &[Record]) {
        self.check_store(records);
        if !self.plan.has_wrong_clocks() {
            self.check_overlaps(|one, other| one.key == other.key);
        }
        self.check_answers();
        self.check_calls();
    }

    /// The store does what its documentation says, and is asked only for what the documentation allows.
    fn check_store(&mut self, records: &[Record]) {
        let mut model = Model::default();
        let mut completed = HashMap::new();
        for record in records {
            let What::Executed { op, did, call } = &record.what else { continue };
            if *did == Did::Refused {
                continue;
            }
            let now = record.at + self.plan.ahead(self.callers[call]);
            if self.plan.clock == StoreClock::Server {
                model.forget_old(now);
            }
            if let Op::Purge(age) = op {
                self.check_purge(record.at, *age);
            }
            let owner = if let Did::Acquired { owner, .. } = did { *owner } else { 0 };
            let expected = model.expect(op, now, owner);
            if expected != *did && !matches!(op, Op::Purge(_)) {
                self.violation(
                    record.at,
                    format!("{op}: the store returned {did:?} instead of {expected:?}"),
                );
            }
            let keys: HashSet<Key> = completed.keys().copied().chain(op.key()).collect();
            for key in keys {
                let is = model.get(key).is_some_and(|entry| entry.state == State::Completed);
                if is {
                    completed.entry(key).or_insert(record.at);
                } else if let Some(since) = completed.remove(&key) {
                    self.completed.entry(key).or_default().push((since, record.at));
                }
            }
        }
        for (key, since) in completed {
            self.completed.entry(key).or_default().push((since, Millis::MAX));
        }
    }

    /// The library does not purge what the sender may still send.
    pub(super) fn check_purge(&mut self, at: Millis, age: Millis) {
        if age < millis(MIN_RETENTION) {
            self.violation(at, "deliveries younger than seven days were purged");
        }
    }

    /// An acknowledgment implies an effect, and every other answer has a reason.
    fn check_answers(&mut self) {
        for (at, request, answer) in std::mem::take(&mut self.answers) {
            let Some((key, process, arrived)) = self.arrival(at, request) else { continue };
            let run = self.runs.iter().find(|run| run.request == request);
            let end = run.and_then(|run| run.ended).map(|(_, end)| end);
            let calls = || self.calls_in(process, key, arrived, at);
            let effect = self.runs.iter().any(|run| run.key == key && run.succeeded(at));
            let unfounded = answer.status() / 100 == 2 && !effect && end != Some(RunEnd::Ignored);
            let explained = match answer.outcome() {
                Outcome::Processed => run.is_some_and(|run| {
                    let owner = run.lease.map(|(owner, _)| owner);
                    let completes = |call: &Call| {
                        matches!(call.op, Op::Complete(_, by) if Some(by) == owner)
                            && matches!(call.executed, Some((done, Did::Held)) if done <= at)
                    };
                    end == Some(RunEnd::Processed) && calls().any(completes)
                }),
                Outcome::Duplicate => {
                    let completed = self.completed.get(&key).into_iter().flatten();
                    completed.copied().any(|(since, until)| since <= at && arrived <= until)
                        && self.runs.iter().any(|run| run.key == key && run.succeeded(at))
                }
                Outcome::InProgress => calls().any(|call| {
                    matches!(call.op, Op::Claim(..))
                        && match (call.executed, call.returned) {
                            (Some((_, Did::InProgress(left))), Some(_)) => {
                                let seconds = u32::try_from(left.div_ceil(1000).max(1)).unwrap_or(u32::MAX);
                                answer.retry_after() == Some(seconds)
                            }
                            (Some((_, Did::Acquired { .. })), Some((back, _))) => {
                                let late = |received: Millis| received - call.called >= self.plan.lease;
                                late(back) || late(at) && self.is_disturbed(process, call.called, at)
                            }
                            _ => false,
                        }
                }),
                Outcome::LeaseLost => run.is_some_and(|run| self.has_lost_lease(run, at)),
                Outcome::StoreUnavailable => calls().any(|call| !call.succeeded(self.plan.store_timeout)),
                _ => self.has_common_reason(answer, at, request, process),
            };
            if unfounded {
                self.violation(at, format!("request {request} of {key} was acknowledged without an effect"));
            }
            if !explained {
                let outcome = answer.outcome();
                self.violation(
                    at,
                    format!("no reason for the answer {outcome} to request {request} of {key}"),
                );
            }
        }
    }

    /// A lease is completed after its handler has succeeded, and released after any other end, immediately.
    fn check_calls(&mut self) {
        for index in 0..self.runs.len() {
            let run = &self.runs[index];
            let (Some((owner, _)), Some((ended, end))) = (run.lease, run.ended) else { continue };
            let ends: Vec<_> = self
                .calls
                .iter()
                .filter(|call| call.process == run.process && call.op.owner() == Some(owner))
                .filter(|call| matches!(call.op, Op::Complete(..) | Op::Release(..)))
                .map(|call| (call.called, matches!(call.op, Op::Complete(..))))
                .collect();
            let (key, process) = (run.key, run.process);
            for (called, completes) in &ends {
                if *called < ended {
                    self.violation(*called, format!("the lease of {key} was ended before its handler"));
                }
                if *completes != (end == RunEnd::Processed) {
                    let what = if *completes { "completed" } else { "released" };
                    self.violation(*called, format!("{key} was {what} after its handler ended: {end:?}"));
                }
            }
            let first = ends.first().map(|(called, _)| *called);
            let prompt = match first {
                Some(first) => first <= ended || self.is_disturbed(process, ended, first),
                None => self.is_killed_after(process, ended),
            };
            if !prompt {
                self.violation(ended, format!("the lease of {key} was not ended when its handler had ended"));
            }
        }
    }
}
