//! The conformance suite finds each fault of a queue and names the broken rule.

use std::collections::HashMap;
use std::future::{Future, pending};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use clerk_webhook_core::{Answer, Event, EventType, MessageId, Outcome, Timestamp};
use clerk_webhook_queue::conformance::{Harness, Rule, Suite};
use clerk_webhook_queue::{
    DeadLetter, DeliveryQueue, Enqueued, EventTypeStats, Job, JobQueue, MAX_ERROR_LENGTH, QueueStats,
    TakeOptions, object_of,
};
use clerk_webhook_store::{DeliveryKey, Lease, LeaseState, Owner, Scope};
use serde_json::Value;
use tokio::task::{JoinSet, yield_now};

/// A fault of a queue.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    /// `enqueue` returns before the event is stored.
    StoresLater,
    /// `enqueue` first remembers the message, and then stores the job. A crash or a dropped call in between
    /// loses the job.
    MarksBeforeItStores,
    /// `enqueue` behaves like a SELECT followed by an INSERT.
    ReadsAndThenEnqueues,
    ForgetsDone,
    ForgetsDead,
    ForgetsDiscarded,
    IgnoresCase,
    TruncatesKeys,
    LosesTheTime,
    RewritesTheBody,
    TakesRunningJobs,
    /// `take` behaves like a SELECT followed by an UPDATE.
    ReadsAndThenTakes,
    LeasesExpireTooEarly,
    /// A crashed worker blocks its job forever.
    LeasesNeverExpire,
    RenewsForNonOwners,
    CompletesForNonOwners,
    RetriesForNonOwners,
    GivesBackForNonOwners,
    BuriesForNonOwners,
    RejectsLateOwners,
    AcceptsUsedLeases,
    RejectsSecondCompletions,
    RejectsSecondBurials,
    /// A second burial replaces the error of the first one.
    BuriesAgain,
    /// The last owner of a dead letter can complete it after it was discarded.
    KeepsTheOwnersOfDeadLetters,
    DoesNotRenew,
    IgnoresDelays,
    /// A job that is waiting for its retry blocks the jobs after it.
    BlocksBehindDelays,
    DoesNotCountAttempts,
    CountsGivenBackAttempts,
    GivesBackWithADelay,
    KeepsTheAttemptsOfRetriedDeadLetters,
    RetriesForever,
    CrashesForever,
    DropsAfterTheLastAttempt,
    TakesDeadLetters,
    TakesDone,
    ListsOldestFirst,
    IgnoresTheListLimit,
    FindsWaitingJobs,
    /// `dead_letter` returns the newest dead letter, whatever the message id.
    FindsTheNewest,
    LosesErrors,
    StoresLongErrors,
    RetriesAllTypes,
    RetriesRunningJobs,
    DiscardsWaitingJobs,
    IgnoresObjects,
    /// A late owner can renew its lease while another job about the object is running.
    IgnoresObjectsInRenewals,
    UsesTheIdsOfMemberships,
    /// A job that is waiting for its retry blocks the other jobs about its object.
    BlocksObjectsBetweenAttempts,
    IgnoresTheScope,
    CountsDone,
    CountsDelayedAsRunning,
    ReportsTheNewestAsOldest,
    PurgesNew,
    PurgesDead,
    PurgesWaiting,
    IgnoresThePurgeLimit,
    WaitsForever,
    AnswersWithoutStoring,
    /// Every method succeeds although the database is unreachable.
    FailsOpen,
    /// `answer` returns `queued` although the database is unreachable.
    AnswersOpen,
    Hangs,
    Fails,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ready,
    Running,
    Done,
    Dead,
}

struct Entry {
    event: Event,
    scope: String,
    /// The job's position in the queue.
    number: usize,
    state: State,
    attempts: u32,
    available: Instant,
    lease_ends: Instant,
    owner: Option<Owner>,
    enqueued_at: Timestamp,
    ended_at: Timestamp,
    last_error: Option<String>,
    discarded: bool,
}

type Entries = HashMap<(String, String), Entry>;

/// A queue in memory with one fault.
#[derive(Clone)]
struct Queue {
    fault: Fault,
    scope: Scope,
    is_down: bool,
    entries: Arc<Mutex<Entries>>,
}

