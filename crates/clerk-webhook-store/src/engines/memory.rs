//! The store in the process's memory.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use tokio::time::Instant;

use crate::store::claim::{Claim, Lease, LeaseState, Owner};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;
use crate::store::retention::DEFAULT_RETENTION;

/// Enough for more than two days at 30 deliveries per minute. A full store takes about 40 MB.
const DEFAULT_CAPACITY: usize = 100_000;

/// 100 years: practically unlimited, and small enough to add to an [`Instant`] without overflow.
const LONGEST_LEASE: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A store in this process's memory, for development, tests, and services that run as a single process.
///
/// The deliveries are lost on restart, and other processes do not see them. In both cases, duplicates are
/// handled again. Clones share their deliveries.
///
/// The number of deliveries is limited, to 100,000 by default ([`with_capacity`](Self::with_capacity)). If
/// the store is full, it evicts the delivery whose lease ended earliest. If all deliveries are in progress, a
/// claim returns [`MemoryStoreFull`]. Deliveries also expire after their [`retention`](Self::retention).
///
/// Leases use the monotonic clock, which cannot be set. In a test with Tokio's paused clock, they expire in the
/// test's time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use clerk_webhook_store::{Claim, DeliveryKey, DeliveryStore, LeaseState, MemoryStore, Scope};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let store = MemoryStore::new();
/// let key = DeliveryKey::new(Scope::default(), "msg_1".parse()?);
/// let minute = Duration::from_secs(60);
///
/// let Claim::Acquired(lease) = store.claim(&key, minute).await? else { panic!("already claimed") };
/// assert!(matches!(store.claim(&key, minute).await?, Claim::InProgress { .. }));
/// assert_eq!(store.complete(&lease).await?, LeaseState::Held);
/// assert!(matches!(store.claim(&key, minute).await?, Claim::Duplicate { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    deliveries: Arc<Mutex<Deliveries>>,
}

impl MemoryStore {
    /// Creates an empty store for 100,000 deliveries.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }

    /// Creates an empty store for up to `capacity` deliveries.
    ///
    /// A capacity of 0 is treated as 1. Memory is allocated when deliveries arrive.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { deliveries: Arc::new(Mutex::new(Deliveries::new(capacity.max(1)))) }
    }

    /// Sets the retention: how long the store keeps a delivery after its lease has ended, 30 days by default.
    ///
    /// The setting applies to all clones. Use at least [`MIN_RETENTION`](crate::MIN_RETENTION), 7 days,
    /// except in tests: the sender [retries](clerk_webhook_core::sender::LONGEST_RETRY_PERIOD) for up to 66
    /// hours.
    #[must_use]
    pub fn retention(self, retention: Duration) -> Self {
        self.lock().retention = retention;
        self
    }

    fn lock(&self) -> MutexGuard<'_, Deliveries> {
        // No code panics while it holds this lock.
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl DeliveryStore for MemoryStore {
    type Error = MemoryStoreFull;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Claim, MemoryStoreFull> {
        self.lock().claim(key, lease, Instant::now())
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, MemoryStoreFull> {
        Ok(self.lock().renew(lease, by, Instant::now()))
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, MemoryStoreFull> {
        Ok(self.lock().complete(lease, Instant::now()))
    }

    async fn release(&self, lease: &Lease) -> Result<LeaseState, MemoryStoreFull> {
        Ok(self.lock().release(lease, Instant::now()))
    }

    async fn forget(&self, key: &DeliveryKey) -> Result<bool, MemoryStoreFull> {
        Ok(self.lock().forget(key, Instant::now()))
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> Result<u64, MemoryStoreFull> {
        Ok(self.lock().purge(older_than, limit, Instant::now()))
    }
}

/// The error of a claim if the [`MemoryStore`] is full of deliveries in progress.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStoreFull {
    /// The maximum number of deliveries in the store.
    pub capacity: usize,
}

impl fmt::Display for MemoryStoreFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capacity = self.capacity;
        write!(
            f,
            "the memory store is full: all {capacity} deliveries are in progress. \
             Increase its capacity, or shorten the leases"
        )
    }
}

debug_is_display!(MemoryStoreFull);

impl Error for MemoryStoreFull {}

/// The store's state machine. Its methods receive the current time as an argument.
struct Deliveries {
    capacity: usize,
    retention: Duration,
    entries: HashMap<Arc<DeliveryKey>, Entry>,
    order: Order,
}

struct Entry {
    state: State,
    owner: Owner,
    attempt: u32,
    /// The time at which the lease ends.
    free_at: FreeAt,
}

#[derive(Clone, Copy)]
enum State {
    InProgress,
    Completed(Timestamp),
    Released,
}

