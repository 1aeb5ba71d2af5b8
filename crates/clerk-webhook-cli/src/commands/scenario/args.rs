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

/// The default number of events.
const EVENTS: u64 = 250;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook scenario signup
      250 events of users who sign up, in order
  clerk-webhook scenario all --shuffle --duplicate 3 --concurrency 8 --retry
      all 46 types, reordered, duplicated, and concurrent
  clerk-webhook scenario churn --events 50000 --concurrency 32
      a load test
  clerk-webhook scenario churn --retry --to :3000/webhooks/clerk --to :3001/webhooks/clerk
      two instances of one server, as behind a load balancer
  clerk-webhook scenario team --seed 7 --dry-run > team.ndjson
      signed deliveries for `clerk-webhook replay`";

const EXPLANATION: &str = "\
A history is coherent: ids stay the same, times increase, and no event follows the deletion of its object. The same seed \
generates the same history, message ids, and order. A server that remembers message ids treats a second run with the same seed \
as duplicates.

Each attempt has a new signature. A 2xx response ends a delivery. Without --retry, every other response ends it too. With \
--retry, failed attempts are retried as Svix does: after delays from 5 s to 10 h, ± 20 %. After a timeout, the delay is at least \
60 s. Retry-After can double a delay. --time-scale divides all delays. 429 is treated like any other failure, as in Svix's \
open-source server; the hosted service documents no other behavior. The `webhook-delivery: abort-message` header \
ends a delivery, and `disable` ends the run. If a connection fails within a second, the same bytes are sent again \
immediately.

With several --to, the first attempts go to the URLs in turn. Each further attempt goes to the next URL, as behind a load \
balancer.

With --expect-sync (feature sync), the tables of clerk-webhook-sync are compared with the history, column by column, including \
the tombstones of deleted objects. Start with empty tables. Only the values of times, numbers, booleans, and statuses are printed.

Exit codes: 0 success, 1 a message never got a 2xx response or the tables differ, 2 incorrect usage, 3 nothing ever listened at one of \
the URLs or the database is unreadable.";

/// Send a sequence of events as Svix does, with retries, duplicates, and reordering
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXPLANATION}"))]
pub(crate) struct Args {
    /// History to send
    #[arg(value_enum)]
    pub(super) scenario: Kind,

    /// URL of the endpoint; repeatable [default: $CLERK_WEBHOOK_URL, else :3000/webhooks/clerk]
    ///
    /// Attempts go to the URLs in turn. This machine needs no http:// and no host: localhost:3000/webhooks/clerk
    /// or :3000/webhooks/clerk.
    #[arg(long, value_name = "URL")]
    pub(super) to: Vec<String>,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Seed, to repeat a run [default: a new one, which is printed]
    #[arg(long, value_name = "NUMBER")]
    pub(super) seed: Option<u64>,

    /// Number of events [default: 250]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(super) events: Option<u64>,

    /// Number of users who sign up, instead of --events
    #[arg(
        long, value_name = "NUMBER", conflicts_with = "events",
        value_parser = clap::value_parser!(u64).range(1..=100_000_000)
    )]
    pub(super) users: Option<u64>,

    /// Start of the history [default: 2026-01-01T00:00:00Z]
    ///
    /// With the default, the same seed generates the same bytes.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) start: Option<Moment>,

    /// Give versions of an object the same updated_at
    ///
    /// Only the timestamp of the event then differs.
    #[arg(long)]
    pub(super) ties: bool,

    /// Send out of order, each message up to 1000 messages late
    ///
    /// --shuffle=20 sends each message up to 20 messages late.
    #[arg(
        long, value_name = "MESSAGES", num_args = 0..=1, require_equals = true, default_missing_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(super) shuffle: Option<u32>,

    /// Send each message this number of times
    ///
    /// Half of the copies follow immediately, the others up to 100 messages later.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) duplicate: u32,

    /// Number of simultaneous attempts
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(super) concurrency: u32,

    /// Retry like Svix, with its 28 hours shortened to a minute
    #[arg(long)]
    pub(super) retry: bool,

    /// Divide the delays of retries by this number; 1 is real time
    #[arg(long, value_name = "FACTOR", default_value_t = 2000.0, value_parser = time_scale)]
    pub(super) time_scale: f64,

    /// Timeout for a response
    ///
    /// Not affected by --time-scale.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = time_limit)]
    pub(super) timeout: Duration,

    /// Print each attempt
    #[arg(long)]
    pub(super) each: bool,

    /// Print the signed deliveries as JSON lines instead of sending
    #[arg(long, conflicts_with_all = ["retry", "each"])]
    pub(super) dry_run: bool,

    /// Compare the tables of clerk-webhook-sync with the history
    ///
    /// Without --to, the command sends nothing.
    #[arg(long, value_name = "DATABASE_URL", conflicts_with = "dry_run")]
    pub(super) expect_sync: Option<String>,

    /// Prefix of the table names, such as schema.clerk_
    #[arg(long, value_name = "PREFIX", default_value = "clerk_", requires = "expect_sync")]
    pub(super) sync_prefix: String,

    #[command(flatten)]
    pub(super) remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Kind {
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

    /// Returns the history for the seed.
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
    let scale: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if (1.0..=1_000_000.0).contains(&scale) {
        Ok(scale)
    } else {
        Err("expected a number from 1 (real time) to 1000000".to_owned())
    }
}

fn time_limit(text: &str) -> Result<Duration, String> {
    let limit: SignedDuration =
        text.parse().map_err(|_| "expected a duration such as 15s or 500ms".to_owned())?;
    let limit = Duration::try_from(limit).map_err(|_| "the timeout cannot be negative".to_owned())?;
    if limit.is_zero() || limit > svix::TIMEOUT * 240 {
        return Err("expected a duration above 0 and at most 1h".to_owned());
    }
    Ok(limit)
}
