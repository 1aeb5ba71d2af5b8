//! Chooses a history's actions.

use clerk_webhook_core::Timestamp;

use super::actions::Action;
use super::event::HistoryEvent;
use super::scenario::Scenario;
use super::world::World;

/// Chooses the next action in a world.
#[derive(Debug)]
pub(super) struct Story {
    world: World,
    scenario: Scenario,
    /// The actions that must occur once before random actions begin.
    tour: Vec<Action>,
}

impl Story {
    pub(super) fn new(scenario: Scenario, seed: u64, start: Timestamp, ties: bool) -> Self {
        let mut world = World::new(scenario, seed, start, ties);
        let mut tour = match scenario {
            Scenario::All => Action::ALL.to_vec(),
            _ => Vec::new(),
        };
        world.log.random.shuffle(&mut tour);
        Self { world, scenario, tour }
    }

    /// Returns the number of sign-ups so far.
    pub(super) fn sign_ups(&self) -> usize {
        self.world.sign_ups
    }

    /// Performs actions until an event exists, and returns the event. `sign_ups` allows further sign-ups.
    pub(super) fn next_event(&mut self, sign_ups: bool) -> HistoryEvent {
        loop {
            if let Some(event) = self.world.log.take() {
                return event;
            }
            let action = self.tour.pop().unwrap_or_else(|| self.choose());
            if action == Action::SignUp && !sign_ups && self.world.people.len() > 1 {
                continue;
            }
            self.world.act(action);
        }
    }

    fn choose(&mut self) -> Action {
        // Other actions need at least two people.
        if self.world.people.len() < 2 {
            return Action::SignUp;
        }
        let weights = self.scenario.weights();
        let total = weights.iter().map(|(_, weight)| weight).sum();
        let mut drawn = self.world.log.random.below(total);
        let chosen = weights.iter().find(|(_, weight)| {
            let found = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            found
        });
        chosen.map_or(Action::SignUp, |(action, _)| *action)
    }
}