impl Deliveries {
    fn new(capacity: usize) -> Self {
        Self {
            capacity,
            retention: DEFAULT_RETENTION,
            entries: HashMap::new(),
            order: Order { unsettled: BTreeMap::new(), completed: VecDeque::new(), moves: 0 },
        }
    }

    fn claim(&mut self, key: &DeliveryKey, lease: Duration, now: Instant) -> Result<Claim, MemoryStoreFull> {
        // Each claim removes at most two old deliveries, so no claim has to wait until many are removed.
        self.purge(self.retention, 2, now);
        let ends = end_of(lease, now);
        let Some(entry) = self.entries.get_mut(key) else {
            self.make_room(now)?;
            let (owner, key) = (Owner::random(), Arc::new(key.clone()));
            let claimed = Lease::new(DeliveryKey::clone(&key), owner, 1);
            let free_at = self.order.insert(ends, Arc::clone(&key));
            self.entries.insert(key, Entry { state: State::InProgress, owner, attempt: 1, free_at });
            return Ok(Claim::Acquired(claimed));
        };
        let is_remembered = !is_older_than(self.retention, entry.free_at.0, now);
        match entry.state {
            State::Completed(at) if is_remembered => Ok(Claim::Duplicate { completed_at: Some(at) }),
            State::InProgress if entry.free_at.0 > now => {
                Ok(Claim::InProgress { retry_after: entry.free_at.0 - now })
            }
            _ => {
                entry.attempt = if is_remembered { entry.attempt.saturating_add(1) } else { 1 };
                (entry.state, entry.owner) = (State::InProgress, Owner::random());
                self.order.move_to(&mut entry.free_at, ends);
                Ok(Claim::Acquired(Lease::new(key.clone(), entry.owner, entry.attempt)))
            }
        }
    }

    fn renew(&mut self, lease: &Lease, by: Duration, now: Instant) -> LeaseState {
        match self.entries.get_mut(lease.key()) {
            Some(entry) if entry.owner == lease.owner() && matches!(entry.state, State::InProgress) => {
                self.order.move_to(&mut entry.free_at, end_of(by, now));
                LeaseState::Held
            }
            _ => LeaseState::Lost,
        }
    }

    fn complete(&mut self, lease: &Lease, now: Instant) -> LeaseState {
        match self.entries.get_mut(lease.key()) {
            Some(entry) if entry.owner == lease.owner() => match entry.state {
                State::InProgress => {
                    entry.state = State::Completed(Timestamp::now());
                    self.order.complete(&mut entry.free_at, now);
                    LeaseState::Held
                }
                State::Completed(_) => LeaseState::Held,
                State::Released => LeaseState::Lost,
            },
            _ => LeaseState::Lost,
        }
    }

    fn release(&mut self, lease: &Lease, now: Instant) -> LeaseState {
        match self.entries.get_mut(lease.key()) {
            Some(entry) if entry.owner == lease.owner() => match entry.state {
                State::InProgress => {
                    entry.state = State::Released;
                    self.order.move_to(&mut entry.free_at, now);
                    LeaseState::Held
                }
                State::Released => LeaseState::Held,
                State::Completed(_) => LeaseState::Lost,
            },
            _ => LeaseState::Lost,
        }
    }

    fn forget(&mut self, key: &DeliveryKey, now: Instant) -> bool {
        let Some(entry) = self.entries.remove(key) else { return false };
        self.order.remove(entry.free_at);
        !is_older_than(self.retention, entry.free_at.0, now)
    }

    /// Removes up to `limit` deliveries whose lease ended at least `older_than` ago.
    fn purge(&mut self, older_than: Duration, limit: u32, now: Instant) -> u64 {
        let mut removed = 0;
        while removed < u64::from(limit) {
            let is_old = |free_at| is_older_than(older_than, free_at, now);
            let Some(first) = self.order.take_first_if(is_old) else { break };
            self.entries.remove(&*first);
            removed += 1;
        }
        removed
    }

    fn make_room(&mut self, now: Instant) -> Result<(), MemoryStoreFull> {
        if self.entries.len() < self.capacity || self.purge(Duration::ZERO, 1, now) == 1 {
            return Ok(());
        }
        Err(MemoryStoreFull { capacity: self.capacity })
    }
}

/// All keys, ordered by the end of the lease. The store removes them from the front.
///
/// Completed deliveries never move and arrive in chronological order, so they are in a queue. The few others
/// are in a sorted map.
struct Order {
    unsettled: BTreeMap<FreeAt, Arc<DeliveryKey>>,
    completed: VecDeque<(FreeAt, Arc<DeliveryKey>)>,
    moves: u64,
}

/// The end of a lease, and a number that makes it unique.
type FreeAt = (Instant, u64);

