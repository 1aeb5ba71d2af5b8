//! Clerk in a simulation with a sync: what happens there, which events reach the receiver, and when it compares.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use clerk_webhook_store::internal::Random;
use clerk_webhook_test::{History, HistoryEvent, ObjectKind, Scenario};
use serde_json::Value;

use crate::history::Millis;
use crate::plan::{DAY, HOUR, MINUTE, SECOND, one_of};

/// The kinds of objects that the checker judges, and the beginnings of their short names.
pub const KINDS: [(ObjectKind, &str); 3] = [
    (ObjectKind::User, "user"),
    (ObjectKind::Organization, "org"),
    (ObjectKind::OrganizationMembership, "member"),
];

/// What happens at Clerk. The seed determines it.
pub struct Clerk {
    history: History,
    /// The number of events that occur before the simulation, and whose messages nobody sends.
    before: usize,
    facts: Vec<Fact>,
    /// The messages that nobody sends.
    unsent: BTreeSet<u8>,
    /// The messages that nobody resends at the end.
    never_resent: BTreeSet<u8>,
    /// The comparisons and imports before the end.
    pub comparisons: Vec<Comparison>,
    /// Whether two versions of an object can have the same time.
    pub ties: bool,
    /// Whether the API can show the objects as they were some seconds ago.
    pub stale: bool,
    /// Whether the sync has a hook, with which it writes other statements.
    pub has_hook: bool,
    names: Names,
}

/// The short names of the objects, and the time of the first event.
struct Names {
    by_id: HashMap<String, String>,
    began: i64,
}

/// An event.
#[derive(Clone, Debug)]
pub struct Fact {
    /// When it occurs. The events before the simulation occur at 0.
    pub at: Millis,
    /// The number of its message, also if nobody sends it.
    pub message: Option<u8>,
    /// The type of the event.
    pub event_type: String,
    /// The short name of the object.
    pub id: String,
    /// What the event says about its object.
    pub effect: Effect,
    /// When the object was created.
    pub created_at: i64,
    /// The organization and the user of a membership.
    pub owners: Option<[String; 2]>,
}

/// What an event says about its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It exists. The tables show this version.
    Exists(String),
    /// It was deleted.
    Deleted,
    /// The sync does not keep such objects.
    Ignored,
}

/// A comparison of the tables with the API, or an import.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// When it begins.
    pub at: Millis,
    /// Whether it only imports.
    pub is_import: bool,
    /// Whether any number of rows can become tombstones.
    pub force: bool,
    /// The number of objects on a page.
    pub page: u32,
    /// The longest time between two requests.
    pub pause: Millis,
    /// Whether Clerk reads the objects when a request is sent, not when its response arrives.
    pub reads_early: bool,
}

/// Why a comparison failed.
#[derive(Clone, Debug)]
pub enum NotCompared {
    /// Another comparison has taken the lease. This is allowed only if another one has begun later.
    LeaseLost { is_latest: bool },
    /// Clerk listed no object of this kind, and the tables have some.
    EmptyList(ObjectKind),
    /// Something else, which must not happen.
    Other(String),
}

/// The live rows of users, organizations and memberships by their short names, and the tombstones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Tables {
    pub live: BTreeMap<String, String>,
    pub deleted: BTreeSet<String>,
}

