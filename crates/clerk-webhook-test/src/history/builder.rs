//! Histories, and what they are made from.

use clerk_webhook_core::Timestamp;

use super::arrivals::Arrivals;
use super::event::HistoryEvent;
use super::scenario::Scenario;
use super::story::Story;
use super::truth::Truth;
use crate::delivery::Delivery;

/// When a history begins unless it is told otherwise: 2026-01-01T00:00:00Z.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// The events of some lives: people who sign up, change, join organizations, leave, come back, are deleted.
///
/// The same seed makes the same bytes, on every machine and in every later version of the same minor version.
/// The events are coherent: ids are the same throughout, nothing is told of an object before its creation or
/// after its deletion, and times rise. And they have in them what makes it hard to keep a copy of Clerk's
/// objects:
///
/// - `timestamp` of the envelope comes some milliseconds after the change;
/// - the deletion of a membership does not touch its `updated_at`: when it ended says only the envelope;
/// - of the memberships of a deleted user or organization some are not said to have ended;
/// - who joins again has a membership with another id;
/// - the organization inside of a membership lacks `private_metadata` and `created_by`, and can have a later
///   `updated_at` than the last event of the organization itself;
/// - a user is created with an `updated_at` a little after `created_at`;
/// - the primary e-mail address is often not the first, sometimes there is none, and an address can move to
///   another user;
/// - with [`ties`](HistoryBuilder::ties), two versions of an object have the same `updated_at`.
///
/// ```
/// use clerk_webhook_test::{History, Scenario};
///
/// let history = History::builder().scenario(Scenario::Team).seed(7).events(200).build();
/// assert_eq!(history.events().len(), 200);
///
/// // A copy that is kept by these arrivals has to be what Clerk holds at the end.
/// let arrivals = history.arrivals(1).shuffled().duplicated(2);
/// assert_eq!(arrivals.events().count(), 400);
/// assert!(history.truth().users().len() > 1);
/// ```
#[derive(Clone, Debug)]
pub struct History {
    events: Vec<HistoryEvent>,
}

impl History {
    /// Begins with a history of 250 events of all types.
    pub fn builder() -> HistoryBuilder {
        HistoryBuilder {
            scenario: Scenario::All,
            seed: 0,
            length: Length::Events(250),
            start: START,
            ties: false,
        }
    }

    /// Returns the events in the order in which they happened.
    #[must_use]
    pub fn events(&self) -> &[HistoryEvent] {
        &self.events
    }

    /// Returns a delivery of each event in the order in which they happened, signed when it is asked for.
    pub fn deliveries(&self) -> impl ExactSizeIterator<Item = Delivery> + '_ {
        self.events.iter().map(HistoryEvent::delivery)
    }

    /// Returns an order in which they arrive; as long as it is told nothing else, that in which they
    /// happened.
    #[must_use]
    pub fn arrivals(&self, seed: u64) -> Arrivals<'_> {
        Arrivals::new(&self.events, seed)
    }

    /// Returns what Clerk holds at the end.
    #[must_use]
    pub fn truth(&self) -> Truth {
        Truth::of(&self.events)
    }

    /// Returns what Clerk held after so many events; after all of them where there are no more.
    #[must_use]
    pub fn truth_after(&self, events: usize) -> Truth {
        Truth::of(&self.events[..events.min(self.events.len())])
    }
}

/// Says what a [`History`] is to be.
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
    /// Sets what it is about.
    pub fn scenario(self, scenario: Scenario) -> Self {
        Self { scenario, ..self }
    }

    /// Sets what makes it different from others; the same seed makes the same history.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Ends it after so many events.
    pub fn events(self, events: usize) -> Self {
        Self { length: Length::Events(events), ..self }
    }

    /// Ends it some time after so many people have signed up, twice as many events later.
    pub fn users(self, users: usize) -> Self {
        Self { length: Length::Users(users), ..self }
    }

    /// Sets when it begins; the default is the same for ever, as 2026-01-01T00:00:00Z.
    pub fn start(self, start: Timestamp) -> Self {
        Self { start, ..self }
    }

    /// Lets a third of the changes have the `updated_at` of the version before, and only a later envelope.
    pub fn ties(self, ties: bool) -> Self {
        Self { ties, ..self }
    }

    /// Makes the whole history.
    #[must_use]
    pub fn build(self) -> History {
        History { events: self.stream().collect() }
    }

    /// Makes the events of the history one by one, for histories that need not be there at once.
    pub fn stream(self) -> HistoryStream {
        let story = Story::new(self.scenario, self.seed, self.start, self.ties);
        let after_the_last = match self.length {
            Length::Events(_) => 0,
            Length::Users(users) => users.saturating_mul(2),
        };
        HistoryStream { story, length: self.length, made: 0, after_the_last }
    }
}

/// The events of a history, made one by one.
///
/// It needs memory for what is at Clerk at the time, but not for what has happened.
#[derive(Debug)]
pub struct HistoryStream {
    story: Story,
    length: Length,
    made: usize,
    /// How many more there are once the last one has signed up.
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
