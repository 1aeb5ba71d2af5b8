//! The arguments of `clerk-webhook verify`.

use std::time::Duration;

use jiff::SignedDuration;

use super::input::InputArgs;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;

/// Explain why a captured request does not verify
///
/// A cause is a fact about the request, or a change that makes the signature match when it is undone. Secrets,
/// payloads, and expected signatures are never printed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) input: InputArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Time at which to check the age [default: the time of receipt in a recording, else now]
    ///
    /// Accepts now, -2d or -10m (from now), seconds since 1970, or a time such as 2026-01-31T12:00:00Z. `clerk-webhook
    /// listen --record` writes recordings.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) now: Option<Moment>,

    /// Maximum difference between the timestamp and the time of --now, such as 300s or 10m
    #[arg(long, value_name = "DURATION", default_value = "300s", value_parser = tolerance)]
    pub(super) tolerance: Duration,

    /// Do not check the age, for requests that were captured long ago
    #[arg(long, conflicts_with_all = ["now", "tolerance"])]
    pub(super) any_age: bool,
}

const EXAMPLES: &str = "\
Examples:
  clerk-webhook verify request.http
  clerk-webhook verify --any-age deliveries.ndjson
  clerk webhooks listen --json | head -n 2 | clerk-webhook verify -
  clerk-webhook verify --body b.json --id msg_1 --timestamp 1716883200 \\
      --signature v1,…

Exit codes: 0 every request is authentic, 1 a request is not authentic, or a file is unreadable, 2 incorrect usage.";

/// Parses a duration: `300`, `300s`, `10m`.
fn tolerance(text: &str) -> Result<Duration, String> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => text.parse::<SignedDuration>().ok().and_then(|time| u64::try_from(time.as_secs()).ok()),
    };
    match seconds {
        // The range of tolerances that the library allows, in seconds.
        Some(seconds @ 0..=86_400) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err("the maximum tolerance is one day; use --any-age to skip the check".to_owned()),
        None => Err("expected a duration such as 300s or 10m".to_owned()),
    }
}
