//! The conformance suite finds a store's faults and names the broken rule.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clerk_webhook_core::Timestamp;
use clerk_webhook_store::conformance::{Harness, Rule, Skew, Suite};
use clerk_webhook_store::{Claim, DeliveryKey, DeliveryStore, Lease, LeaseState, Owner, Scope};
use tokio::task::{JoinSet, yield_now};

/// A fault in a store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    /// A SELECT followed by an INSERT.
    ReadsAndThenWrites,
    ReleasesForNonOwners,
    CompletesForNonOwners,
    RenewsForNonOwners,
    /// A crashed handler blocks its delivery forever.
    LeasesNeverExpire,
    LeasesExpireTooEarly,
    /// INSERT … ON CONFLICT DO NOTHING before the handler runs.
    CompletesOnClaim,
    /// A failed handler blocks its delivery until the lease expires.
    DoesNotRelease,
    ReleasesCompletedDeliveries,
    CompletesReleasedDeliveries,
    ForgetsCompletedDeliveries,
    IgnoresTheScope,
    IgnoresCase,
    TruncatesKeys,
    RejectsLateCompletions,
    RejectsSecondCompletions,
    DoesNotRenew,
    DoesNotCountAttempts,
    ReturnsNoDelay,
    ReturnsTooLongDelays,
    ReportsWrongTimes,
    ChangesTheTimeOfCompletion,
    DoesNotForget,
    ForgetsOnlyFreeDeliveries,
    PurgesNewDeliveries,
    PurgesDeliveriesInProgress,
    IgnoresThePurgeLimit,
    /// Leases expire by the client's clock.
    UsesTheClockOfTheClient,
    /// Grants claims even if the database is unreachable.
    FailsOpen,
    Hangs,
    Fails,
}

struct Entry {
    completed: bool,
    /// The time of the completion, or of the claim if the entry is not completed.
    completed_at: Timestamp,
    owner: Owner,
    attempt: u32,
    ends: Instant,
}

