//! The arguments of `clerk-webhook scenario`.

use std::time::Duration;

use jiff::SignedDuration;

use crate::args::history::{HistoryArgs, Kind};
use crate::args::secrets::SecretArgs;
use crate::send::endpoint::{RemoteArgs, UserAgentArgs};
use crate::send::svix;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook scenario signup
      250 events of users who sign up, in order
  clerk-webhook scenario all --shuffle --duplicate 3 --concurrency 8 --retry
      all 46 types, reordered, duplicated, and concurrent
  clerk-webhook scenario churn --events 50000 --concurrency 32
      a load test
  clerk-webhook scenario churn --retry --to :3000/hooks --to :3001/hooks
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

Exit codes: 0 success, 1 a message never got a 2xx response, 2 incorrect usage, 3 nothing ever listened at one of the URLs.";

/// Send many events as Svix does: retried, duplicated, and reordered
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

    #[command(flatten)]
    pub(super) history: HistoryArgs,

    /// Send out of order, each message up to 1000 messages late
    ///
    /// --shuffle=20 sends each message up to 20 messages late.
    #[arg(
        long, value_name = "MESSAGES", num_args = 0..=1, require_equals = true, default_missing_value = "1000",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(super) shuffle: Option<u32>,

    /// Send each message this number of times, 1 to 100
    ///
    /// Half of the copies follow immediately, the others up to 100 messages later.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) duplicate: u32,

    /// Number of simultaneous attempts, 1 to 1024
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

    #[command(flatten)]
    pub(super) remote: RemoteArgs,

    #[command(flatten)]
    pub(super) agent: UserAgentArgs,
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
