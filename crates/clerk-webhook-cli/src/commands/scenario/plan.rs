//! The order of the deliveries.

use std::collections::BTreeMap;

use clerk_webhook_test::HistoryEvent;
use clerk_webhook_test::HistoryStream;

use super::random::Random;

/// The maximum delay of a copy without `--shuffle`, in messages.
const LATE: u64 = 100;

/// The deliveries of a history, in the order of their first attempts.
///
/// Keeps only delayed deliveries in memory.
pub(super) struct Plan {
    history: HistoryStream,
    /// The number of the next message.
    next: u64,
    window: Option<u32>,
    copies: u32,
    random: Random,
    /// The deliveries that wait for their turn, ordered by place, then by a random number. Copies that are sent
    /// together share the random number.
    waiting: BTreeMap<(u64, u64, u64, u32), PlannedDelivery>,
}

/// A copy of a message.
#[derive(Clone, Debug)]
pub(super) struct PlannedDelivery {
    /// The position of the message in the history, counted from 0.
    pub(super) message: u64,
    /// The number of the copy, counted from 1.
    pub(super) copy: u32,
    pub(super) event: HistoryEvent,
}

impl Plan {
    /// Plans the copies of each message, each delayed by up to `window` messages.
    pub(super) fn new(history: HistoryStream, seed: u64, window: Option<u32>, copies: u32) -> Self {
        Self { history, next: 0, window, copies, random: Random::new(seed), waiting: BTreeMap::new() }
    }

    pub(super) fn copies(&self) -> u32 {
        self.copies
    }

    fn add(&mut self, event: &HistoryEvent) {
        let message = self.next;
        self.next += 1;
        let first = self.turn(message);
        for copy in 1..=self.copies {
            let (place, lot) = if copy == 1 || self.random.below(2) == 0 {
                first
            } else if self.window.is_some() {
                self.turn(message)
            } else {
                (message + 1 + self.random.below(LATE), message)
            };
            let planned = PlannedDelivery { message, copy, event: event.clone() };
            self.waiting.insert((place, lot, message, copy), planned);
        }
    }

    fn turn(&mut self, message: u64) -> (u64, u64) {
        match self.window {
            Some(window) => (message + self.random.below(u64::from(window) + 1), self.random.bits()),
            None => (message, message),
        }
    }
}

impl Iterator for Plan {
    type Item = PlannedDelivery;

    fn next(&mut self) -> Option<PlannedDelivery> {
        // The place of every later message is at least `next`, so a waiting delivery with a smaller place is
        // sent before them.
        while self.waiting.first_key_value().is_none_or(|((place, ..), _)| *place >= self.next) {
            let Some(event) = self.history.next() else { break };
            self.add(&event);
        }
        self.waiting.pop_first().map(|(_, planned)| planned)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use clerk_webhook_test::History;

    use super::*;

    fn plan(events: usize, window: Option<u32>, copies: u32) -> Vec<(u64, u32)> {
        let history = History::builder().seed(1).events(events).stream();
        Plan::new(history, 1, window, copies).map(|planned| (planned.message, planned.copy)).collect()
    }

    #[test]
    fn sends_messages_in_order_by_default() {
        assert_eq!(plan(50, None, 1), (0..50).map(|message| (message, 1)).collect::<Vec<_>>());
    }

    #[test]
    fn sends_copies_immediately_and_later() {
        let plan = plan(300, None, 3);
        assert_eq!(plan.len(), 900);
        let mut last = HashMap::new();
        let (mut at_once, mut later) = (0, 0);
        for (place, (message, copy)) in plan.iter().enumerate() {
            match last.insert(message, place) {
                None => assert_eq!(*copy, 1, "the first copy is sent first"),
                Some(before) if before + 1 == place => at_once += 1,
                Some(before) => {
                    assert!(place - before < 3 * (LATE as usize + 1));
                    later += 1;
                }
            }
        }
        assert!(at_once > 100 && later > 100, "{at_once} {later}");
        let firsts = plan.iter().filter(|(_, copy)| *copy == 1);
        assert!(firsts.map(|(message, _)| message).is_sorted());
    }

    #[test]
    fn sends_copies_immediately_if_messages_are_shuffled() {
        let plan = plan(300, Some(5), 2);
        let at_once = plan.windows(2).filter(|pair| pair[0].0 == pair[1].0).count();
        assert!((120..220).contains(&at_once), "{at_once}");
        assert_eq!(plan.len(), 600);
    }

    #[test]
    fn shuffles_within_the_window() {
        let order: Vec<u64> = plan(500, Some(20), 1).into_iter().map(|(message, _)| message).collect();
        assert!(!order.is_sorted());
        for (place, message) in order.iter().enumerate() {
            let overtaken = order[place..].iter().filter(|other| *other < message).count();
            assert!(overtaken <= 20, "{message} overtakes {overtaken}");
        }
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..500).collect::<Vec<_>>());
        assert_eq!(order, plan(500, Some(20), 1).into_iter().map(|(message, _)| message).collect::<Vec<_>>());
    }
}
