//! Judges the receiver with transactions.

use std::collections::HashMap;

use clerk_webhook_core::Outcome;

use super::Checker;
use crate::history::{Did, Key, Millis, Op, Record, RunEnd, What};

impl Checker<'_> {
    pub(super) fn check_transactions(&mut self, records: &[Record]) {
        self.check_marks(records);
        self.check_commits();
        for (at, request, answer) in std::mem::take(&mut self.answers) {
            let Some((key, process, arrived)) = self.arrival(at, request) else { continue };
            let marks = self.completed.get(&key).into_iter().flatten();
            let committed = marks.copied().any(|(since, until)| since <= at && arrived <= until);
            let calls = || self.calls_in(process, key, arrived, at);
            let explained = match answer.outcome() {
                Outcome::Processed | Outcome::Duplicate => committed,
                Outcome::InProgress => {
                    calls().any(|call| matches!(call.executed, Some((_, Did::InProgress(_)))))
                }
                Outcome::StoreUnavailable => calls().any(|call| {
                    !call.succeeded(self.plan.store_timeout) || matches!(call.executed, Some((_, Did::Lost)))
                }),
                _ => self.has_common_reason(answer, at, request, process),
            };
            let ignored = answer.outcome() == Outcome::Ignored;
            if !explained || (answer.status() / 100 == 2 && !committed && !ignored) {
                let outcome = answer.outcome();
                self.violation(
                    at,
                    format!("no reason for the answer {outcome} to request {request} of {key}"),
                );
            }
        }
    }

    /// Each message takes effect once, unless it was forgotten or purged before the next transaction began.
    fn check_marks(&mut self, records: &[Record]) {
        let mut marked: HashMap<Key, Millis> = HashMap::new();
        // The numbers of the records at which transactions began, and at which each key was committed last.
        let (mut begun, mut committed) = (HashMap::new(), HashMap::new());
        for (number, record) in records.iter().enumerate() {
            let What::Executed { op, did, .. } = &record.what else { continue };
            let at = record.at;
            let mut forgotten = Vec::new();
            let wrong = match (op, did) {
                (_, Did::Refused) => None,
                (Op::Begin(key), Did::Duplicate) => (!marked.contains_key(key))
                    .then(|| format!("{key} is a duplicate, but was not completed")),
                (Op::Begin(key), Did::Acquired { owner, .. }) => {
                    begun.insert(*owner, number);
                    marked.contains_key(key).then(|| format!("{key} begins again after it was completed"))
                }
                (Op::Commit(key, id, _), Did::Held) => {
                    let earlier = committed.insert(*key, number);
                    let overlaps =
                        earlier.is_some_and(|earlier| begun.get(id).is_none_or(|at| *at < earlier));
                    let twice = marked.insert(*key, at).is_some() || overlaps;
                    twice.then(|| format!("{key} took effect twice"))
                }
                (Op::Forget(key), Did::Removed(number)) => {
                    forgotten.extend(marked.contains_key(key).then_some(*key));
                    (*number != forgotten.len() as u64).then(|| format!("{op}: the database found {number}"))
                }
                (Op::Purge(age), Did::Removed(number)) => {
                    self.check_purge(at, *age);
                    forgotten
                        .extend(marked.iter().filter(|(_, since)| *since + age <= at).map(|(key, _)| *key));
                    (*number != forgotten.len() as u64).then(|| format!("{op}: the database found {number}"))
                }
                _ => None,
            };
            for key in forgotten {
                let since = marked.remove(&key).unwrap_or_default();
                self.completed.entry(key).or_default().push((since, at));
            }
            if let Some(wrong) = wrong {
                self.violation(at, wrong);
            }
        }
        for (key, since) in marked {
            self.completed.entry(key).or_default().push((since, Millis::MAX));
        }
    }

    /// Only the writes of a handler that has succeeded are committed.
    fn check_commits(&mut self) {
        for index in 0..self.calls.len() {
            let call = &self.calls[index];
            let (Op::Commit(key, id, writes), Some((at, Did::Held))) = (&call.op, call.executed) else {
                continue;
            };
            let (key, writes) = (*key, *writes);
            let succeeded = self.runs.iter().any(|run| {
                run.lease.is_some_and(|(owner, _)| owner == *id)
                    && run.ended.is_some_and(|(ended, end)| ended <= call.called && end == RunEnd::Processed)
            });
            if !succeeded || writes != 1 {
                self.violation(at, format!("{key} was committed, but its handler did not succeed"));
            }
        }
    }
}