impl Clerk {
    /// Returns what happens at Clerk, if the receiver is a sync in this seed.
    #[must_use]
    pub fn of(seed: u64) -> Option<Self> {
        let mut random = Random::new(seed, 6);
        let random = &mut random;
        if random.below(6) > 0 {
            return None;
        }
        let before = one_of(random, &[0, 0, 6, 25]);
        let messages = 4 + random.below(9) as usize;
        let ties = random.below(4) == 0;
        // Most simulations should contain a deletion.
        let build = |history| {
            let builder = History::builder().scenario(Scenario::Churn).seed(8 * seed + history).ties(ties);
            builder.events(before + messages).build()
        };
        let deletes = |event: &HistoryEvent| event.event_type().as_str().ends_with("deleted");
        let history = (0..7).map(build).find(|history| history.events()[before..].iter().any(deletes));
        let history = history.unwrap_or_else(|| build(7));
        let is_complete = random.below(2) == 0;
        let mut some = |rate| {
            let chosen = (0..messages as u8).filter(|_| random.below(rate) == 0 && !is_complete);
            chosen.collect::<BTreeSet<_>>()
        };
        let (unsent, never_resent) = (some(6), some(3));
        let (facts, names) = facts(&history, before);
        let comparisons = 0..random.below(5);
        let comparisons = comparisons.map(|_| {
            let near = facts[before + random.below(messages as u64) as usize].at;
            let later = one_of(random, &[5 * SECOND, 10 * MINUTE, 3 * HOUR, 2 * DAY]);
            let at = match random.below(3) {
                0 => near.saturating_sub(random.below(2 * MINUTE)),
                // The API may not show the event yet.
                1 => near + random.below(4 * SECOND),
                _ => near + random.below(later),
            };
            Comparison {
                at,
                is_import: random.below(3) == 0,
                force: random.below(2) == 0,
                page: one_of(random, &[2, 3, 500]),
                pause: one_of(random, &[1, SECOND, 20 * SECOND, 20 * SECOND]),
                reads_early: random.below(2) == 0,
            }
        });
        let comparisons = comparisons.collect();
        // The API must not show an older version with a later time.
        let stale = !ties && random.below(3) == 0;
        let has_hook = random.below(4) == 0;
        Some(Self { history, before, facts, unsent, never_resent, comparisons, ties, stale, has_hook, names })
    }

    /// Returns the number of messages.
    #[must_use]
    pub fn messages(&self) -> u8 {
        (self.facts.len() - self.before) as u8
    }

    /// Returns all events in the order in which they occur.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Returns the events with their data.
    #[must_use]
    pub fn events(&self) -> &[HistoryEvent] {
        self.history.events()
    }

    /// Returns the number of events that occur before the simulation.
    #[must_use]
    pub fn before(&self) -> usize {
        self.before
    }

    /// Returns the number of a message's event.
    #[must_use]
    pub fn event_of(&self, message: u8) -> usize {
        self.before + usize::from(message)
    }

    /// Returns whether somebody sends the message.
    #[must_use]
    pub fn is_sent(&self, message: u8) -> bool {
        !self.unsent.contains(&message)
    }

    /// Returns whether nobody resends the message at the end.
    #[must_use]
    pub fn is_never_resent(&self, message: u8) -> bool {
        self.never_resent.contains(&message)
    }

    /// Returns Clerk's time at a moment of the simulation.
    #[must_use]
    pub fn time(&self, at: Millis) -> i64 {
        self.history.events()[self.before].occurred_at().as_millis() + at.cast_signed()
    }

    /// Returns the short name of an object.
    #[must_use]
    pub fn name(&self, id: &str) -> String {
        self.names.of(id).to_owned()
    }

    /// Returns a text with the short names of objects.
    #[must_use]
    pub fn rename(&self, text: &str) -> String {
        self.names.by_id.iter().fold(text.to_owned(), |text, (id, name)| text.replace(id, name))
    }

    /// Returns the objects that exist after all events.
    #[must_use]
    pub fn truth(&self) -> BTreeMap<String, String> {
        let truth = self.history.truth();
        let live = KINDS.into_iter().flat_map(|(kind, _)| truth.live(kind));
        live.map(|(id, data)| (self.name(id), self.names.shown(data))).collect()
    }

    /// Returns what the tables show of an object, from the columns of its row.
    #[must_use]
    pub fn shows(&self, updated_at: i64, texts: [Option<&str>; 3]) -> String {
        self.names.show(updated_at, texts)
    }
}

/// Omits the data.
impl fmt::Debug for Clerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clerk")
            .field("before", &self.before)
            .field("unsent", &self.unsent)
            .field("never_resent", &self.never_resent)
            .field("comparisons", &self.comparisons)
            .field("ties", &self.ties)
            .field("stale", &self.stale)
            .field("has_hook", &self.has_hook)
            .finish_non_exhaustive()
    }
}

impl Fact {
    /// Returns whether the object exists after the event.
    #[must_use]
    pub fn exists(&self) -> bool {
        matches!(self.effect, Effect::Exists(_))
    }

