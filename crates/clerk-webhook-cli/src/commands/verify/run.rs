//! `clerk-webhook verify`.

use std::time::Duration;

use clerk_webhook_core::Timestamp;
use jiff::SignedDuration;

use super::input::InputArgs;
use super::report;
use super::report::Judged;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::capture::Captures;
use crate::diagnosis::{self, Terms, Verdict};
use crate::failure::Failure;
use crate::output::Output;

/// Says whether a captured request is authentic, and if not, why
///
/// The cause is computed: it is named where it is a fact of the request, or where the signature really matches once it is
/// undone. Secrets, payloads and signatures that would be expected are never shown.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    secrets: SecretArgs,

    /// Judge the age as of then: now, -10m, seconds since 1970, or 2026-01-31T12:00:00Z [default: when the request was
    /// received, if it is a recording of `clerk-webhook listen`, else now]
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    now: Option<Moment>,

    /// How far the timestamp may lie from now, such as 300s or 10m
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = tolerance)]
    tolerance: Duration,

    /// Leave the age out, for what was captured long ago
    #[arg(long, conflicts_with_all = ["now", "tolerance"])]
    any_age: bool,
}

const EXAMPLES: &str = "\
Examples:
  clerk-webhook verify request.http
  clerk-webhook verify --any-age deliveries.ndjson
  clerk webhooks listen --json | head -n 2 | clerk-webhook verify -
  clerk-webhook verify --body b.json --id msg_1 --timestamp 1716883200 --signature v1,…";

impl Args {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        let output = &output.up_to_the_result();
        let secrets = self.secrets.secrets()?;
        let Captures { requests, unreadable } = self.input.captures()?;
        let tolerance = (!self.any_age).then_some(self.tolerance);
        let now = self.now.map_or_else(Timestamp::now, |moment| moment.0);
        let mut refused = 0;
        for (index, capture) in requests.iter().enumerate() {
            let received_at = capture.recorded.received_at.filter(|_| self.now.is_none());
            let terms = Terms { now: received_at.unwrap_or(now), tolerance };
            let verdict = diagnosis::diagnose_under(terms, capture, &secrets);
            refused += usize::from(matches!(verdict, Verdict::Refused(_)));
            if index > 0 {
                output.line("")?;
            }
            let judged = Judged { capture, verdict, at: terms.now, is_recorded: received_at.is_some() };
            report::write(output, &judged, secrets.len(), requests.len() > 1)?;
        }
        for file in &unreadable {
            report::write_unreadable(output, file)?;
        }
        if requests.len() + unreadable.len() > 1 {
            report::write_sum(output, requests.len(), refused, unreadable.len())?;
        }
        if refused + unreadable.len() > 0 { Err(Failure::Negative) } else { Ok(()) }
    }
}

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

/// Writes a moment in UTC, to the second.
pub(super) fn date(moment: Timestamp) -> String {
    match jiff::Timestamp::from_second(moment.as_secs()) {
        Ok(moment) => moment.to_string(),
        Err(_) => moment.as_secs().to_string(),
    }
}
