//! All that there is at Clerk at one time of a history.

use clerk_webhook_core::Timestamp;

use super::Scenario;
use super::actions::{Action, Session, Subscription};
use super::chronicle::Chronicle;
use super::event::HistoryEvent;
use super::person::Person;
use super::pool::Pool;
use super::team::Organization;

/// People, what they have, and what happens next.
#[derive(Debug)]
pub(super) struct World {
    pub(super) chronicle: Chronicle,
    pub(super) people: Pool<Person>,
    pub(super) organizations: Pool<Organization>,
    pub(super) sessions: Pool<Session>,
    pub(super) subscriptions: Pool<Subscription>,
    pub(super) access: super::actions::Access,
    /// All that have ever signed up.
    pub(super) sign_ups: usize,
    /// Numbers for what needs a name of its own.
    numbers: usize,
    scenario: Scenario,
    /// What has to happen once before all else.
    tour: Vec<Action>,
}

impl World {
    pub(super) fn new(scenario: Scenario, seed: u64, start: Timestamp, ties: bool) -> Self {
        let mut chronicle = Chronicle::new(seed, start, ties);
        let mut tour = match scenario {
            Scenario::All => Action::ALL.to_vec(),
            _ => Vec::new(),
        };
        chronicle.random.shuffle(&mut tour);
        Self {
            chronicle,
            people: Pool::default(),
            organizations: Pool::default(),
            sessions: Pool::default(),
            subscriptions: Pool::default(),
            access: super::actions::Access::default(),
            sign_ups: 0,
            numbers: 0,
            scenario,
            tour,
        }
    }

    /// Lets the next thing happen, and returns the event; others may sign up, or only those be there who are.
    pub(super) fn next_event(&mut self, sign_ups: bool) -> HistoryEvent {
        loop {
            if let Some(event) = self.chronicle.take() {
                return event;
            }
            let action = self.tour.pop().unwrap_or_else(|| self.choose());
            if action == Action::SignUp && !sign_ups && self.people.len() > 1 {
                continue;
            }
            self.act(action);
        }
    }

    fn choose(&mut self) -> Action {
        // Somebody has to be there for anything to happen.
        if self.people.len() < 2 {
            return Action::SignUp;
        }
        let weights = self.scenario.weights();
        let total = weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.chronicle.random.below(total);
        let chosen = weights.iter().find(|(_, weight)| {
            let found = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            found
        });
        chosen.map_or(Action::SignUp, |(action, _)| *action)
    }

    /// Returns whether sessions are told of.
    pub(super) fn has_sessions(&self) -> bool {
        matches!(self.scenario, Scenario::SignUp | Scenario::All)
    }

    /// Returns a number that nothing else has.
    pub(super) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }
}
