//! An operator, who purges, forgets, and looks after dead letters.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use super::{Action, Simulation};
use crate::history::{Did, Key, Op, Why};
use crate::plan::{DAY, HOUR, SECOND, one_of};
use crate::receiver::{DeadLetterEnd, Receiver};

impl<R: Receiver> Simulation<R> {
    pub(super) fn operate<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        process: usize,
        work: impl FnOnce(R::App) -> F,
    ) {
        self.catch_up(process);
        if let Some(process) = &self.slots[process].process {
            let app = process.app.clone();
            // The operator does not wait for a lost result.
            let work = work(app);
            process.spawn(|_| async { drop(timeout(Duration::from_secs(60), work).await) });
        }
    }

    /// Lets the operator see what the service did. Some operators act soon.
    pub(super) fn watch(&mut self, op: &Op, did: Did) {
        match (op, did) {
            (Op::Bury(key, _), Did::Held) if self.plan.operates && self.chance(750) => {
                self.end_dead_letter(*key)
            }
            (Op::Begin(key), Did::Acquired { .. }) if self.plan.forgets && self.chance(200) => {
                let (at, process) = (self.now + self.below(10 * SECOND), self.any_process());
                self.later(at, Action::Forget { process, key: *key });
                // The handler should run again.
                if let Some(delivery) = self.deliveries.iter().position(|delivery| delivery.key == *key) {
                    let generation = self.deliveries[delivery].generation;
                    let at = at + 10 + self.below(SECOND);
                    self.later(at, Action::Send { delivery, generation, why: Why::Resend });
                }
            }
            _ => {}
        }
    }

    /// Retries or discards a message in a while, whether it is a dead letter then or not.
    pub(super) fn end_dead_letter(&mut self, key: Key) {
        let limit = one_of(&mut self.random, &[20, 20 * SECOND, HOUR, DAY]);
        let (at, process) = (self.now + self.below(limit), self.any_process());
        let end = one_of(&mut self.random, &[DeadLetterEnd::Retry, DeadLetterEnd::Discard]);
        self.later(at, Action::EndDeadLetter { process, key, end });
    }
}
