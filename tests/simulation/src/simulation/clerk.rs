//! When a sync receives Clerk's events, and when it compares its tables with Clerk's API.

use super::{Action, Simulation};
use crate::history::{Millis, What};
use crate::plan::{DAY, MINUTE};
use crate::receiver::Receiver;

impl<R: Receiver> Simulation<R> {
    /// Returns when the sender sends a message first, or `None` if it never does.
    pub(super) fn first_attempt(&mut self, message: u8) -> Option<Millis> {
        let at = self.below(self.plan.spread + 1);
        match &self.plan.clerk {
            None => Some(at),
            Some(clerk) => clerk.is_sent(message).then(|| clerk.facts()[clerk.event_of(message)].at),
        }
    }

    /// Returns when somebody resends a message whose event occurs at a time.
    pub(super) fn resend_after(&mut self, occurs: Millis) -> Millis {
        let after = self.below(self.plan.resends * DAY);
        if self.plan.clerk.is_some() { occurs + after } else { after }
    }

    /// Returns whether nobody resends a message at the end.
    pub(super) fn is_never_resent(&self, delivery: usize) -> bool {
        let message = self.deliveries[delivery].key.message;
        self.plan.clerk.as_ref().is_some_and(|clerk| clerk.is_never_resent(message))
    }

    pub(super) fn prepare_clerk(&mut self) {
        let Some(clerk) = self.plan.clerk.clone() else { return };
        for fact in clerk.facts() {
            let message = fact.message.filter(|message| clerk.is_sent(*message));
            self.log.add(fact.at, None, What::Occurred { event: fact.to_string(), message });
        }
        for (number, comparison) in clerk.comparisons.iter().enumerate() {
            let process = self.any_process();
            self.later(comparison.at, Action::Compare { process, number });
        }
    }

    pub(super) fn compare(&mut self, process: usize, number: usize) {
        self.catch_up(process);
        if let Some(process) = &self.slots[process].process {
            let app = process.app.clone();
            process.spawn(|_| R::compare(app, number));
        }
        if self.chance(self.plan.disasters) {
            let at = self.now + self.below(2 * MINUTE);
            self.later(at, Action::Disaster { process });
        }
    }

    /// Lets the sync compare its tables when nothing has happened for longer than the grace period.
    pub(super) fn compare_at_the_end(&mut self) {
        let Some(clerk) = self.plan.clerk.clone() else { return };
        let last = clerk.facts().last().map_or(0, |fact| fact.at);
        let at = self.now.max(last) + 11 * MINUTE;
        let process = self.any_process();
        self.later(at, Action::Compare { process, number: clerk.comparisons.len() });
    }
}