impl Queue {
    fn new(fault: Fault) -> Self {
        Self { fault, scope: Scope::default(), is_down: false, entries: Arc::default() }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap()
    }

    fn key(&self, id: &MessageId) -> (String, String) {
        let mut id = id.to_string();
        match self.fault {
            Fault::IgnoresTheScope => return (String::new(), id),
            Fault::IgnoresCase => id.make_ascii_lowercase(),
            Fault::TruncatesKeys => id.truncate(200),
            _ => {}
        }
        (self.scope.to_string(), id)
    }

    fn is_mine(&self, entry: &Entry) -> bool {
        entry.scope == self.scope.as_str() || self.has(Fault::IgnoresTheScope)
    }

    async fn reach(&self) -> io::Result<()> {
        match self.fault {
            Fault::Fails => Err(io::Error::other("no such table")),
            Fault::Hangs if self.is_down => pending().await,
            Fault::FailsOpen => Ok(()),
            _ if self.is_down => Err(io::ErrorKind::ConnectionRefused.into()),
            _ => Ok(()),
        }
    }

    fn stored(&self, event: &Event) -> Event {
        let attempted_at =
            if self.has(Fault::LosesTheTime) { Timestamp::from_millis(0) } else { event.attempted_at() };
        let mut body = event.raw_body().to_vec();
        if self.has(Fault::RewritesTheBody) {
            body = serde_json::from_slice::<Value>(&body).unwrap().to_string().replace(':', ": ").into();
        }
        Event::from_trusted(event.message_id().clone(), attempted_at, body.into()).unwrap()
    }

    fn insert(&self, event: &Event, state: State) -> Enqueued {
        let mut entries = self.entries();
        let number = entries.len();
        let key = self.key(event.message_id());
        if let Some(entry) = entries.get(&key) {
            let forgets = match entry.state {
                State::Done if entry.discarded => self.has(Fault::ForgetsDiscarded),
                State::Done => self.has(Fault::ForgetsDone),
                State::Dead => self.has(Fault::ForgetsDead),
                _ => false,
            };
            if !forgets && !self.has(Fault::ReadsAndThenEnqueues) {
                return Enqueued::Duplicate;
            }
        }
        let (now, time) = (Instant::now(), Timestamp::now());
        let entry = Entry {
            event: self.stored(event),
            scope: self.scope.to_string(),
            number,
            state,
            attempts: 0,
            available: now,
            lease_ends: now,
            owner: None,
            enqueued_at: time,
            ended_at: time,
            last_error: None,
            discarded: false,
        };
        entries.insert(key, entry);
        Enqueued::New
    }

    fn object(&self, event: &Event) -> Option<String> {
        if self.has(Fault::UsesTheIdsOfMemberships) {
            let data: Value = event.data_as().unwrap();
            return data["id"].as_str().map(str::to_owned);
        }
        object_of(event)
    }

    /// Returns the key of the next job that can be taken.
    fn next(&self, options: &TakeOptions) -> Option<(String, String)> {
        let (entries, now) = (self.entries(), Instant::now());
        let mine = || entries.values().filter(|entry| self.is_mine(entry));
        let blocks = |entry: &Entry| {
            let between = self.has(Fault::BlocksObjectsBetweenAttempts) && entry.attempts > 0;
            entry.state == State::Running && entry.lease_ends > now || between && entry.state == State::Ready
        };
        let running: Vec<_> =
            mine().filter(|entry| blocks(entry)).filter_map(|entry| self.object(&entry.event)).collect();
        let is_ready = |entry: &Entry| match entry.state {
            State::Ready => entry.available <= now || self.has(Fault::IgnoresDelays),
            State::Running => {
                let is_over = entry.lease_ends <= now && !self.has(Fault::LeasesNeverExpire);
                is_over || self.has(Fault::TakesRunningJobs)
            }
            State::Dead => self.has(Fault::TakesDeadLetters),
            State::Done => self.has(Fault::TakesDone) && !entry.discarded,
        };
        let is_free = |entry: &Entry| {
            let limited = options.one_object_at_a_time && !self.has(Fault::IgnoresObjects);
            !limited || self.object(&entry.event).is_none_or(|object| !running.contains(&object))
        };
        let first = mine().filter(|entry| entry.state == State::Ready).min_by_key(|entry| entry.number);
        if self.has(Fault::BlocksBehindDelays) && first.is_some_and(|first| first.available > now) {
            return None;
        }
        let next =
            mine().filter(|entry| is_ready(entry) && is_free(entry)).min_by_key(|entry| entry.number)?;
        entries.iter().find(|(_, entry)| entry.number == next.number).map(|(key, _)| key.clone())
    }

