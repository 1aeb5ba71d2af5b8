//! The suite finds what a store does wrong, and names the rule.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk_webhook_core::Timestamp;
use clerk_webhook_store::conformance::{Harness, Rule, Skew, Suite};
use clerk_webhook_store::{Claim, DeliveryKey, DeliveryStore, Lease, LeaseState, Owner, Scope};
use tokio::task::{JoinSet, yield_now};

/// What a store may do wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    /// SELECT, look, and then INSERT.
    ReadsAndThenWrites,
    ReleasesForAnybody,
    CompletesForAnybody,
    RenewsForAnybody,
    /// A handler that crashes blocks its delivery for good.
    NeverEndsALease,
    EndsALeaseTooEarly,
    /// "INSERT, ON CONFLICT DO NOTHING, and then handle."
    CompletesWhenItIsClaimed,
    /// A failed handler leaves the delivery to the lease.
    DoesNotRelease,
    ReleasesWhatIsCompleted,
    CompletesWhatIsReleased,
    ForgetsWhatIsCompleted,
    IgnoresTheScope,
    IgnoresCase,
    CutsKeys,
    RefusesToCompleteLate,
    CompletesOnlyOnce,
    DoesNotRenew,
    CountsNoAttempts,
    AsksToWaitForNothing,
    AsksToWaitForTooLong,
    HasAnotherClock,
    CompletesAgainLater,
    ForgetsNothing,
    ForgetsOnlyWhatIsFree,
    PurgesWhatIsNew,
    PurgesWhatIsInProgress,
    PurgesEverythingAtOnce,
    /// Leases end by the clock of the client.
    TrustsClients,
    /// Goes on without a claim where it cannot ask.
    FailsOpen,
    Hangs,
    Fails,
}

struct Entry {
    completed: bool,
    /// When the entry was completed; if it is not, when it was claimed.
    completed_at: Timestamp,
    owner: Owner,
    attempt: u32,
    ends: Instant,
}

/// A plain store with one fault.
#[derive(Clone)]
struct Store {
    fault: Fault,
    skew: Option<Skew>,
    is_down: bool,
    entries: Arc<Mutex<HashMap<(String, String), Entry>>>,
}

impl Store {
    fn new(fault: Fault) -> Self {
        Self { fault, skew: None, is_down: false, entries: Arc::default() }
    }

    fn key(&self, key: &DeliveryKey) -> (String, String) {
        let (scope, mut id) = (key.scope().to_string(), key.message_id().to_string());
        match self.fault {
            Fault::IgnoresTheScope => return (Scope::default().to_string(), id),
            Fault::IgnoresCase => id.make_ascii_lowercase(),
            Fault::CutsKeys => id.truncate(200),
            _ => {}
        }
        (scope, id)
    }

    fn now(&self) -> Instant {
        match self.skew.filter(|_| self.fault == Fault::TrustsClients) {
            None => Instant::now(),
            Some(Skew::Ahead(by)) => Instant::now() + by,
            Some(Skew::Behind(by)) => Instant::now().checked_sub(by).unwrap_or_else(Instant::now),
        }
    }

    async fn answer(&self) -> io::Result<()> {
        match self.fault {
            Fault::Fails => Err(io::Error::other("no such table")),
            Fault::Hangs if self.is_down => pending().await,
            Fault::FailsOpen => Ok(()),
            _ if self.is_down => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => Ok(()),
        }
    }

    /// Changes an entry of which the caller is the owner.
    fn change(
        &self,
        lease: &Lease,
        for_anybody: Fault,
        change: impl FnOnce(&mut Entry) -> bool,
    ) -> LeaseState {
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(&self.key(lease.key()));
        let held = entry
            .filter(|entry| entry.owner == lease.owner() || self.fault == for_anybody)
            .is_some_and(change);
        if held { LeaseState::Held } else { LeaseState::Lost }
    }
}