impl Order {
    fn insert(&mut self, free_at: Instant, key: Arc<DeliveryKey>) -> FreeAt {
        let position = self.next_free_at(free_at);
        self.unsettled.insert(position, key);
        position
    }

    fn move_to(&mut self, position: &mut FreeAt, free_at: Instant) {
        if let Some(key) = self.remove(*position) {
            *position = self.insert(free_at, key);
        }
    }

    fn complete(&mut self, position: &mut FreeAt, now: Instant) {
        if let Some(key) = self.remove(*position) {
            // The threads may acquire the lock in a different order from the one in which they read the
            // clock.
            let latest = self.completed.back().map_or(now, |((free_at, _), _)| now.max(*free_at));
            *position = self.next_free_at(latest);
            self.completed.push_back((*position, key));
        }
    }

    fn remove(&mut self, position: FreeAt) -> Option<Arc<DeliveryKey>> {
        self.unsettled.remove(&position).or_else(|| {
            let index = self.completed.binary_search_by_key(&position, |(position, _)| *position).ok()?;
            self.completed.remove(index).map(|(_, key)| key)
        })
    }

    fn take_first_if(&mut self, is_old: impl Fn(Instant) -> bool) -> Option<Arc<DeliveryKey>> {
        let (unsettled, completed) = (self.unsettled.first_key_value(), self.completed.front());
        match (unsettled, completed) {
            (Some((first, _)), second) if second.is_none_or(|(second, _)| first < second) => {
                if is_old(first.0) { self.unsettled.pop_first().map(|(_, key)| key) } else { None }
            }
            (_, Some((first, _))) if is_old(first.0) => self.completed.pop_front().map(|(_, key)| key),
            _ => None,
        }
    }

    fn next_free_at(&mut self, free_at: Instant) -> FreeAt {
        self.moves += 1;
        (free_at, self.moves)
    }
}

fn end_of(lease: Duration, now: Instant) -> Instant {
    now.checked_add(lease.min(LONGEST_LEASE)).unwrap_or(now)
}

