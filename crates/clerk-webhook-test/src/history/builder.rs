//! Histories and their builder.

use clerk_webhook_core::Timestamp;

use super::arrivals::Arrivals;
use super::event::HistoryEvent;
use super::scenario::Scenario;
use super::story::Story;
use super::truth::Truth;
use crate::delivery::Delivery;

/// The default start of a history: 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A consistent sequence of events: people sign up, join organizations, change, leave, return and are
/// deleted.
///
/// The same seed produces the same bytes on every machine and in every patch release of a minor version. Ids
/// are consistent, no event describes an object before its creation or after its deletion, and times
/// increase.
///
/// A history contains the cases that make it hard to maintain a copy of Clerk's objects:
///
/// - the `timestamp` of the envelope is some milliseconds after the change;
/// - the deletion of a membership does not change its `updated_at`, so only the envelope contains the time of
///   the deletion;
/// - some memberships of a deleted user or organization have no deletion event;
/// - a user who joins an organization again has a membership with another id;
/// - the organization inside a membership lacks `private_metadata` and `created_by`, and can have a later
///   `updated_at` than the last event of the organization;
/// - a new user has an `updated_at` shortly after `created_at`;
/// - the primary email address is often not the first one and sometimes missing, and an address can move to
///   another user;
/// - with [`ties`](HistoryBuilder::ties), two versions of an object have the same `updated_at`.
///
/// ```
/// use clerk_webhook_test::{History, Scenario};
///
/// let history = History::builder().scenario(Scenario::Team).seed(7).events(200).build();
/// assert_eq!(history.events().len(), 200);
///
/// // A copy that is built from these arrivals must be equal to the final state at Clerk.
/// let arrivals = history.arrivals(1).shuffled().duplicated(2);
/// assert_eq!(arrivals.events().count(), 400);
/// assert!(history.truth().users().len() > 1);
/// ```
#[derive(Clone, Debug)]
pub struct History {
    events: Vec<HistoryEvent>,
}

impl History {
    /// Returns a builder. The default is a history of 250 events of all types with the seed 0.
    pub fn builder() -> HistoryBuilder {
        HistoryBuilder {
            scenario: Scenario::All,
            seed: 0,
            length: Length::Events(250),
            start: START,
            ties: false,
        }
    }

    /// Returns the events in the order in which they occurred.
    #[must_use]
    pub fn events(&self) -> &[HistoryEvent] {
        &self.events
    }

    /// Returns a delivery of each event in the order in which the events occurred.
    ///
    /// Each delivery is signed when the iterator returns it.
    pub fn deliveries(&self) -> impl ExactSizeIterator<Item = Delivery> + '_ {
        self.events.iter().map(HistoryEvent::delivery)
    }

    /// Returns an order of arrival, which is initially the order in which the events occurred.
    ///
    /// The seed determines the results of [`Arrivals::shuffled`] and the other methods.
    #[must_use]
    pub fn arrivals(&self, seed: u64) -> Arrivals<'_> {
        Arrivals::new(&self.events, seed)
    }

    /// Returns the final state at Clerk.
    #[must_use]
    pub fn truth(&self) -> Truth {
        Truth::of(&self.events)
    }

    /// Returns the state at Clerk after this many events, or the final state if the history is shorter.
    #[must_use]
    pub fn truth_after(&self, events: usize) -> Truth {
        Truth::of(&self.events[..events.min(self.events.len())])
    }
}

/// A builder for a [`History`].
#[derive(Clone, Debug)]
#[must_use]
pub struct HistoryBuilder {
    scenario: Scenario,
    seed: u64,
    length: Length,
    start: Timestamp,
    ties: bool,
}

#[derive(Clone, Copy, Debug)]
enum Length {
    Events(usize),
    Users(usize),
}

impl HistoryBuilder {
    /// Sets the scenario. The default is [`Scenario::All`].
    pub fn scenario(self, scenario: Scenario) -> Self {
        Self { scenario, ..self }
    }

    /// Sets the seed. The same seed produces the same history. The default is 0.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Ends the history after this many events. The default is 250.
    pub fn events(self, events: usize) -> Self {
        Self { length: Length::Events(events), ..self }
    }

    /// Ends the history `2 * users` events after this many users have signed up.
    pub fn users(self, users: usize) -> Self {
        Self { length: Length::Users(users), ..self }
    }

    /// Sets the start time. The default is 2026-01-01T00:00:00Z.
    pub fn start(self, start: Timestamp) -> Self {
        Self { start, ..self }
    }

    /// Sets whether a third of the changes keep the `updated_at` of the previous version. The default is
    /// `false`.
    ///
    /// The envelope of such a change still has a later time.
    pub fn ties(self, ties: bool) -> Self {
        Self { ties, ..self }
    }

    /// Builds the complete history.
    #[must_use]
    pub fn build(self) -> History {
        History { events: self.stream().collect() }
    }

    /// Returns an iterator that creates the events one by one, for histories that are too large for memory.
    pub fn stream(self) -> HistoryStream {
        let story = Story::new(self.scenario, self.seed, self.start, self.ties);
        let after_the_last = match self.length {
            Length::Events(_) => 0,
            Length::Users(users) => users.saturating_mul(2),
        };
        HistoryStream { story, length: self.length, made: 0, after_the_last }
    }
}

/// An iterator that creates a history's events one by one.
///
/// It needs memory for the current state at Clerk, but not for past events.
#[derive(Debug)]
pub struct HistoryStream {
    story: Story,
    length: Length,
    made: usize,
    /// The number of events that follow the last sign-up.
    after_the_last: usize,
}

impl Iterator for HistoryStream {
    type Item = HistoryEvent;

    fn next(&mut self) -> Option<HistoryEvent> {
        let sign_ups = match self.length {
            Length::Events(events) if self.made >= events => return None,
            Length::Events(_) => true,
            Length::Users(users) if self.story.sign_ups() < users => true,
            Length::Users(_) => {
                self.after_the_last = self.after_the_last.checked_sub(1)?;
                false
            }
        };
        self.made += 1;
        Some(self.story.next_event(sign_ups))
    }
}
