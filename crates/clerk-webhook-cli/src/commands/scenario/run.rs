//! `clerk-webhook scenario`.

use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufWriter, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use clerk_webhook_core::{SigningSecret, Timestamp};
use clerk_webhook_test::history::HistoryBuilder;
use clerk_webhook_test::{History, Scenario};
use jiff::SignedDuration;
use serde_json::json;

use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::failure::Failure;
use crate::output::{Output, style};
use crate::send::client::{self, Client};
use crate::send::endpoint::{Endpoint, RemoteArgs};
use crate::send::svix;

use super::plan::Plan;
use super::progress::Progress;
use super::sender;
use super::sender::Sender;
use super::sync_check::SyncCheck;
use super::tally::Tally;

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
    scenario: Kind,

    /// Where to send it, such as http://127.0.0.1:3000/webhooks/clerk; given several times, attempts go to the URLs in turn
    #[arg(long, value_name = "URL", required_unless_present_any = ["dry_run", "expect_sync"])]
    to: Vec<String>,

    #[command(flatten)]
    secrets: SecretArgs,

    /// Number that makes the history, to have the same again [default: another each time, which is printed]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,

    /// How many events there are [default: 250]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    events: Option<u64>,

    /// How many people sign up, instead of how many events there are
    #[arg(
        long, value_name = "NUMBER", conflicts_with = "events",
        value_parser = clap::value_parser!(u64).range(1..=100_000_000)
    )]
    users: Option<u64>,

    /// When the history begins [default: 2026-01-01T00:00:00Z, so that the same seed makes the same bytes]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    start: Option<Moment>,

    /// Let versions of an object have the same updated_at, so that only the envelope tells them apart
    #[arg(long)]
    ties: bool,

    /// Send out of order: each message comes up to so many messages too late [default with --shuffle: 1000]
    #[arg(
        long, value_name = "MESSAGES", num_args = 0..=1, require_equals = true, default_missing_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    shuffle: Option<u32>,

    /// Send each message so often in all: half of the copies at once, the others up to 100 messages later
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    duplicate: u32,

    /// How many attempts are made at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    concurrency: u32,

    /// Try again what is not answered with 2xx, up to eight times as Svix does
    #[arg(long)]
    retry: bool,

    /// How much faster than Svix retries come; with 2000 the 28 hours of a schedule take less than a minute
    #[arg(long, value_name = "FACTOR", default_value_t = 2000.0, value_parser = time_scale)]
    time_scale: f64,

    /// How long to wait for an answer, whatever the time scale
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = time_limit)]
    timeout: Duration,

    /// Show every attempt, not only the summary
    #[arg(long)]
    each: bool,

    /// Send nothing; print the signed deliveries as lines of JSON, in the order in which they would be sent
    #[arg(long, conflicts_with_all = ["retry", "each"])]
    dry_run: bool,

    /// Compare the tables of clerk-webhook-sync in this database with what Clerk holds at the end; without --to nothing is sent
    #[arg(long, value_name = "DATABASE_URL", conflicts_with = "dry_run")]
    expect_sync: Option<String>,

    /// What the names of these tables begin with, such as schema.clerk_
    #[arg(long, value_name = "PREFIX", default_value = "clerk_", requires = "expect_sync")]
    sync_prefix: String,

    #[command(flatten)]
    remote: RemoteArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
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
    fn scenario(self) -> Scenario {
        match self {
            Self::SignUp => Scenario::SignUp,
            Self::Team => Scenario::Team,
            Self::Churn => Scenario::Churn,
            Self::All => Scenario::All,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SignUp => "signup",
            Self::Team => "team",
            Self::Churn => "churn",
            Self::All => "all",
        }
    }
}

/// How a history is sent.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) secrets: Vec<SigningSecret>,
    pub(super) concurrency: usize,
    /// How much faster retries are than those of Svix; without it there are none.
    pub(super) retry: Option<f64>,
    pub(super) each: bool,
    pub(super) seed: u64,
}

