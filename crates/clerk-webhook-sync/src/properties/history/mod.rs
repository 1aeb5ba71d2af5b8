//! Made-up lives of an instance of Clerk, small enough to be shrunk.

mod billing;
mod people;
mod sessions;
mod things;
mod waitlist;

use std::collections::BTreeSet;

use clerk_webhook_core::{Event, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use self::billing::Subscription;
use self::people::{Membership, Organization, User};
use self::sessions::Session;
use self::things::Thing;
use self::waitlist::Waiting;

/// When it all begins, in milliseconds since the Unix epoch.
const BEGINNING: i64 = 1_700_000_000_000;

/// What happens next. Which of it is possible depends on what there is.
#[derive(Clone, Debug)]
pub(super) struct Step {
    what: u8,
    who: u8,
    whom: u8,
    detail: u8,
    /// How many milliseconds later; often it is the same one.
    later: u8,
}

/// A history, and an order in which its events arrive, some of them more than once.
#[derive(Clone, Debug)]
pub(super) struct Case {
    steps: Vec<Step>,
    keys: Vec<u16>,
    again: Vec<(Index, u16)>,
    withheld: Index,
}

/// Makes histories of at most so many steps.
pub(super) fn cases(longest: usize) -> impl Strategy<Value = Case> {
    let step = (0_u8..27, 0_u8..4, 0_u8..4, any::<u8>(), prop_oneof![2 => Just(0), 1 => 1_u8..4]);
    let step = step.prop_map(|(what, who, whom, detail, later)| Step { what, who, whom, detail, later });
    let steps = prop::collection::vec(step, 1..longest);
    let keys = prop::collection::vec(any::<u16>(), 60);
    let again = prop::collection::vec((any::<Index>(), any::<u16>()), 0..12);
    (steps, keys, again, any::<Index>()).prop_map(|(steps, keys, again, withheld)| Case {
        steps,
        keys,
        again,
        withheld,
    })
}

/// What Clerk has sent, and what it holds in the end.
#[derive(Debug)]
pub(super) struct History {
    pub(super) events: Vec<Event>,
    pub(super) truth: BTreeSet<String>,
}

impl Case {
    /// Tells the history, with ids that begin with the name.
    pub(super) fn history(&self, name: &str, clock: Clock) -> History {
        let mut world = World::new(name, clock);
        for step in &self.steps {
            world.take(step);
        }
        History { truth: world.truth(), events: world.events }
    }

    /// Returns an event that never arrives, in a test that withholds one.
    pub(super) fn withheld<'a>(&self, events: &'a [Event]) -> Option<&'a Event> {
        (!events.is_empty()).then(|| self.withheld.get(events))
    }

    /// Returns the events as they arrive.
    pub(super) fn arrivals(&self, events: &[Event]) -> Vec<Event> {
        let key = |index: usize| self.keys.get(index % self.keys.len()).copied().unwrap_or_default();
        let once = events.iter().enumerate().map(|(index, event)| (key(index), event.clone()));
        let again = self.again.iter().filter(|_| !events.is_empty());
        let again = again.map(|(index, key)| (*key, index.get(events).clone()));
        let mut arrivals: Vec<_> = once.chain(again).collect();
        arrivals.sort_by_key(|(key, _)| *key);
        arrivals.into_iter().map(|(_, event)| event).collect()
    }
}

/// What the times of envelopes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Each is later than the one before, however close the changes are.
    Increasing,
    /// Two changes in a millisecond have the same: nobody can say which was first.
    Tied,
}

struct World {
    name: String,
    clock: Clock,
    now: i64,
    last_event_at: i64,
    ids: usize,
    users: Vec<User>,
    organizations: Vec<Organization>,
    memberships: Vec<Membership>,
    things: Vec<Thing>,
    sessions: Vec<Session>,
    subscriptions: Vec<Subscription>,
    waiting: Vec<Waiting>,
    events: Vec<Event>,
}

fn pick<T>(of: &[T], number: u8) -> Option<usize> {
    (!of.is_empty()).then(|| usize::from(number) % of.len())
}

impl World {
    fn new(name: &str, clock: Clock) -> Self {
        Self {
            name: name.to_owned(),
            clock,
            now: BEGINNING,
            last_event_at: 0,
            ids: 0,
            users: Vec::new(),
            organizations: Vec::new(),
            memberships: Vec::new(),
            things: Vec::new(),
            sessions: Vec::new(),
            subscriptions: Vec::new(),
            waiting: Vec::new(),
            events: Vec::new(),
        }
    }

    fn id(&mut self, prefix: &str) -> String {
        self.ids += 1;
        format!("{prefix}_{}{}", self.name, self.ids)
    }

    fn send(&mut self, event_type: &str, data: &Value) {
        let event_at = match self.clock {
            Clock::Increasing => (self.now + 10).max(self.last_event_at + 1),
            Clock::Tied => self.now + 10,
        };
        self.last_event_at = event_at;
        let body = json!({ "data": data, "object": "event", "timestamp": event_at, "type": event_type });
        let id = format!("msg_{}_{}", self.name, self.events.len());
        let event = Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.to_string().into());
        self.events.push(event.unwrap());
    }

    fn take(&mut self, step: &Step) {
        self.now += i64::from(step.later);
        match step.what {
            0 | 1 => self.sign_up(step),
            2..=4 => self.change_user(step),
            5 => self.delete_user(step),
            6 => self.found(step),
            7 | 8 => self.change_organization(step),
            9 => self.delete_organization(step),
            10..=12 => self.join(step),
            13 | 14 => self.change_role(step),
            15 | 16 => self.leave(step),
            17 => self.add_thing(step),
            18 => self.change_thing(step),
            19 => self.delete_thing(step),
            20 => self.sign_in(step),
            21 => self.change_session(step),
            22 => self.subscribe(step),
            23 => self.change_plan(step),
            24 | 25 => self.change_item(step),
            _ => self.wait(step),
        }
    }

    /// Returns a line for everything that is live.
    fn truth(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        self.true_people(&mut lines);
        self.true_things(&mut lines);
        self.true_sessions(&mut lines);
        self.true_billing(&mut lines);
        self.true_waitlist(&mut lines);
        lines
    }
}
