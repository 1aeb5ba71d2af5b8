//! Judges the receiver with transactions.

use std::collections::HashSet;

use clerk_webhook_core::Outcome;

use super::Checker;
use crate::history::{Did, Op, RunEnd};

impl Checker<'_> {
    pub(super) fn check_transactions(&mut self) {
        self.check_commits();
        for (at, request, answer) in std::mem::take(&mut self.answers) {
            let Some((key, process, arrived)) = self.arrival(at, request) else { continue };
            let committed = self.calls.iter().any(|call| {
                matches!(call.op, Op::Commit(of, ..) if of == key)
                    && matches!(call.executed, Some((done, Did::Held)) if done <= at)
            });
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

    /// Each message takes effect once, and only if its handler succeeded.
    fn check_commits(&mut self) {
        let mut committed = HashSet::new();
        for index in 0..self.calls.len() {
            let call = &self.calls[index];
            let (Op::Commit(key, _, writes), Some((at, Did::Held))) = (&call.op, call.executed) else {
                continue;
            };
            let (key, writes) = (*key, *writes);
            let succeeded = self.runs.iter().any(|run| {
                run.key == key
                    && run.process == call.process
                    && run.ended.is_some_and(|(ended, end)| ended <= call.called && end == RunEnd::Processed)
            });
            if !committed.insert(key) {
                self.violation(at, format!("{key} took effect twice"));
            }
            if !succeeded || writes != 1 {
                self.violation(at, format!("{key} was committed, but its handler did not succeed"));
            }
        }
    }
}
