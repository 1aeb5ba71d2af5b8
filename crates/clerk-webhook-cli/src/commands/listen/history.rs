//! The latest deliveries, and the relations between them.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::change::compare;
use super::delivery::ReceivedDelivery;
use super::verdict::Origin;

/// The maximum size of all deliveries in the history, in bytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// The number of message ids that are remembered, to count repeated deliveries.
const MAX_IDS: usize = 20_000;

/// The latest deliveries.
#[derive(Debug)]
pub(super) struct History {
    inner: Mutex<Inner>,
    latest: watch::Sender<u64>,
    limit: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Inner {
    kept: VecDeque<Arc<ReceivedDelivery>>,
    weight: usize,
    count: u64,
    outcomes: BTreeMap<&'static str, u64>,
    seen: Seen,
}

/// The number of deliveries of each message.
#[derive(Debug, Default)]
struct Seen {
    counts: HashMap<String, u64>,
    order: VecDeque<String>,
}

impl History {
    pub(super) fn new(limit: usize) -> Self {
        Self { inner: Mutex::default(), latest: watch::Sender::new(0), limit, max_bytes: MAX_BYTES }
    }

    /// Adds a delivery, and relates it to the earlier ones.
    pub(super) fn add(&self, mut delivery: ReceivedDelivery) -> Arc<ReceivedDelivery> {
        let mut inner = self.lock();
        inner.count += 1;
        delivery.number = inner.count;
        *inner.outcomes.entry(delivery.outcome).or_default() += 1;
        // A forged delivery says nothing about the message or the object that it names.
        if delivery.origin != Origin::Refused {
            if let Some(id) = &delivery.id {
                delivery.seen = inner.seen.count(id);
            }
            relate(&mut delivery, &inner.kept);
        }
        let delivery = Arc::new(delivery);
        inner.weight += delivery.weight();
        inner.kept.push_back(Arc::clone(&delivery));
        while inner.kept.len() > self.limit || (inner.weight > self.max_bytes && inner.kept.len() > 1) {
            let Some(oldest) = inner.kept.pop_front() else { break };
            inner.weight -= oldest.weight();
        }
        drop(inner);
        self.latest.send_replace(delivery.number);
        delivery
    }

    /// Returns the deliveries whose numbers are greater than this one, oldest first.
    pub(super) fn after(&self, number: u64) -> Vec<Arc<ReceivedDelivery>> {
        let inner = self.lock();
        let from = inner.kept.partition_point(|delivery| delivery.number <= number);
        inner.kept.range(from..).cloned().collect()
    }

    /// Returns the maximum number of deliveries in the history.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn find(&self, number: u64) -> Option<Arc<ReceivedDelivery>> {
        let inner = self.lock();
        inner
            .kept
            .binary_search_by_key(&number, |delivery| delivery.number)
            .ok()
            .map(|at| Arc::clone(&inner.kept[at]))
    }

    /// Returns a receiver that yields the number of the latest delivery.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.latest.subscribe()
    }

    /// Returns the number of deliveries with each outcome, including deliveries that were dropped.
    pub(super) fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.lock().outcomes.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Compares a delivery with the earlier versions of the same object.
fn relate(delivery: &mut ReceivedDelivery, kept: &VecDeque<Arc<ReceivedDelivery>>) {
    let Some(object) = &delivery.object else { return };
    let others = kept.iter().filter_map(|other| {
        let known = other.object.as_ref().filter(|known| known.is_same(object))?;
        (other.origin != Origin::Refused && other.id != delivery.id).then_some((other, known))
    });
    let others: Vec<_> = others.collect();
    // If several deliveries have the newest version, `max_by_key` returns the last of them.
    let newest = others.iter().max_by_key(|(_, known)| known.version);
    delivery.after_deletion = !object.deleted && others.iter().any(|(_, known)| known.deleted);
    let overtaken = newest.and_then(|(_, known)| known.version?.checked_sub(object.version?));
    delivery.overtaken_by_ms = overtaken.filter(|millis| *millis > 0 && delivery.seen == 1);
    let before = others.iter().filter(|(_, known)| known.version <= object.version);
    let Some((previous, known)) = before.max_by_key(|(_, known)| known.version) else { return };
    if delivery.seen > 1 || known.deleted || object.deleted {
        return;
    }
    delivery.previous = Some(previous.number);
    if let (Some(before), Some(after)) = (previous.json(), delivery.json()) {
        delivery.changes = compare(&before, &after);
    }
}

impl Seen {
    /// Counts a delivery of a message, and returns the new count.
    fn count(&mut self, id: &str) -> u64 {
        if let Some(count) = self.counts.get_mut(id) {
            *count += 1;
            return *count;
        }
        if self.order.len() == MAX_IDS
            && let Some(oldest) = self.order.pop_front()
        {
            self.counts.remove(&oldest);
        }
        self.order.push_back(id.to_owned());
        self.counts.insert(id.to_owned(), 1);
        1
    }
}