fn is_older_than(age: Duration, since: Instant, now: Instant) -> bool {
    now.checked_duration_since(since).is_some_and(|elapsed| elapsed >= age)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::key::Scope;

    const LEASE: Duration = Duration::from_secs(60);

    fn key(number: usize) -> DeliveryKey {
        DeliveryKey::new(Scope::default(), format!("msg_{number}").parse().unwrap())
    }

    fn claimed(claim: Result<Claim, MemoryStoreFull>) -> Lease {
        match claim {
            Ok(Claim::Acquired(lease)) => lease,
            other => panic!("not claimed: {other:?}"),
        }
    }

    /// Checks that `order` and `entries` contain the same deliveries.
    fn check(deliveries: &Deliveries) {
        let Order { unsettled, completed, .. } = &deliveries.order;
        assert_eq!(unsettled.len() + completed.len(), deliveries.entries.len());
        for (position, key) in unsettled.iter().chain(completed.iter().map(|(position, key)| (position, key)))
        {
            assert_eq!(deliveries.entries[&**key].free_at, *position);
        }
        assert!(completed.iter().map(|(position, _)| position).is_sorted());
    }

    #[test]
    fn a_lease_expires_exactly_at_its_end() {
        let (mut deliveries, start) = (Deliveries::new(9), Instant::now());
        let first = claimed(deliveries.claim(&key(1), LEASE, start));
        let almost = start + LEASE - Duration::from_millis(1);
        let claim = deliveries.claim(&key(1), LEASE, almost).unwrap();
        assert!(
            matches!(claim, Claim::InProgress { retry_after } if retry_after == Duration::from_millis(1))
        );
        let second = claimed(deliveries.claim(&key(1), LEASE, start + LEASE));
        assert_eq!((first.attempt(), second.attempt()), (1, 2));
        assert_eq!(deliveries.complete(&first, almost), LeaseState::Lost);
        assert_eq!(deliveries.renew(&second, LEASE * 2, start + LEASE), LeaseState::Held);
        let claim = deliveries.claim(&key(1), LEASE, start + LEASE * 2).unwrap();
        assert!(matches!(claim, Claim::InProgress { retry_after } if retry_after == LEASE));
        check(&deliveries);
    }

    #[test]
    fn limits_a_lease_of_the_maximum_duration() {
        let (mut deliveries, start) = (Deliveries::new(9), Instant::now());
        let _lease = claimed(deliveries.claim(&key(1), Duration::MAX, start));
        let century = Duration::from_secs(3_153_600_000);
        let claim = deliveries.claim(&key(1), LEASE, start + LEASE).unwrap();
        assert!(matches!(claim, Claim::InProgress { retry_after } if retry_after == century - LEASE));
    }

    #[test]
    fn a_full_store_removes_the_delivery_whose_lease_ended_first() {
        let (mut deliveries, start) = (Deliveries::new(3), Instant::now());
        let leases = [1, 2, 3].map(|n| claimed(deliveries.claim(&key(n), LEASE, start)));
        let full = deliveries.claim(&key(4), LEASE, start).unwrap_err();
        assert_eq!(full, MemoryStoreFull { capacity: 3 });
        assert!(full.to_string().contains("all 3 deliveries"));
        assert!(matches!(deliveries.claim(&key(1), LEASE, start), Ok(Claim::InProgress { .. })));

        assert_eq!(deliveries.complete(&leases[1], start), LeaseState::Held);
        assert_eq!(deliveries.release(&leases[0], start), LeaseState::Held);
        let fourth = claimed(deliveries.claim(&key(4), LEASE, start));
        assert_eq!(deliveries.complete(&leases[1], start), LeaseState::Lost, "the second one was removed");
        assert_eq!(deliveries.complete(&fourth, start), LeaseState::Held);
        let _fifth = claimed(deliveries.claim(&key(5), LEASE, start));
        assert!(matches!(deliveries.claim(&key(4), LEASE, start), Ok(Claim::Duplicate { .. })));
        assert!(!deliveries.forget(&key(1), start), "the first one was removed");
        check(&deliveries);
    }

    #[test]
    fn a_full_store_removes_a_delivery_whose_lease_expired() {
        let (mut deliveries, start) = (Deliveries::new(1), Instant::now());
        let _abandoned = claimed(deliveries.claim(&key(1), LEASE, start));
        let _next = claimed(deliveries.claim(&key(2), LEASE, start + LEASE));
        check(&deliveries);
    }

    #[test]
    fn deliveries_expire_after_the_retention() {
        let (mut deliveries, start) = (Deliveries::new(9), Instant::now());
        let leases = [1, 2, 3, 4, 5].map(|n| claimed(deliveries.claim(&key(n), LEASE, start)));
        for lease in &leases {
            assert_eq!(deliveries.complete(lease, start), LeaseState::Held);
        }
        let before = start + DEFAULT_RETENTION - Duration::from_millis(1);
        assert!(matches!(deliveries.claim(&key(5), LEASE, before), Ok(Claim::Duplicate { .. })));
        // The claim removed two of the five deliveries. Two others have expired, but are still stored.
        let end = start + DEFAULT_RETENTION;
        assert_eq!(claimed(deliveries.claim(&key(5), LEASE, end)).attempt(), 1);
        assert_eq!(deliveries.entries.len(), 3);
        assert!(!deliveries.forget(&key(4), end));
        assert_eq!(deliveries.purge(Duration::ZERO, 9, end), 1);
        assert!(matches!(deliveries.claim(&key(5), LEASE, end), Ok(Claim::InProgress { .. })));
        check(&deliveries);
    }

    #[test]
    fn keeps_the_order_if_deliveries_are_completed_out_of_order_or_forgotten() {
        let (mut deliveries, start) = (Deliveries::new(9), Instant::now());
        let leases = [1, 2, 3, 4].map(|n| claimed(deliveries.claim(&key(n), LEASE, start)));
        for (lease, millis) in leases.iter().zip([3, 1, 2, 9]) {
            assert_eq!(deliveries.complete(lease, start + Duration::from_millis(millis)), LeaseState::Held);
        }
        assert!(deliveries.forget(&key(2), start));
        assert!(!deliveries.forget(&key(2), start));
        check(&deliveries);
        assert_eq!(deliveries.purge(Duration::from_secs(1), 9, start + Duration::from_millis(1003)), 2);
        assert!(matches!(deliveries.claim(&key(4), LEASE, start), Ok(Claim::Duplicate { .. })));
        check(&deliveries);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_expires_in_the_time_of_a_paused_clock() {
        let (store, key) = (MemoryStore::new(), key(1));
        let _first = claimed(store.claim(&key, LEASE).await);
        tokio::time::advance(LEASE - Duration::from_millis(1)).await;
        assert!(matches!(store.claim(&key, LEASE).await, Ok(Claim::InProgress { .. })));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(claimed(store.claim(&key, LEASE).await).attempt(), 2);
    }

    #[test]
    fn works_after_a_panic_that_poisoned_the_lock() {
        let store = MemoryStore::new();
        let clone = store.clone();
        let thread = std::thread::spawn(move || {
            let _guard = clone.deliveries.lock().unwrap();
            panic!("poisons the lock");
        });
        assert!(thread.join().is_err() && store.deliveries.is_poisoned());
        let _lease = claimed(store.lock().claim(&key(1), LEASE, Instant::now()));
    }
}
