//! The arguments of `clerk-webhook scenario`.

use std::time::Duration;

use clap::ValueEnum;
use clerk_webhook_test::HistoryBuilder;
use clerk_webhook_test::{History, Scenario};
use jiff::SignedDuration;

use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::send::endpoint::RemoteArgs;
use crate::send::svix;

/// How many events there are unless something else is said.
const EVENTS: u64 = 250;

const EXAMPLES: &str = "\
Examples, with URL=http://127.0.0.1:3000/webhooks/clerk:
  clerk-webhook scenario signup --to $URL
      250 events of people who sign up, one after the other
  clerk-webhook scenario all --shuffle --duplicate 3 --concurrency 8 --retry \\
      --to $URL
      all 46 types as badly as they can come: is each handled once?
  clerk-webhook scenario churn --events 50000 --concurrency 32 --to $URL
      how many does the endpoint bear?
  clerk-webhook scenario churn --shuffle --duplicate 2 --concurrency 8 --retry --to $URL \\
      --to http://127.0.0.1:3001/webhooks/clerk
      two instances, as behind a load balancer: do they agree?
  clerk-webhook scenario all --seed 7 --shuffle --retry --to $URL --expect-sync sqlite:app.db
      does clerk-webhook-sync keep what Clerk holds?
  clerk-webhook scenario team --seed 7 --dry-run > team.ndjson
      the signed deliveries as lines, which `clerk-webhook replay` sends";

const EXPLANATION: &str = "\
A history is coherent: ids are the same throughout, times rise, and nothing happens to what is deleted. The same seed makes \
the same history and the same order of sending. Message ids are the same, too: a server that remembers them calls a second \
run with the same seed duplicates.

Each attempt is signed when it is made. An answer of 2xx ends a delivery; without --retry every other answer does, too. With \
it, what Svix would try again is tried again: after its 5 s to 10 h, 20 % more or less, no sooner than 60 s after no answer \
in time, up to twice as late where Retry-After asks for it, all of that divided by --time-scale. 429 counts as any other \
failure, as Svix's open-source server treats it; the hosted service documents nothing else. The answer \
`webhook-delivery: abort-message` ends a delivery, and `disable` everything. Where a connection fails within a second, the \
same bytes are sent again at once.

With several --to, deliveries begin at one URL after the other, and each further attempt goes to the URL after that of the \
last one, as a load balancer in front of several instances may have it.

With --expect-sync (feature sync) the tables that clerk-webhook-sync keeps are compared with the history, column by column, and \
the tombstones of what was deleted: begin with empty tables. Values are shown only of times, numbers, booleans and statuses.

Exit code 1 says that a message was never answered with 2xx, or that the tables differ, 3 that at one of the URLs nothing has ever listened.";

/// Send a whole history as Svix does: retried, duplicated, out of order
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXPLANATION}\n\n{EXAMPLES}"))]
pub(crate) struct Args {
    /// What happens
    #[arg(value_enum)]
    pub(super) scenario: Kind,

    /// Where to send it, such as http://127.0.0.1:3000/webhooks/clerk; given several times, attempts go to the URLs in turn
    #[arg(long, value_name = "URL", required_unless_present_any = ["dry_run", "expect_sync"])]
    pub(super) to: Vec<String>,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Number that makes the history, to have the same again [default: another each time, which is printed]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,

    /// How many events there are [default: 250]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) events: Option<u64>,

    /// How many people sign up, instead of how many events there are
    #[arg(
        long, value_name = "NUMBER", conflicts_with = "events",
        value_parser = clap::value_parser!(u64).range(1..=100_000_000)
    )]
    pub(super) users: Option<u64>,

    /// When the history begins [default: 2026-01-01T00:00:00Z, so that the same seed makes the same bytes]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) start: Option<Moment>,

    /// Let versions of an object have the same updated_at, so that only the envelope tells them apart
    #[arg(long)]
    pub(super) ties: bool,

    /// Send out of order: each message comes up to so many messages too late [default with --shuffle: 1000]
    #[arg(
        long, value_name = "MESSAGES", num_args = 0..=1, require_equals = true, default_missing_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(super) shuffle: Option<u32>,

    /// Send each message so often in all: half of the copies at once, the others up to 100 messages later
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) duplicate: u32,

    /// How many attempts are made at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) concurrency: u32,

    /// Try again what is not answered with 2xx, up to eight times as Svix does
    #[arg(long)]
    pub(super) retry: bool,

    /// How much faster than Svix retries come; with 2000 the 28 hours of a schedule take less than a minute
    #[arg(long, value_name = "FACTOR", default_value_t = 2000.0, value_parser = time_scale)]
    pub(super) time_scale: f64,

    /// How long to wait for an answer, whatever the time scale
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = time_limit)]
    pub(super) timeout: Duration,

    /// Show every attempt, not only the summary
    #[arg(long)]
    pub(super) each: bool,

    /// Send nothing; print the signed deliveries as lines of JSON, in the order in which they would be sent
    #[arg(long, conflicts_with_all = ["retry", "each"])]
    pub(super) dry_run: bool,

    /// Compare the tables of clerk-webhook-sync in this database with what Clerk holds at the end; without --to nothing is sent
    #[arg(long, value_name = "DATABASE_URL", conflicts_with = "dry_run")]
    pub(super) expect_sync: Option<String>,

    /// What the names of these tables begin with, such as schema.clerk_
    #[arg(long, value_name = "PREFIX", default_value = "clerk_", requires = "expect_sync")]
    pub(super) sync_prefix: String,

    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Kind {
    /// People sign up and come again: users, sessions, codes by e-mail and SMS
    #[value(name = "signup")]
    SignUp,
    /// People found organizations, invite each other, join, change roles, leave
    Team,
    /// Users, organizations and memberships change all the time, and are deleted
    Churn,
    /// All 46 types of events, each within the first 150
    All,
}

impl Kind {
    pub(super) fn scenario(self) -> Scenario {
        match self {
            Self::SignUp => Scenario::SignUp,
            Self::Team => Scenario::Team,
            Self::Churn => Scenario::Churn,
            Self::All => Scenario::All,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::Team => "team",
            Self::Churn => "churn",
            Self::All => "all",
        }
    }
}

impl Args {
    pub(super) fn event_count(&self) -> u64 {
        self.events.unwrap_or(EVENTS)
    }

    /// Returns the history of a seed.
    pub(super) fn history(&self, seed: u64) -> HistoryBuilder {
        let history = History::builder().scenario(self.scenario.scenario()).seed(seed).ties(self.ties);
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

fn time_scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "it has to be a number".to_owned())?;
    if (1.0..=1_000_000.0).contains(&scale) {
        Ok(scale)
    } else {
        Err("it has to be between 1, which is real time, and 1000000".to_owned())
    }
}

fn time_limit(text: &str) -> Result<Duration, String> {
    let limit: SignedDuration = text.parse().map_err(|_| "write 15s or 500ms".to_owned())?;
    let limit = Duration::try_from(limit).map_err(|_| "it cannot be negative".to_owned())?;
    if limit.is_zero() || limit > svix::TIMEOUT * 240 {
        return Err("it has to be more than nothing and at most an hour".to_owned());
    }
    Ok(limit)
}