#[cfg(test)]
mod tests {
    use clerk_webhook_core::{SigningSecret, Timestamp};
    use clerk_webhook_test::{Delivery as Signed, SECRET, fixture};

    use super::super::verdict::Judge;
    use super::*;
    use crate::capture::Capture;

    fn received(signed: &Signed) -> ReceivedDelivery {
        let judge = Judge::new(vec![SigningSecret::parse(SECRET).unwrap()], 1 << 20).unwrap();
        let headers = signed.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into()));
        let capture = Capture {
            place: String::new(),
            target: Some("/".to_owned()),
            headers: headers.collect(),
            body: signed.body(),
            ..Capture::default()
        };
        let verdict = judge.judge(&capture);
        ReceivedDelivery::new(capture, Timestamp::now(), verdict)
    }

    fn user(id: &str, first_name: &str, updated_at: i64) -> Signed {
        let signed = Signed::of(fixture::user_updated()).id(id);
        signed.set("/data/first_name", first_name).set("/data/updated_at", updated_at)
    }

    fn paths(delivery: &ReceivedDelivery) -> Vec<&str> {
        delivery.changes.list.iter().map(|change| change.path.as_str()).collect()
    }

    #[test]
    fn compares_a_version_with_the_previous_one() {
        let history = History::new(10);
        let first = history.add(received(&user("msg_1", "Ada", 1000)));
        assert_eq!((first.number, first.previous, first.overtaken_by_ms), (1, None, None));
        let third = history.add(received(&user("msg_3", "Cleo", 3000)));
        assert_eq!((third.previous, paths(&third)), (Some(1), vec!["first_name", "updated_at"]));
        // The second version arrives late. Its previous version is the first one, and the third one is newer.
        let second = history.add(received(&user("msg_2", "Ada", 2000)));
        assert_eq!((second.previous, second.overtaken_by_ms), (Some(1), Some(1000)));
        assert_eq!(paths(&second), ["updated_at"]);
        // A repeated delivery is not compared with earlier versions.
        let again = history.add(received(&user("msg_2", "Ada", 2000)));
        assert_eq!((again.seen, again.previous, again.overtaken_by_ms), (2, None, None));
        // Another object has no previous version.
        let other = history.add(received(&user("msg_4", "Bob", 4000).set("/data/id", "user_2")));
        assert_eq!((other.previous, other.changes.list.is_empty()), (None, true));
    }

    #[test]
    fn marks_a_change_after_the_deletion() {
        let history = History::new(10);
        let user_id = "user_1";
        history.add(received(&user("msg_1", "Ada", 1000).set("/data/id", user_id)));
        let deleted = Signed::of(fixture::user_deleted()).id("msg_2").set("/data/id", user_id);
        let deleted = history.add(received(&deleted));
        assert!(deleted.object.as_ref().unwrap().deleted && deleted.changes.list.is_empty());
        let late = history.add(received(&user("msg_3", "Ada", 2000).set("/data/id", user_id)));
        assert!(late.after_deletion);
    }

    #[test]
    fn forged_deliveries_do_not_affect_later_ones() {
        let history = History::new(10);
        let forged = history.add(received(&user("msg_1", "Eve", 9000).altered()));
        assert_eq!((forged.origin, forged.object.as_ref()), (Origin::Refused, None));
        let right = history.add(received(&user("msg_1", "Ada", 1000)));
        assert_eq!((right.seen, right.previous, right.overtaken_by_ms), (1, None, None));
    }

    #[test]
    fn keeps_the_latest_deliveries() {
        let history = History::new(2);
        let watch = history.watch();
        for index in 1..=3 {
            history.add(received(&user(&format!("msg_{index}"), "Ada", index)));
        }
        assert_eq!(*watch.borrow(), 3);
        let numbers = |after| history.after(after).iter().map(|kept| kept.number).collect::<Vec<_>>();
        assert_eq!((numbers(0), numbers(2), numbers(9)), (vec![2, 3], vec![3], vec![]));
        assert!(history.find(1).is_none() && history.find(4).is_none());
        assert_eq!(history.find(2).unwrap().id.as_deref(), Some("msg_2"));
        assert_eq!(history.outcomes(), BTreeMap::from([("processed", 3)]));
    }

    #[test]
    fn limits_the_size_of_the_history() {
        let history = History { max_bytes: 100_000, ..History::new(1000) };
        for index in 0..40 {
            history.add(received(&user(&format!("msg_{index}"), &"x".repeat(10_000), index)));
        }
        let kept = history.after(0);
        assert!(kept.iter().map(|kept| kept.weight()).sum::<usize>() <= 100_000 && kept.len() > 4);
        // The latest delivery is kept even if it exceeds the limit.
        let last = history.add(received(&user("msg_last", &"x".repeat(200_000), 41)));
        let kept = history.after(0);
        assert_eq!(kept.iter().map(|kept| kept.number).collect::<Vec<_>>(), [last.number]);
    }
}
