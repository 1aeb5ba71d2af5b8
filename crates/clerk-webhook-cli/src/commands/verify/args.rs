//! The arguments of `clerk-webhook verify`.

use std::time::Duration;

use jiff::SignedDuration;

use super::input::InputArgs;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;

/// Says whether a captured request is authentic, and if not, why
///
/// The cause is computed: it is named where it is a fact of the request, or where the signature really matches once it is
/// undone. Secrets, payloads and signatures that would be expected are never shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) input: InputArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Judge the age as of then: now, -10m, seconds since 1970, or 2026-01-31T12:00:00Z [default: when the request was
    /// received, if it is a recording of `clerk-webhook listen`, else now]
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    pub(super) now: Option<Moment>,

    /// How far the timestamp may lie from now, such as 300s or 10m
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = tolerance)]
    pub(super) tolerance: Duration,

    /// Leave the age out, for what was captured long ago
    #[arg(long, conflicts_with_all = ["now", "tolerance"])]
    pub(super) any_age: bool,
}

const EXAMPLES: &str = "\
Examples:
  clerk-webhook verify request.http
  clerk-webhook verify --any-age deliveries.ndjson
  clerk webhooks listen --json | head -n 2 | clerk-webhook verify -
  clerk-webhook verify --body b.json --id msg_1 --timestamp 1716883200 --signature v1,…";

/// Reads a length of time: `300`, `300s`, `10m`.
fn tolerance(text: &str) -> Result<Duration, String> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => Some(seconds),
        Err(_) => text.parse::<SignedDuration>().ok().and_then(|time| u64::try_from(time.as_secs()).ok()),
    };
    match seconds {
        // What the library allows.
        Some(seconds @ 0..=86_400) => Ok(Duration::from_secs(seconds)),
        Some(_) => Err("a tolerance is at most a day; --any-age leaves the age out".to_owned()),
        None => Err("write 300s or 10m".to_owned()),
    }
}