impl Args {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        let output = &output.up_to_the_result();
        let sync =
            self.expect_sync.as_deref().map(|url| SyncCheck::new(url, &self.sync_prefix)).transpose()?;
        if let (Some(sync), true) = (&sync, self.to.is_empty()) {
            return self.compare(output, sync);
        }
        let endpoints = self.to.iter().map(|to| self.remote.endpoint(to)).collect::<Result<Vec<_>, _>>()?;
        let secrets = self.secrets.secrets()?;
        // Short enough to be typed.
        let seed = self.seed.unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
        let plan = Plan::new(self.history(seed).stream(), seed, self.shuffle, self.duplicate);
        if self.dry_run {
            return print(plan, &secrets);
        }
        // For all of them there is one client, which reads the certificates of the system where one needs them.
        let is_secure = |endpoint: &&Endpoint| endpoint.uri().scheme_str() == Some("https");
        let Some(strictest) = endpoints.iter().find(is_secure).or(endpoints.first()) else {
            return Err(Failure::usage("say with --to where to send it"));
        };
        let client = Client::new(strictest.uri(), self.timeout)?;
        if let Some(sync) = &sync {
            // Better now than after an hour of sending.
            client::block_on(sync.probe())?;
        }
        self.announce(output, &endpoints, seed)?;
        let settings = Settings {
            secrets,
            concurrency: self.concurrency as usize,
            retry: self.retry.then_some(self.time_scale),
            each: self.each,
            seed,
        };
        let deliveries = self.users.is_none().then(|| self.event_count() * u64::from(self.duplicate));
        let progress = Progress::new(deliveries, self.each && !output.is_json());
        let tally = client::block_on(async {
            let uris = endpoints.iter().map(|endpoint| endpoint.uri().clone());
            Sender::new(client, uris, settings, plan, output, progress).run().await
        })?;
        let summarized = self.summarize(output, &tally, seed);
        match sync {
            // What Clerk holds is known of a history that was told to its end.
            Some(sync) if tally.is_whole() && matches!(summarized, Ok(()) | Err(Failure::Negative)) => {
                self.expect(output, &sync, seed).and(summarized)
            }
            _ => summarized,
        }
    }

    /// Compares without sending anything.
    fn compare(&self, output: &Output, sync: &SyncCheck) -> Result<(), Failure> {
        let Some(seed) = self.seed else {
            return Err(Failure::usage(
                "say with --seed which history to compare with, or with --to where to send it",
            ));
        };
        client::block_on(sync.probe())?;
        self.expect(output, sync, seed)
    }

    fn expect(&self, output: &Output, sync: &SyncCheck, seed: u64) -> Result<(), Failure> {
        let history = self.history(seed).build();
        if client::block_on(sync.run(&history, output))? { Ok(()) } else { Err(Failure::Negative) }
    }

    fn event_count(&self) -> u64 {
        self.events.unwrap_or(EVENTS)
    }

    fn history(&self, seed: u64) -> HistoryBuilder {
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

    /// Says what is about to happen, above all the seed, with which it can be had again.
    fn announce(&self, output: &Output, endpoints: &[Endpoint], seed: u64) -> Result<(), Failure> {
        let urls: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
        output.object(&json!({
            "type": "start",
            "scenario": self.scenario.name(),
            "seed": seed,
            "to": urls.first(),
            "urls": urls,
            "events": self.users.is_none().then(|| self.event_count()),
            "users": self.users,
        }))?;
        let size = match self.users {
            Some(users) => format!("{users} users"),
            None => format!("{} events", self.event_count()),
        };
        let (strong, name, to) = (style::STRONG, self.scenario.name(), urls.join(" and "));
        output.line(format_args!("{strong}{name}{strong:#} with --seed {seed}, {size}, to {to}"))
    }

    fn summarize(&self, output: &Output, tally: &Tally, seed: u64) -> Result<(), Failure> {
        output.object(&tally.object(self.scenario.name(), seed))?;
        for line in tally.lines(self.retry) {
            output.line(line)?;
        }
        if tally.is_good() { Ok(()) } else { Err(Failure::Negative) }
    }
}

/// Prints deliveries as the lines that `clerk webhooks listen --json` prints, which `replay` and `verify` read.
fn print(plan: Plan, secrets: &[SigningSecret]) -> Result<(), Failure> {
    let mut lines = BufWriter::new(io::stdout().lock());
    for departure in plan {
        let (event, body) = (&departure.event, departure.event.body());
        let headers: serde_json::Map<_, _> = sender::headers(secrets, event, &body, Timestamp::now())
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let line = json!({
            "type": "event",
            "svix_id": event.message_id(),
            "event_type": event.event_type().as_str(),
            "headers": headers,
            "body_b64": STANDARD.encode(&body),
        });
        writeln!(lines, "{line}")?;
    }
    lines.flush()?;
    Ok(())
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
