//! The state at Clerk at one point in a history.

use clerk_webhook_core::Timestamp;

use super::access::Access;
use super::event_log::EventLog;
use super::person::Person;
use super::pool::Pool;
use super::scenario::Scenario;
use super::session::Session;
use super::subscription::Subscription;
use super::team::Organization;

/// People and their objects.
#[derive(Debug)]
pub(super) struct World {
    pub(super) log: EventLog,
    pub(super) people: Pool<Person>,
    pub(super) organizations: Pool<Organization>,
    pub(super) sessions: Pool<Session>,
    pub(super) subscriptions: Pool<Subscription>,
    pub(super) access: Access,
    /// The total number of sign-ups.
    pub(super) sign_ups: usize,
    /// The last number that was used for a unique name.
    numbers: usize,
    scenario: Scenario,
}

impl World {
    pub(super) fn new(scenario: Scenario, seed: u64, start: Timestamp, ties: bool) -> Self {
        Self {
            log: EventLog::new(seed, start, ties),
            people: Pool::default(),
            organizations: Pool::default(),
            sessions: Pool::default(),
            subscriptions: Pool::default(),
            access: Access::default(),
            sign_ups: 0,
            numbers: 0,
            scenario,
        }
    }

    /// Returns whether the history contains session events.
    pub(super) fn has_sessions(&self) -> bool {
        matches!(self.scenario, Scenario::SignUp | Scenario::All)
    }

    /// Returns a new unique number.
    pub(super) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }
}
