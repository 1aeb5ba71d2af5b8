//! Arguments that describe a generated history.

use std::hash::{BuildHasher as _, RandomState};

use clap::ValueEnum;
use clerk_webhook_test::{History, HistoryBuilder, Scenario};

use super::moment::Moment;
use crate::text;

/// The default number of events.
const EVENTS: u64 = 250;

/// The options that determine a history, together with its [`Kind`]. The same options generate the same history in each
/// command.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Seed, to repeat a run [default: a new one, which is printed]
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,

    /// Number of events [default: 250]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) events: Option<u64>,

    /// Number of users who sign up, instead of --events
    #[arg(
        long, value_name = "NUMBER", conflicts_with = "events",
        value_parser = clap::value_parser!(u64).range(1..=100_000_000)
    )]
    pub(crate) users: Option<u64>,

    /// Start of the history [default: 2026-01-01T00:00:00Z]
    ///
    /// Accepts -2d or -2h (from now), seconds since 1970, or a time such as 2026-01-31T12:00:00Z. With the default, the
    /// same seed generates the same bytes.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) start: Option<Moment>,

    /// Give versions of an object the same updated_at
    ///
    /// Only the timestamp of the event then differs.
    #[arg(long)]
    pub(crate) ties: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// Users sign up and return, with sessions and with codes by email and SMS
    #[value(name = "signup")]
    SignUp,
    /// Users create organizations, invite each other, join, change roles, and leave
    Team,
    /// Users, organizations, and memberships change often and are deleted
    Churn,
    /// All 46 event types, each within the first 150 events
    All,
}

impl Kind {
    pub(crate) fn scenario(self) -> Scenario {
        match self {
            Self::SignUp => Scenario::SignUp,
            Self::Team => Scenario::Team,
            Self::Churn => Scenario::Churn,
            Self::All => Scenario::All,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::Team => "team",
            Self::Churn => "churn",
            Self::All => "all",
        }
    }
}

impl HistoryArgs {
    /// Returns the seed, or a new one that is short enough to type.
    pub(crate) fn seed_or_new(&self) -> u64 {
        self.seed.unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000)
    }

    pub(crate) fn event_count(&self) -> u64 {
        self.events.unwrap_or(EVENTS)
    }

    /// Returns the size in words.
    pub(crate) fn size(&self) -> String {
        match self.users {
            Some(users) => text::counted(users, "user", "users"),
            None => text::counted(self.event_count(), "event", "events"),
        }
    }

    /// Returns the history for the seed.
    pub(crate) fn history(&self, kind: Kind, seed: u64) -> HistoryBuilder {
        let history = History::builder().scenario(kind.scenario()).seed(seed).ties(self.ties);
        let history = match self.start {
            Some(Moment(start)) => history.start(start),
            None => history,
        };
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        match self.users {
            Some(users) => history.users(count(users)),
            None => history.events(count(self.event_count())),
        }
    }
}