    /// Takes a job that `next` returned. Returns `None` if it became a dead letter.
    fn take_key(&self, key: &(String, String), options: &TakeOptions) -> Option<Job> {
        let mut entries = self.entries();
        let entry = entries.get_mut(key)?;
        let expired = entry.state == State::Running;
        let endless =
            self.has(Fault::RetriesForever) && !expired || self.has(Fault::CrashesForever) && expired;
        if entry.attempts >= options.max_attempts && !endless {
            if expired {
                entry.last_error = Some("the lease expired".to_owned());
            }
            let drops = self.has(Fault::DropsAfterTheLastAttempt);
            entry.state = if drops { State::Done } else { State::Dead };
            (entry.ended_at, entry.owner) = (Timestamp::now(), None);
            return None;
        }
        let owner = Owner::random();
        let lease = if self.has(Fault::LeasesExpireTooEarly) { options.lease / 2 } else { options.lease };
        entry.attempts += 1;
        entry.state = State::Running;
        entry.owner = Some(owner);
        entry.lease_ends = Instant::now() + lease;
        let attempt = if self.has(Fault::DoesNotCountAttempts) { 1 } else { entry.attempts };
        let key = DeliveryKey::of(&entry.event, self.scope.clone());
        Some(Job::new(Lease::new(key, owner, attempt), entry.event.clone(), entry.enqueued_at))
    }

    /// Changes a running job if the caller owns it, or if the fault allows it for others.
    fn change(&self, lease: &Lease, for_non_owners: Fault, change: impl FnOnce(&mut Entry)) -> LeaseState {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&self.key(lease.key().message_id())) else {
            return LeaseState::Lost;
        };
        let is_running = entry.state == State::Running;
        let owns = if self.has(Fault::AcceptsUsedLeases) {
            entry.owner == Some(lease.owner()) && entry.state != State::Done
        } else {
            entry.owner == Some(lease.owner()) && is_running
        };
        let is_late = self.has(Fault::RejectsLateOwners) && entry.lease_ends <= Instant::now();
        if owns && !is_late || is_running && self.has(for_non_owners) {
            change(entry);
            LeaseState::Held
        } else {
            LeaseState::Lost
        }
    }

    /// Returns whether a lease has expired, and another job about the same object is running.
    fn is_overtaken(&self, lease: &Lease) -> bool {
        let (entries, now) = (self.entries(), Instant::now());
        let Some(late) = entries.get(&self.key(lease.key().message_id())) else { return false };
        let object = self.object(&late.event);
        let is_live = |entry: &Entry| entry.state == State::Running && entry.lease_ends > now;
        let mut live = entries.values().filter(|entry| self.is_mine(entry) && is_live(entry));
        !is_live(late) && object.is_some() && live.any(|entry| self.object(&entry.event) == object)
    }

    /// Returns whether the owner of a lease has already brought the job into a state.
    fn has_ended(&self, lease: &Lease, state: State) -> bool {
        let entries = self.entries();
        let entry = entries.get(&self.key(lease.key().message_id()));
        entry.is_some_and(|entry| entry.state == state && entry.owner == Some(lease.owner()))
    }

    /// Removes the owner, unless the fault allows the owner to end the attempt a second time.
    fn disown(&self, entry: &mut Entry) {
        if !self.has(Fault::AcceptsUsedLeases) {
            entry.owner = None;
        }
    }

    fn error(&self, error: &str) -> Option<String> {
        let mut end = MAX_ERROR_LENGTH.min(error.len());
        while !error.is_char_boundary(end) {
            end -= 1;
        }
        match self.fault {
            Fault::LosesErrors => None,
            Fault::StoresLongErrors => Some(error.to_owned()),
            _ => Some(error[..end].to_owned()),
        }
    }
}

