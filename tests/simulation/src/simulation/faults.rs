//! What goes wrong: calls of the service fail or take long, and processes crash and pause.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Action, Simulation};
use crate::history::{Did, Millis, Op, What};
use crate::plan::{HOUR, MINUTE, SECOND, one_of};
use crate::process::{Emission, Return, Unreachable};
use crate::receiver::Receiver;

pub(super) struct Call {
    pub(super) process: usize,
    pub(super) op: Op,
    pub(super) back: Option<Return>,
    pub(super) fate: Fate,
}

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Fine,
    /// The caller gets an error, before or after the service executes the call.
    Refused,
    ErrorAfterwards,
    /// The caller gets no result.
    Lost,
    LostResult,
    /// The call or its result takes very long.
    Slow,
    SlowResult,
}

impl<R: Receiver> Simulation<R> {
    pub(super) fn execute_call(&mut self, call: usize) {
        let Some(it) = self.calls.get(&call) else { return };
        let (process, fate, op) = (it.process, it.fate, it.op.clone());
        let unreachable =
            self.service_down_until > self.now || self.slots[process].partitioned_until > self.now;
        // A server notices a closed connection.
        let (fate, unreachable) = match op {
            Op::Rollback(..) => (Fate::Fine, false),
            _ => (fate, unreachable),
        };
        let lost = fate == Fate::Lost || (unreachable && call.is_multiple_of(2));
        if fate == Fate::Refused || lost || unreachable {
            self.log.add(self.now, None, What::Executed { call, op, did: Did::Refused });
            if !lost {
                let at = self.now + self.latency();
                self.later(at, Action::Return { call, result: Err(Unreachable) });
            }
            return;
        }
        let did = R::execute(&mut self.service, &op, self.now, process);
        self.watch(&op, did);
        let renews = matches!(op, Op::Renew(..));
        self.log.add(self.now, None, What::Executed { call, op, did });
        for what in R::happened(&mut self.service) {
            self.log.add(self.now, None, what);
        }
        let mut at = self.now + self.latency();
        if self.plan.degrades && renews && self.chance(200) {
            at += self.below(self.plan.lease);
            let until = self.now + 2 * self.plan.lease;
            self.slots[process].partitioned_until = until;
            self.log.add(self.now, Some(process), What::Partitioned { until });
        }
        match fate {
            Fate::LostResult => R::unreceived(&mut self.service, did),
            Fate::ErrorAfterwards => {
                R::unreceived(&mut self.service, did);
                self.later(at, Action::Return { call, result: Err(Unreachable) });
            }
            Fate::SlowResult => {
                let at = at + self.slowness();
                self.later(at, Action::Return { call, result: Ok(did) });
            }
            _ => self.later(at, Action::Return { call, result: Ok(did) }),
        }
    }

    pub(super) fn fate(&mut self) -> Fate {
        if !self.chance(self.plan.store_faults) {
            return Fate::Fine;
        }
        let fates = [
            Fate::Refused,
            Fate::ErrorAfterwards,
            Fate::Lost,
            Fate::LostResult,
            Fate::Slow,
            Fate::SlowResult,
        ];
        one_of(&mut self.random, &fates)
    }

    /// Returns a delay that can be longer than a lease.
    pub(super) fn slowness(&mut self) -> Millis {
        let limit = one_of(&mut self.random, &[SECOND, 10 * SECOND, self.plan.lease * 2]);
        self.below(limit)
    }

    pub(super) fn disaster(&mut self, process: usize) {
        if self.shared.calm.load(Ordering::Relaxed) {
            return;
        }
        let time =
            one_of(&mut self.random, &[200, 2 * SECOND, 20 * SECOND, 2 * MINUTE, 10 * MINUTE, 3 * HOUR]);
        let time = 1 + self.below(time);
        let Some(it) = &mut self.slots[process].process else { return };
        let at = self.now.max(it.now);
        match self.random.below(6) {
            0 | 1 => {
                self.log.add(at, Some(process), What::Crashed);
                self.end(process, at, "the connection was reset");
                self.later(at + time, Action::Restart { process });
            }
            2 if self.plan.suspends => {
                self.log.add(at, Some(process), What::Suspended { until: at + time });
                it.pause(at - it.now);
                it.suspend(time);
            }
            2 => {
                self.log.add(at, Some(process), What::Paused { until: at + time });
                it.pause(at + time - it.now);
            }
            3 => {
                self.slots[process].partitioned_until = at + time;
                self.log.add(at, Some(process), What::Partitioned { until: at + time });
            }
            4 => {
                self.service_down_until = self.now + time;
                R::disconnected(&mut self.service, None);
                self.log.add(self.now, None, What::StoreDown { until: self.now + time });
            }
            _ if self.slots[process].stopping => {}
            _ => {
                self.log.add(at, Some(process), What::Stopping);
                self.slots[process].stopping = true;
                self.catch_up(process);
                let Some(it) = &self.slots[process].process else { return };
                let app = it.app.clone();
                it.spawn(move |local| async move {
                    R::shutdown(app, Duration::from_millis(time.min(MINUTE))).await;
                    local.emit(Emission::Stopped);
                });
            }
        }
    }
}
