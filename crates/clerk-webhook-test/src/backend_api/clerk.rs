//! Clerk's side: the history so far, the clock, and the settings.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::iter::Peekable;

use super::faults::Faults;
use super::rate_limit::RateLimit;
use super::world::World;
use crate::history::{HistoryEvent, ObjectKind};

/// The key that the fake accepts, and the instance of a history without events.
pub(super) const SECRET_KEY: &str = "sk_test_ZmFrZSBiYWNrZW5kIGFwaSBvZiBhIGhpc3Rvcnk";
const INSTANCE_ID: &str = "ins_2fAArUK24oCKCd5jY4gJfpP89tC";

pub(super) struct Clerk {
    upcoming: Peekable<Box<dyn Iterator<Item = HistoryEvent> + Send>>,
    pub(super) world: World,
    /// The number of events that occurred.
    pub(super) position: usize,
    /// The time in milliseconds.
    pub(super) now: i64,
    pub(super) requests: u64,
    pub(super) instance_id: String,
    pub(super) disabled: BTreeSet<ObjectKind>,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) faults: Option<Faults>,
    replica: Option<Replica>,
}

/// The world some time ago.
#[derive(Debug)]
struct Replica {
    world: World,
    /// The events that the replica does not show yet.
    missing: VecDeque<HistoryEvent>,
    lag: i64,
}

impl Clerk {
    pub(super) fn new(events: impl Iterator<Item = HistoryEvent> + Send + 'static) -> Self {
        let events: Box<dyn Iterator<Item = HistoryEvent> + Send> = Box::new(events);
        let mut upcoming = events.peekable();
        let first = upcoming.peek();
        let instance_id = first.and_then(|event| event.json()["instance_id"].as_str().map(str::to_owned));
        // The clock is before the first event.
        let now = first.map_or(0, |event| event.occurred_at().as_millis() - 1);
        Self {
            upcoming,
            world: World::default(),
            position: 0,
            now,
            requests: 0,
            instance_id: instance_id.unwrap_or_else(|| INSTANCE_ID.to_owned()),
            disabled: BTreeSet::new(),
            rate_limit: None,
            faults: None,
            replica: None,
        }
    }

    /// Lets the next event occur.
    pub(super) fn advance(&mut self) -> Option<HistoryEvent> {
        let event = self.upcoming.next()?;
        self.world.apply(&event);
        self.position += 1;
        self.now = self.now.max(event.occurred_at().as_millis());
        if let Some(replica) = &mut self.replica {
            replica.missing.push_back(event.clone());
        }
        Some(event)
    }

    /// Moves the clock, and returns the events that occur until then.
    pub(super) fn pass(&mut self, millis: i64) -> Vec<HistoryEvent> {
        let end = self.now.saturating_add(millis);
        let mut events = Vec::new();
        while self.upcoming.peek().is_some_and(|next| next.occurred_at().as_millis() <= end) {
            events.extend(self.advance());
        }
        self.now = end;
        events
    }

    pub(super) fn set_faults(&mut self, faults: Faults) {
        let lag = i64::try_from(faults.staleness.as_millis()).unwrap_or(i64::MAX);
        self.replica = Some(Replica { world: self.world.clone(), missing: VecDeque::new(), lag });
        self.faults = Some(faults);
    }

    /// Returns the world as it was some time ago.
    pub(super) fn stale_world(&mut self) -> &World {
        let Some(replica) = &mut self.replica else { return &self.world };
        let shown = self.now.saturating_sub(replica.lag);
        while let Some(event) = replica.missing.front()
            && event.occurred_at().as_millis() <= shown
        {
            replica.world.apply(event);
            replica.missing.pop_front();
        }
        &replica.world
    }
}

impl fmt::Debug for Clerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clerk").field("position", &self.position).finish_non_exhaustive()
    }
}