fn letter_of(entry: &Entry) -> DeadLetter {
    let event = &entry.event;
    let (id, event_type) = (event.message_id().clone(), event.event_type().clone());
    let mut letter = DeadLetter::new(id, event_type, event.attempted_at(), event.raw_body().clone());
    letter.attempts = entry.attempts;
    letter.enqueued_at = entry.enqueued_at;
    letter.died_at = entry.ended_at;
    letter.last_error = entry.last_error.clone();
    letter
}

impl DeliveryQueue for Queue {
    type Error = io::Error;

    fn scope(&self) -> &Scope {
        &self.scope
    }

    async fn enqueue(&self, event: &Event) -> io::Result<Enqueued> {
        self.reach().await?;
        match self.fault {
            Fault::StoresLater => {
                let (this, event) = (self.clone(), event.clone());
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    this.insert(&event, State::Ready)
                });
                Ok(Enqueued::New)
            }
            Fault::MarksBeforeItStores => {
                let enqueued = self.insert(event, State::Done);
                yield_now().await;
                if enqueued == Enqueued::New {
                    self.entries().get_mut(&self.key(event.message_id())).unwrap().state = State::Ready;
                }
                Ok(enqueued)
            }
            Fault::ReadsAndThenEnqueues => {
                let exists = self.entries().contains_key(&self.key(event.message_id()));
                // Long enough for a concurrent caller to read the same state, even on a busy machine.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(if exists { Enqueued::Duplicate } else { self.insert(event, State::Ready) })
            }
            _ => Ok(self.insert(event, State::Ready)),
        }
    }

    async fn answer(&self, event: Event) -> Answer {
        if self.has(Fault::AnswersWithoutStoring) || self.has(Fault::AnswersOpen) && self.is_down {
            return Outcome::Queued.into();
        }
        match tokio::time::timeout(Duration::from_secs(5), self.enqueue(&event)).await {
            Ok(Ok(Enqueued::New)) => Outcome::Queued.into(),
            Ok(Ok(Enqueued::Duplicate)) => Outcome::Duplicate.into(),
            _ => Outcome::StoreUnavailable.into(),
        }
    }
}

