//! The order in which events arrive, which is not that in which they happened.

use super::event::HistoryEvent;
use super::random::Random;
use crate::delivery::Delivery;

/// An order in which the events of a history arrive; the same for a seed.
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

    /// Lets them arrive in any order.
    #[must_use]
    pub fn shuffled(mut self) -> Self {
        self.random.shuffle(&mut self.events);
        self
    }

    /// Lets them arrive in an order in which nothing overtakes more than so many others.
    #[must_use]
    pub fn shuffled_within(mut self, window: usize) -> Self {
        let mut places = Vec::with_capacity(self.events.len());
        for (place, event) in self.events.into_iter().enumerate() {
            // Of what comes to the same place, chance says which is first.
            places.push((place + self.random.index(window + 1), self.random.bits(), event));
        }
        places.sort_by_key(|(place, lot, _)| (*place, *lot));
        self.events = places.into_iter().map(|(.., event)| event).collect();
        self
    }

    /// Lets each arrive so many times in all: half of the copies at once, the others anywhere later.
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

    /// Returns them in the order in which they arrive.
    pub fn events(&self) -> impl ExactSizeIterator<Item = &'h HistoryEvent> + '_ {
        self.events.iter().copied()
    }

    /// Returns deliveries in the order in which they arrive, each signed when it is asked for.
    pub fn deliveries(&self) -> impl ExactSizeIterator<Item = Delivery> + '_ {
        self.events().map(HistoryEvent::delivery)
    }

    /// Deals them out to receivers that work at the same time; each gets its part in the order in which it
    /// arrives.
    ///
    /// # Panics
    ///
    /// Panics where there are no receivers.
    #[must_use]
    pub fn dealt(&self, receivers: usize) -> Vec<Vec<&'h HistoryEvent>> {
        assert!(receivers > 0, "somebody has to receive them");
        (0..receivers).map(|first| self.events().skip(first).step_by(receivers).collect()).collect()
    }
}