    /// Returns whether the event deletes its object.
    #[must_use]
    pub fn deletes(&self) -> bool {
        self.effect == Effect::Deleted
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.event_type, self.id)?;
        match &self.effect {
            Effect::Exists(shows) => write!(f, " ({shows})"),
            Effect::Deleted | Effect::Ignored => Ok(()),
        }
    }
}

impl Tables {
    /// Returns how the tables differ from what they contained before.
    #[must_use]
    pub fn changes(&self, before: &Self) -> String {
        let live = self.live.iter().filter(|(id, shows)| before.live.get(*id) != Some(shows));
        let live = live.map(|(id, shows)| format!("{id} is {shows}"));
        let gone = before.live.keys().filter(|id| !self.live.contains_key(*id));
        let gone = gone.map(|id| format!("{id} is not live any more"));
        let deleted = self.deleted.difference(&before.deleted).map(|id| format!("{id} is deleted"));
        let restored = before.deleted.difference(&self.deleted).map(|id| format!("{id} is not deleted"));
        live.chain(gone).chain(deleted).chain(restored).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.changes(&Self::default()))
    }
}

impl Names {
    fn of<'a>(&'a self, id: &'a str) -> &'a str {
        self.by_id.get(id).map_or(id, String::as_str)
    }

    /// Returns what the tables must show of an object, from its data.
    fn shown(&self, data: &Value) -> String {
        let updated_at = data["updated_at"].as_i64().unwrap_or_default();
        let text = |path: &str| data.pointer(path).and_then(Value::as_str);
        let texts = match (text("/name"), text("/role")) {
            // A new member changes the time of an organization without an event about it.
            (Some(name), _) => return self.show(0, [Some(name), None, None]),
            (_, Some(role)) => [text("/organization/id"), text("/public_user_data/user_id"), Some(role)],
            _ => {
                let mut emails = data["email_addresses"].as_array().into_iter().flatten();
                let primary = emails.find(|email| email["id"] == data["primary_email_address_id"]);
                [text("/first_name"), primary.and_then(|email| email["email_address"].as_str()), None]
            }
        };
        self.show(updated_at, texts)
    }

    fn show(&self, updated_at: i64, texts: [Option<&str>; 3]) -> String {
        let mut shows: Vec<_> = texts.into_iter().flatten().map(|text| self.of(text).to_owned()).collect();
        if updated_at > 0 {
            shows.push(format!("version {}", updated_at - self.began));
        }
        shows.join(", ")
    }
}

/// Reads the events of a history, and gives each object a short name.
fn facts(history: &History, before: usize) -> (Vec<Fact>, Names) {
    let time = |event: usize| history.events()[event].occurred_at().as_millis();
    let mut names = Names { by_id: HashMap::new(), began: time(0) };
    let mut counts = HashMap::new();
    let mut facts = Vec::new();
    for (number, event) in history.events().iter().enumerate() {
        let (body, event_type) = (event.json(), event.event_type().as_str().to_owned());
        let data = &body["data"];
        let id = data["id"].as_str().unwrap_or_default().to_owned();
        let (object, change) = event_type.split_once('.').unwrap_or_default();
        let prefix = match object {
            "organization" => "org",
            "organizationMembership" => "member",
            other => other,
        };
        names.by_id.entry(id.clone()).or_insert_with(|| {
            let count = counts.entry(prefix.to_owned()).or_insert(0);
            *count += 1;
            format!("{prefix}_{count}")
        });
        let effect = match (KINDS.iter().any(|(_, kind)| *kind == prefix), change) {
            (false, _) => Effect::Ignored,
            (true, "deleted") => Effect::Deleted,
            (true, _) => Effect::Exists(names.shown(data)),
        };
        let owners = data["organization"]["id"].as_str().zip(data["public_user_data"]["user_id"].as_str());
        facts.push(Fact {
            at: u64::try_from(time(number) - time(before)).unwrap_or_default(),
            message: number.checked_sub(before).map(|message| message as u8),
            id: names.of(&id).to_owned(),
            effect,
            created_at: data["created_at"].as_i64().unwrap_or_default(),
            owners: owners.map(|(organization, user)| [organization, user].map(|id| names.of(id).to_owned())),
            event_type,
        });
    }
    (facts, names)
}