impl JobQueue for Queue {
    async fn take(&self, options: &TakeOptions) -> io::Result<Option<Job>> {
        self.reach().await?;
        if self.has(Fault::ReadsAndThenTakes) {
            while let Some(key) = self.next(options) {
                tokio::time::sleep(Duration::from_millis(2)).await;
                if let Some(job) = self.take_key(&key, options) {
                    return Ok(Some(job));
                }
            }
            return Ok(None);
        }
        // All clients share this lock, so that none of them takes the job in between.
        static TAKES: Mutex<()> = Mutex::new(());
        let _takes = TAKES.lock().unwrap();
        while let Some(key) = self.next(options) {
            if let Some(job) = self.take_key(&key, options) {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> io::Result<LeaseState> {
        self.reach().await?;
        if self.is_overtaken(lease) && !self.has(Fault::IgnoresObjectsInRenewals) {
            return Ok(LeaseState::Lost);
        }
        Ok(self.change(lease, Fault::RenewsForNonOwners, |entry| {
            if !self.has(Fault::DoesNotRenew) {
                entry.lease_ends = Instant::now() + by;
            }
        }))
    }

    async fn complete(&self, lease: &Lease) -> io::Result<LeaseState> {
        self.reach().await?;
        if self.has_ended(lease, State::Done) && !self.has(Fault::RejectsSecondCompletions) {
            return Ok(LeaseState::Held);
        }
        Ok(self.change(lease, Fault::CompletesForNonOwners, |entry| {
            (entry.state, entry.ended_at) = (State::Done, Timestamp::now());
        }))
    }

    async fn retry(&self, lease: &Lease, after: Duration, error: &str) -> io::Result<LeaseState> {
        self.reach().await?;
        Ok(self.change(lease, Fault::RetriesForNonOwners, |entry| {
            (entry.state, entry.available) = (State::Ready, Instant::now() + after);
            entry.last_error = self.error(error);
            self.disown(entry);
        }))
    }

    async fn give_back(&self, lease: &Lease) -> io::Result<LeaseState> {
        self.reach().await?;
        Ok(self.change(lease, Fault::GivesBackForNonOwners, |entry| {
            entry.state = State::Ready;
            if !self.has(Fault::CountsGivenBackAttempts) {
                entry.attempts -= 1;
            }
            if self.has(Fault::GivesBackWithADelay) {
                entry.available = entry.lease_ends;
            }
            self.disown(entry);
        }))
    }

    async fn bury(&self, lease: &Lease, error: &str) -> io::Result<LeaseState> {
        self.reach().await?;
        if self.has_ended(lease, State::Dead) && !self.has(Fault::RejectsSecondBurials) {
            if self.has(Fault::BuriesAgain) {
                let mut entries = self.entries();
                entries.get_mut(&self.key(lease.key().message_id())).unwrap().last_error = self.error(error);
            }
            return Ok(LeaseState::Held);
        }
        Ok(self.change(lease, Fault::BuriesForNonOwners, |entry| {
            (entry.state, entry.ended_at) = (State::Dead, Timestamp::now());
            entry.last_error = self.error(error);
        }))
    }

    async fn wait(&self, limit: Duration) {
        let limit = if self.has(Fault::WaitsForever) { Duration::from_secs(3600) } else { limit };
        tokio::time::sleep(limit).await;
    }

    async fn stats(&self) -> io::Result<QueueStats> {
        self.reach().await?;
        let now = Instant::now();
        let mut types: HashMap<String, EventTypeStats> = HashMap::new();
        for entry in self.entries().values().filter(|entry| self.is_mine(entry)) {
            let (name, is_live) = (entry.event.event_type().as_str(), entry.lease_ends > now);
            let is_delayed = self.has(Fault::CountsDelayedAsRunning) && entry.available > now;
            let is_ready = match entry.state {
                State::Ready => !is_delayed,
                State::Running => !is_live,
                State::Done => self.has(Fault::CountsDone),
                State::Dead => false,
            };
            let stats = types
                .entry(name.to_owned())
                .or_insert_with(|| EventTypeStats::new(entry.event.event_type().clone()));
            match entry.state {
                _ if is_ready => {
                    stats.ready += 1;
                    let oldest = stats.oldest_ready.unwrap_or(entry.enqueued_at);
                    let newest = self.has(Fault::ReportsTheNewestAsOldest);
                    stats.oldest_ready = Some(if newest {
                        oldest.max(entry.enqueued_at)
                    } else {
                        oldest.min(entry.enqueued_at)
                    });
                }
                State::Ready | State::Running => stats.running += 1,
                State::Dead => stats.dead += 1,
                State::Done => {}
            }
        }
        Ok(QueueStats::new(types.into_values().collect()))
    }

    async fn dead_letters(&self, limit: u32) -> io::Result<Vec<DeadLetter>> {
        self.reach().await?;
        let entries = self.entries();
        let mut dead: Vec<_> =
            entries.values().filter(|entry| self.is_mine(entry) && entry.state == State::Dead).collect();
        dead.sort_by_key(|entry| std::cmp::Reverse(entry.ended_at));
        if self.has(Fault::ListsOldestFirst) {
            dead.reverse();
        }
        let limit = if self.has(Fault::IgnoresTheListLimit) { u32::MAX } else { limit };
        Ok(dead.into_iter().take(limit.try_into().unwrap()).map(letter_of).collect())
    }

    async fn dead_letter(&self, message_id: &MessageId) -> io::Result<Option<DeadLetter>> {
        self.reach().await?;
        if self.has(Fault::FindsTheNewest) {
            return Ok(self.dead_letters(1).await?.pop());
        }
        let entries = self.entries();
        let entry = entries.get(&self.key(message_id));
        let is_found =
            |state| state == State::Dead || state == State::Ready && self.has(Fault::FindsWaitingJobs);
        Ok(entry.filter(|entry| is_found(entry.state)).map(letter_of))
    }

    async fn retry_dead(&self, message_id: &MessageId) -> io::Result<bool> {
        self.reach().await?;
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&self.key(message_id)) else { return Ok(false) };
        let may = entry.state == State::Dead
            || entry.state == State::Running && self.has(Fault::RetriesRunningJobs);
        if may {
            entry.state = State::Ready;
            entry.available = Instant::now();
            self.disown(entry);
            if !self.has(Fault::KeepsTheAttemptsOfRetriedDeadLetters) {
                entry.attempts = 0;
            }
        }
        Ok(may)
    }

    async fn retry_all_dead(&self, event_type: Option<&EventType>) -> io::Result<u64> {
        self.reach().await?;
        let mut retried = 0;
        for entry in self.entries().values_mut() {
            let wanted = event_type.is_none_or(|wanted| wanted == entry.event.event_type());
            let wanted = wanted || self.has(Fault::RetriesAllTypes);
            if self.is_mine(entry) && entry.state == State::Dead && wanted {
                (entry.state, entry.attempts, entry.available) = (State::Ready, 0, Instant::now());
                self.disown(entry);
                retried += 1;
            }
        }
        Ok(retried)
    }

    async fn discard(&self, message_id: &MessageId) -> io::Result<bool> {
        self.reach().await?;
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&self.key(message_id)) else { return Ok(false) };
        let may =
            entry.state == State::Dead || entry.state == State::Ready && self.has(Fault::DiscardsWaitingJobs);
        if may {
            (entry.state, entry.ended_at, entry.discarded) = (State::Done, Timestamp::now(), true);
            if !self.has(Fault::KeepsTheOwnersOfDeadLetters) {
                self.disown(entry);
            }
        }
        Ok(may)
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> io::Result<u64> {
        self.reach().await?;
        let mut entries = self.entries();
        let is_old = |entry: &Entry| {
            let may = match entry.state {
                State::Done => true,
                State::Dead => self.has(Fault::PurgesDead),
                State::Ready => self.has(Fault::PurgesWaiting),
                State::Running => false,
            };
            may && self.is_mine(entry) && (older_than.is_zero() || self.has(Fault::PurgesNew))
        };
        let limit = if self.has(Fault::IgnoresThePurgeLimit) { u32::MAX } else { limit };
        let old = entries.iter().filter(|(_, entry)| is_old(entry)).map(|(key, _)| key.clone());
        let old: Vec<_> = old.take(limit.try_into().unwrap()).collect();
        for key in &old {
            entries.remove(key);
        }
        Ok(old.len().try_into().unwrap())
    }
}

struct Broken(Queue);

impl Harness for Broken {
    type Queue = Queue;

    async fn client(&self, scope: Scope) -> Queue {
        Queue { scope, ..self.0.clone() }
    }

    async fn unreachable(&self) -> Option<Queue> {
        Some(Queue { is_down: true, ..self.0.clone() })
    }
}

/// Returns `Ok` if the suite passes, or its panic message.
async fn verdict(suite: impl Future<Output = ()> + Send + 'static) -> Result<(), String> {
    tokio::spawn(suite).await.map_err(|error| match error.into_panic().downcast::<String>() {
        Ok(message) => *message,
        Err(_) => "a panic without a message".to_owned(),
    })
}

fn names(message: &str, rule: Rule) -> bool {
    message.starts_with(&format!("the queue breaks the rule {rule:?} ({rule}): "))
}

/// The suites run concurrently, because they mostly wait for leases to expire.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn finds_every_fault_and_names_the_broken_rule() {
    let faults = [
        (Fault::StoresLater, Rule::Durable),
        (Fault::MarksBeforeItStores, Rule::Durable),
        (Fault::ReadsAndThenEnqueues, Rule::Duplicates),
        (Fault::ForgetsDone, Rule::Duplicates),
        (Fault::ForgetsDead, Rule::Duplicates),
        (Fault::ForgetsDiscarded, Rule::Duplicates),
        (Fault::IgnoresCase, Rule::Keys),
        (Fault::TruncatesKeys, Rule::Keys),
        (Fault::LosesTheTime, Rule::Contents),
        (Fault::RewritesTheBody, Rule::Contents),
        (Fault::TakesRunningJobs, Rule::OneOwner),
        (Fault::ReadsAndThenTakes, Rule::OneOwner),
        (Fault::LeasesExpireTooEarly, Rule::OneOwner),
        (Fault::LeasesNeverExpire, Rule::RunsAgain),
        (Fault::RenewsForNonOwners, Rule::OnlyTheOwner),
        (Fault::CompletesForNonOwners, Rule::OnlyTheOwner),
        (Fault::RetriesForNonOwners, Rule::OnlyTheOwner),
        (Fault::GivesBackForNonOwners, Rule::OnlyTheOwner),
        (Fault::BuriesForNonOwners, Rule::OnlyTheOwner),
        (Fault::RejectsLateOwners, Rule::OwnerUntilOvertaken),
        (Fault::AcceptsUsedLeases, Rule::UsedUp),
        (Fault::RejectsSecondCompletions, Rule::CompleteAgain),
        (Fault::RejectsSecondBurials, Rule::BuryAgain),
        (Fault::BuriesAgain, Rule::BuryAgain),
        (Fault::KeepsTheOwnersOfDeadLetters, Rule::UsedUp),
        (Fault::DoesNotRenew, Rule::Renewal),
        (Fault::IgnoresDelays, Rule::Delays),
        (Fault::BlocksBehindDelays, Rule::RunsAgain),
        (Fault::DoesNotCountAttempts, Rule::Attempts),
        (Fault::CountsGivenBackAttempts, Rule::Attempts),
        (Fault::GivesBackWithADelay, Rule::RunsAgain),
        (Fault::KeepsTheAttemptsOfRetriedDeadLetters, Rule::RunsAgain),
        (Fault::RetriesForever, Rule::EndsDead),
        (Fault::CrashesForever, Rule::EndsDead),
        (Fault::DropsAfterTheLastAttempt, Rule::EndsDead),
        (Fault::TakesDeadLetters, Rule::Ended),
        (Fault::TakesDone, Rule::Ended),
        (Fault::ListsOldestFirst, Rule::DeadLetters),
        (Fault::IgnoresTheListLimit, Rule::DeadLetters),
        (Fault::FindsWaitingJobs, Rule::DeadLetters),
        (Fault::FindsTheNewest, Rule::DeadLetters),
        (Fault::LosesErrors, Rule::EndsDead),
        (Fault::StoresLongErrors, Rule::DeadLetters),
        (Fault::RetriesAllTypes, Rule::DeadLetters),
        (Fault::RetriesRunningJobs, Rule::DeadLetters),
        (Fault::DiscardsWaitingJobs, Rule::DeadLetters),
        (Fault::IgnoresObjects, Rule::OneObject),
        (Fault::IgnoresObjectsInRenewals, Rule::OneObject),
        (Fault::UsesTheIdsOfMemberships, Rule::OneObject),
        (Fault::BlocksObjectsBetweenAttempts, Rule::RunsAgain),
        (Fault::IgnoresTheScope, Rule::Scopes),
        (Fault::CountsDone, Rule::Stats),
        (Fault::CountsDelayedAsRunning, Rule::Stats),
        (Fault::ReportsTheNewestAsOldest, Rule::Stats),
        (Fault::PurgesNew, Rule::Purge),
        (Fault::PurgesDead, Rule::Purge),
        (Fault::PurgesWaiting, Rule::Purge),
        (Fault::IgnoresThePurgeLimit, Rule::Purge),
        (Fault::WaitsForever, Rule::Wait),
        (Fault::AnswersWithoutStoring, Rule::Answers),
        (Fault::FailsOpen, Rule::Errors),
        (Fault::AnswersOpen, Rule::Errors),
        (Fault::Hangs, Rule::Errors),
        (Fault::Fails, Rule::Errors),
    ];
    let mut verdicts = JoinSet::new();
    for (fault, rule) in faults {
        verdicts.spawn(async move {
            let suite = async move { Suite::new(&Broken(Queue::new(fault))).run().await };
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
async fn passes_a_queue_without_a_fault() {
    let suite = async { Suite::new(&Broken(Queue::new(Fault::Nothing))).run().await };
    assert_eq!(verdict(suite).await, Ok(()));
}

/// The message contains the seed, so that the run can be repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_race_check_finds_concurrency_faults() {
    for fault in [Fault::ReadsAndThenTakes, Fault::IgnoresObjects, Fault::TakesDone] {
        let races = async move { Suite::new(&Broken(Queue::new(fault))).seed(4711).races().await };
        let message = verdict(races).await.unwrap_err();
        assert!(message.ends_with(", seed 4711"), "{fault:?}: {message}");
    }
}