impl DeliveryStore for Store {
    type Error = io::Error;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> io::Result<Claim> {
        self.answer().await?;
        let (now, owner) = (self.now(), Owner::random());
        if self.fault == Fault::ReadsAndThenWrites {
            let is_there = self.entries.lock().unwrap().contains_key(&self.key(key));
            yield_now().await;
            if !is_there {
                let completed_at = Timestamp::now();
                let entry = Entry { completed: false, completed_at, owner, attempt: 1, ends: now + lease };
                self.entries.lock().unwrap().insert(self.key(key), entry);
                return Ok(Claim::Acquired(Lease::new(key.clone(), owner, 1)));
            }
        }
        let mut entries = self.entries.lock().unwrap();
        let mut attempt = 1;
        if let Some(entry) = entries.get(&self.key(key)) {
            if entry.completed && self.fault != Fault::ForgetsWhatIsCompleted {
                let off = if self.fault == Fault::HasAnotherClock { 86_400_000 } else { 0 };
                let at = Timestamp::from_millis(entry.completed_at.as_millis() - off);
                return Ok(Claim::Duplicate { completed_at: Some(at) });
            }
            let left = entry.ends.saturating_duration_since(now);
            if self.fault == Fault::NeverEndsALease || !left.is_zero() && !entry.completed {
                let retry_after = match self.fault {
                    Fault::AsksToWaitForNothing => Duration::ZERO,
                    Fault::AsksToWaitForTooLong => left * 1000,
                    _ => left,
                };
                return Ok(Claim::InProgress { retry_after });
            }
            attempt = if self.fault == Fault::CountsNoAttempts { 1 } else { entry.attempt + 1 };
        }
        let length = if self.fault == Fault::EndsALeaseTooEarly { lease / 2 } else { lease };
        let (completed, completed_at) = (self.fault == Fault::CompletesWhenItIsClaimed, Timestamp::now());
        entries.insert(self.key(key), Entry { completed, completed_at, owner, attempt, ends: now + length });
        Ok(Claim::Acquired(Lease::new(key.clone(), owner, attempt)))
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> io::Result<LeaseState> {
        self.answer().await?;
        Ok(self.change(lease, Fault::RenewsForAnybody, |entry| {
            if self.fault != Fault::DoesNotRenew {
                entry.ends = self.now() + by;
            }
            !entry.completed
        }))
    }

    async fn complete(&self, lease: &Lease) -> io::Result<LeaseState> {
        self.answer().await?;
        Ok(self.change(lease, Fault::CompletesForAnybody, |entry| {
            let is_late = self.fault == Fault::RefusesToCompleteLate && entry.ends <= self.now();
            let is_again = self.fault == Fault::CompletesOnlyOnce && entry.completed;
            if !entry.completed || self.fault == Fault::CompletesAgainLater {
                entry.completed_at = Timestamp::now();
            }
            entry.completed |= !is_late;
            !is_late && !is_again
        }))
    }

    async fn release(&self, lease: &Lease) -> io::Result<LeaseState> {
        self.answer().await?;
        Ok(self.change(lease, Fault::ReleasesForAnybody, |entry| {
            if self.fault == Fault::ReleasesWhatIsCompleted {
                entry.completed = false;
            }
            if self.fault != Fault::DoesNotRelease {
                entry.ends = self.now();
            }
            if !entry.completed && self.fault != Fault::CompletesWhatIsReleased {
                entry.owner = Owner::from_u128(0);
            }
            !entry.completed
        }))
    }

    async fn forget(&self, key: &DeliveryKey) -> io::Result<bool> {
        self.answer().await?;
        let (mut entries, now) = (self.entries.lock().unwrap(), self.now());
        let is_live = |entry: &Entry| !entry.completed && entry.ends > now;
        match self.fault {
            Fault::ForgetsNothing => Ok(entries.contains_key(&self.key(key))),
            Fault::ForgetsOnlyWhatIsFree if entries.get(&self.key(key)).is_some_and(is_live) => Ok(false),
            _ => Ok(entries.remove(&self.key(key)).is_some()),
        }
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> io::Result<u64> {
        self.answer().await?;
        let (mut entries, now) = (self.entries.lock().unwrap(), self.now());
        let is_old = |entry: &Entry| match self.fault {
            Fault::PurgesWhatIsNew => true,
            Fault::PurgesWhatIsInProgress => older_than.is_zero(),
            _ => (entry.completed || entry.ends <= now) && older_than.is_zero(),
        };
        let limit = if self.fault == Fault::PurgesEverythingAtOnce { u32::MAX } else { limit };
        let old = entries.iter().filter(|(_, entry)| is_old(entry)).map(|(key, _)| key.clone());
        let old: Vec<_> = old.take(usize::try_from(limit).unwrap()).collect();
        for key in &old {
            entries.remove(key);
        }
        Ok(old.len().try_into().unwrap())
    }
}

struct Broken(Store);

impl Harness for Broken {
    type Store = Store;

    async fn client(&self) -> Store {
        self.0.clone()
    }

    async fn skewed(&self, skew: Skew) -> Option<Store> {
        Some(Store { skew: Some(skew), ..self.0.clone() })
    }

    async fn unreachable(&self) -> Option<Store> {
        Some(Store { is_down: true, ..self.0.clone() })
    }
}

/// What the suite says about a store.
async fn verdict(suite: impl Future<Output = ()> + Send + 'static) -> Result<(), String> {
    tokio::spawn(suite).await.map_err(|error| match error.into_panic().downcast::<String>() {
        Ok(message) => *message,
        Err(_) => "a panic without a text".to_owned(),
    })
}

fn names(message: &str, rule: Rule) -> bool {
    message.starts_with(&format!("the store breaks the rule {rule:?} ({rule}): "))
}

/// All at once, since most of the time they wait for leases to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_fault_is_found_as_the_rule_that_it_breaks() {
    let faults = [
        (Fault::ReadsAndThenWrites, Rule::OneOwner),
        (Fault::EndsALeaseTooEarly, Rule::OneOwner),
        (Fault::ForgetsWhatIsCompleted, Rule::CompletedOnce),
        (Fault::ReleasesWhatIsCompleted, Rule::CompletedOnce),
        (Fault::CompletesForAnybody, Rule::OnlyTheOwner),
        (Fault::ReleasesForAnybody, Rule::OnlyTheOwner),
        (Fault::RenewsForAnybody, Rule::OnlyTheOwner),
        (Fault::NeverEndsALease, Rule::NeverStuck),
        (Fault::DoesNotRelease, Rule::NeverStuck),
        (Fault::CompletesWhenItIsClaimed, Rule::NeverLost),
        (Fault::RefusesToCompleteLate, Rule::OwnerUntilOvertaken),
        (Fault::CompletesOnlyOnce, Rule::CompleteAgain),
        (Fault::CompletesWhatIsReleased, Rule::UsedUp),
        (Fault::DoesNotRenew, Rule::Renewal),
        (Fault::CountsNoAttempts, Rule::AttemptsRise),
        (Fault::AsksToWaitForNothing, Rule::RetryAfter),
        (Fault::AsksToWaitForTooLong, Rule::RetryAfter),
        (Fault::HasAnotherClock, Rule::CompletedAt),
        (Fault::CompletesAgainLater, Rule::CompletedAt),
        (Fault::IgnoresTheScope, Rule::Scopes),
        (Fault::IgnoresCase, Rule::Keys),
        (Fault::CutsKeys, Rule::Keys),
        (Fault::ForgetsNothing, Rule::Forget),
        (Fault::ForgetsOnlyWhatIsFree, Rule::Forget),
        (Fault::PurgesWhatIsNew, Rule::Purge),
        (Fault::PurgesWhatIsInProgress, Rule::Purge),
        (Fault::PurgesEverythingAtOnce, Rule::Purge),
        (Fault::TrustsClients, Rule::Clocks),
        (Fault::FailsOpen, Rule::Errors),
        (Fault::Hangs, Rule::Errors),
        (Fault::Fails, Rule::Errors),
    ];
    let mut verdicts = JoinSet::new();
    for (fault, rule) in faults {
        verdicts.spawn(async move {
            let suite = async move { Suite::new(&Broken(Store::new(fault))).run().await };
            match verdict(suite).await {
                Err(message) if names(&message, rule) => None,
                verdict => Some(format!("{fault:?} breaks {rule:?}, and the suite says: {verdict:?}")),
            }
        });
    }
    let missed: Vec<_> = verdicts.join_all().await.into_iter().flatten().collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_store_without_a_fault_passes() {
    let suite = async { Suite::new(&Broken(Store::new(Fault::Nothing))).run().await };
    assert_eq!(verdict(suite).await, Ok(()));
}

/// What a race has to find, where nothing else has found it before, with the seed to find it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn races_alone_find_what_only_happens_at_once() {
    for fault in [Fault::ReadsAndThenWrites, Fault::CompletesForAnybody, Fault::ForgetsWhatIsCompleted] {
        let races = async move { Suite::new(&Broken(Store::new(fault))).seed(4711).races().await };
        let message = verdict(races).await.unwrap_err();
        assert!(message.ends_with(", seed 4711"), "{fault:?} is found as: {message}");
    }
}
