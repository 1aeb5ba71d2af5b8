//! Orders of arrival, which differ from the order in which the events occurred.

use super::event::HistoryEvent;
use super::random::Random;
use crate::delivery::Delivery;

/// An order in which a history's events arrive. The same seed produces the same order.
///
/// ```
/// use clerk_webhook_test::History;
///
/// let history = History::builder().seed(7).events(100).build();
/// let arrivals = history.arrivals(1).shuffled().duplicated(3);
/// assert_eq!(arrivals.events().count(), 300);
/// let ids = arrivals.events().map(|event| event.message_id());
/// assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), 100);
/// ```
#[derive(Clone, Debug)]
pub struct Arrivals<'h> {
    events: Vec<&'h HistoryEvent>,
    random: Random,
}

impl<'h> Arrivals<'h> {
    pub(super) fn new(events: &'h [HistoryEvent], seed: u64) -> Self {
        Self { events: events.iter().collect(), random: Random::new(seed) }
    }

    /// Shuffles the events.
    #[must_use]
    pub fn shuffled(mut self) -> Self {
        self.random.shuffle(&mut self.events);
        self
    }

    /// Shuffles the events so that no event overtakes more than `window` others.
    #[must_use]
    pub fn shuffled_within(mut self, window: usize) -> Self {
        let mut places = Vec::with_capacity(self.events.len());
        for (place, event) in self.events.into_iter().enumerate() {
            // Events with the same place are ordered randomly.
            places.push((place + self.random.index(window + 1), self.random.bits(), event));
        }
        places.sort_by_key(|(place, lot, _)| (*place, *lot));
        self.events = places.into_iter().map(|(.., event)| event).collect();
        self
    }

    /// Duplicates the events, so that each event arrives `copies` times in total.
    ///
    /// Half of the copies arrive immediately after the original, the others at random later places.
    #[must_use]
    pub fn duplicated(mut self, copies: usize) -> Self {
        let length = self.events.len();
        let mut places = Vec::with_capacity(length * copies);
        for (place, event) in self.events.into_iter().enumerate() {
            for copy in 0..copies {
                let at_once = copy == 0 || self.random.percent(50);
                let later = if at_once { 0 } else { self.random.index(length - place) };
                places.push((place + later, event));
            }
        }
        places.sort_by_key(|(place, _)| *place);
        self.events = places.into_iter().map(|(_, event)| event).collect();
        self
    }

    /// Returns the events in order of arrival.
    pub fn events(&self) -> impl ExactSizeIterator<Item = &'h HistoryEvent> + '_ {
        self.events.iter().copied()
    }

    /// Returns the deliveries in order of arrival. Each delivery is signed when the iterator returns it.
    pub fn deliveries(&self) -> impl ExactSizeIterator<Item = Delivery> + '_ {
        self.events().map(HistoryEvent::delivery)
    }

    /// Distributes the events round-robin to several concurrent receivers.
    ///
    /// # Panics
    ///
    /// Panics if `receivers` is 0.
    #[must_use]
    pub fn dealt(&self, receivers: usize) -> Vec<Vec<&'h HistoryEvent>> {
        assert!(receivers > 0, "the number of receivers must be greater than 0");
        (0..receivers).map(|first| self.events().skip(first).step_by(receivers).collect()).collect()
    }
}