/// A store in memory with one fault.
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
            Fault::TruncatesKeys => id.truncate(200),
            _ => {}
        }
        (scope, id)
    }

    fn now(&self) -> Instant {
        match self.skew.filter(|_| self.fault == Fault::UsesTheClockOfTheClient) {
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

    /// Changes an entry if the caller owns it, or if the fault allows it for others.
    fn change(
        &self,
        lease: &Lease,
        for_non_owners: Fault,
        change: impl FnOnce(&mut Entry) -> bool,
    ) -> LeaseState {
        let mut entries = self.entries.lock().unwrap();
        let entry = entries.get_mut(&self.key(lease.key()));
        let held = entry
            .filter(|entry| entry.owner == lease.owner() || self.fault == for_non_owners)
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
            let exists = self.entries.lock().unwrap().contains_key(&self.key(key));
            yield_now().await;
            if !exists {
                let completed_at = Timestamp::now();
                let entry = Entry { completed: false, completed_at, owner, attempt: 1, ends: now + lease };
                self.entries.lock().unwrap().insert(self.key(key), entry);
                return Ok(Claim::Acquired(Lease::new(key.clone(), owner, 1)));
            }
        }
        let mut entries = self.entries.lock().unwrap();
        let mut attempt = 1;
        if let Some(entry) = entries.get(&self.key(key)) {
            if entry.completed && self.fault != Fault::ForgetsCompletedDeliveries {
                let off = if self.fault == Fault::ReportsWrongTimes { 86_400_000 } else { 0 };
                let at = Timestamp::from_millis(entry.completed_at.as_millis() - off);
                return Ok(Claim::Duplicate { completed_at: Some(at) });
            }
            let left = entry.ends.saturating_duration_since(now);
            if self.fault == Fault::LeasesNeverExpire || !left.is_zero() && !entry.completed {
                let retry_after = match self.fault {
                    Fault::ReturnsNoDelay => Duration::ZERO,
                    Fault::ReturnsTooLongDelays => left * 1000,
                    _ => left,
                };
                return Ok(Claim::InProgress { retry_after });
            }
            attempt = if self.fault == Fault::DoesNotCountAttempts { 1 } else { entry.attempt + 1 };
        }
        let length = if self.fault == Fault::LeasesExpireTooEarly { lease / 2 } else { lease };
        let (completed, completed_at) = (self.fault == Fault::CompletesOnClaim, Timestamp::now());
        entries.insert(self.key(key), Entry { completed, completed_at, owner, attempt, ends: now + length });
        Ok(Claim::Acquired(Lease::new(key.clone(), owner, attempt)))
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> io::Result<LeaseState> {
        self.answer().await?;
        Ok(self.change(lease, Fault::RenewsForNonOwners, |entry| {
            if self.fault != Fault::DoesNotRenew {
                entry.ends = self.now() + by;
            }
            !entry.completed
        }))
    }

    async fn complete(&self, lease: &Lease) -> io::Result<LeaseState> {
        self.answer().await?;
        Ok(self.change(lease, Fault::CompletesForNonOwners, |entry| {
            let is_late = self.fault == Fault::RejectsLateCompletions && entry.ends <= self.now();
            let is_again = self.fault == Fault::RejectsSecondCompletions && entry.completed;
            if !entry.completed || self.fault == Fault::ChangesTheTimeOfCompletion {
                entry.completed_at = Timestamp::now();
            }
            entry.completed |= !is_late;
            !is_late && !is_again
        }))
    }

    async fn release(&self, lease: &Lease) -> io::Result<LeaseState> {
        self.answer().await?;
        Ok(self.change(lease, Fault::ReleasesForNonOwners, |entry| {
            if self.fault == Fault::ReleasesCompletedDeliveries {
                entry.completed = false;
            }
            if self.fault != Fault::DoesNotRelease {
                entry.ends = self.now();
            }
            if !entry.completed && self.fault != Fault::CompletesReleasedDeliveries {
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
            Fault::DoesNotForget => Ok(entries.contains_key(&self.key(key))),
            Fault::ForgetsOnlyFreeDeliveries if entries.get(&self.key(key)).is_some_and(is_live) => Ok(false),
            _ => Ok(entries.remove(&self.key(key)).is_some()),
        }
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> io::Result<u64> {
        self.answer().await?;
        let (mut entries, now) = (self.entries.lock().unwrap(), self.now());
        let is_old = |entry: &Entry| match self.fault {
            Fault::PurgesNewDeliveries => true,
            Fault::PurgesDeliveriesInProgress => older_than.is_zero(),
            _ => (entry.completed || entry.ends <= now) && older_than.is_zero(),
        };
        let limit = if self.fault == Fault::IgnoresThePurgeLimit { u32::MAX } else { limit };
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

/// Returns a suite's panic message, or `Ok` if it passes.
async fn verdict(suite: impl Future<Output = ()> + Send + 'static) -> Result<(), String> {
    tokio::spawn(suite).await.map_err(|error| match error.into_panic().downcast::<String>() {
        Ok(message) => *message,
        Err(_) => "a panic without a message".to_owned(),
    })
}

fn names(message: &str, rule: Rule) -> bool {
    message.starts_with(&format!("the store breaks the rule {rule:?} ({rule}): "))
}

/// The suites run concurrently, because they mostly wait for leases to expire.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn finds_every_fault_and_names_the_broken_rule() {
    let faults = [
        (Fault::ReadsAndThenWrites, Rule::OneOwner),
        (Fault::LeasesExpireTooEarly, Rule::OneOwner),
        (Fault::ForgetsCompletedDeliveries, Rule::CompletedOnce),
        (Fault::ReleasesCompletedDeliveries, Rule::CompletedOnce),
        (Fault::CompletesForNonOwners, Rule::OnlyTheOwner),
        (Fault::ReleasesForNonOwners, Rule::OnlyTheOwner),
        (Fault::RenewsForNonOwners, Rule::OnlyTheOwner),
        (Fault::LeasesNeverExpire, Rule::NeverStuck),
        (Fault::DoesNotRelease, Rule::NeverStuck),
        (Fault::CompletesOnClaim, Rule::NeverLost),
        (Fault::RejectsLateCompletions, Rule::OwnerUntilOvertaken),
        (Fault::RejectsSecondCompletions, Rule::CompleteAgain),
        (Fault::CompletesReleasedDeliveries, Rule::UsedUp),
        (Fault::DoesNotRenew, Rule::Renewal),
        (Fault::DoesNotCountAttempts, Rule::AttemptsRise),
        (Fault::ReturnsNoDelay, Rule::RetryAfter),
        (Fault::ReturnsTooLongDelays, Rule::RetryAfter),
        (Fault::ReportsWrongTimes, Rule::CompletedAt),
        (Fault::ChangesTheTimeOfCompletion, Rule::CompletedAt),
        (Fault::IgnoresTheScope, Rule::Scopes),
        (Fault::IgnoresCase, Rule::Keys),
        (Fault::TruncatesKeys, Rule::Keys),
        (Fault::DoesNotForget, Rule::Forget),
        (Fault::ForgetsOnlyFreeDeliveries, Rule::Forget),
        (Fault::PurgesNewDeliveries, Rule::Purge),
        (Fault::PurgesDeliveriesInProgress, Rule::Purge),
        (Fault::IgnoresThePurgeLimit, Rule::Purge),
        (Fault::UsesTheClockOfTheClient, Rule::Clocks),
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
                verdict => {
                    Some(format!("{fault:?} breaks {rule:?}, but the result of the suite is: {verdict:?}"))
                }
            }
        });
    }
    let missed: Vec<_> = verdicts.join_all().await.into_iter().flatten().collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passes_a_store_without_a_fault() {
    let suite = async { Suite::new(&Broken(Store::new(Fault::Nothing))).run().await };
    assert_eq!(verdict(suite).await, Ok(()));
}

/// The message contains the seed, so that the run can be repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_race_check_finds_concurrency_faults() {
    for fault in [Fault::ReadsAndThenWrites, Fault::CompletesForNonOwners, Fault::ForgetsCompletedDeliveries]
    {
        let races = async move { Suite::new(&Broken(Store::new(fault))).seed(4711).races().await };
        let message = verdict(races).await.unwrap_err();
        assert!(message.ends_with(", seed 4711"), "{fault:?}: {message}");
    }
}
