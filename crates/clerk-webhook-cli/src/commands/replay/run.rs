//! `clerk-webhook replay`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser as _;
use clerk_webhook_core::Timestamp;

use super::plan::{Item, Plan, Signatures, event_type, signed_at};
use super::send;
use super::send::Pace;
use crate::args::event_pattern::{EventNames, Pattern};
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::capture::{self, Capture, Captures};
use crate::failure::Failure;
use crate::output::Output;
use crate::send::client::block_on;
use crate::send::endpoint::EndpointArgs;

/// Beyond it an endpoint refuses a delivery as too old, or as of the future.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

const EXAMPLES: &str = "\
Examples:
  clerk-webhook replay captures/ --to http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook replay events.ndjson --only 'user.*' --since -2h --rate 10 \\
      --to http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook replay one.http --verbatim --to http://127.0.0.1:3000/
  tail -3 events.ndjson | clerk-webhook replay - --to http://127.0.0.1:3000/

Before `replay` signs a request, it verifies it with your secrets. The age of a recording of `clerk-webhook listen --record` \
is the age at the time it was received; the age of other files is not checked. Requests that do not verify are skipped and \
counted; `clerk-webhook verify` says why. To send a body of your own, use `clerk-webhook trigger --file`.

An endpoint that remembers handled messages answers `duplicate`; --new-ids gives each request a new message id.

Exit codes: 0 every request was sent and answered with 2xx, 1 a request was skipped or got another answer, or a file could \
not be read, 2 wrong usage, 3 no answer.";

/// Send captured requests again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// .http file, lines of JSON from a listener, or a folder of both; - is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    #[command(flatten)]
    endpoint: EndpointArgs,

    #[command(flatten)]
    secrets: SecretArgs,

    /// Sign verified requests with the current time and the same message id; this is the default
    #[arg(long)]
    resign: bool,

    /// Send the captured signatures and verify nothing; endpoints reject signatures older than five minutes
    #[arg(long, conflicts_with_all = ["resign", "new_ids", "secrets", "secret_file"])]
    verbatim: bool,

    /// Also send requests that do not verify, with their captured body and signature headers
    #[arg(long)]
    include_refused: bool,

    /// Give each signed request a new message id, so that it is another message to the endpoint
    #[arg(long)]
    new_ids: bool,

    /// Send only events of this type, or of a pattern such as 'user.*'; repeatable
    #[arg(long, value_name = "TYPE", value_parser = EventNames.map(Pattern::from), hide_possible_values = true)]
    only: Vec<Pattern>,

    /// Send only what was signed since then: -2h, seconds since 1970, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    since: Option<Moment>,

    /// Send only what was signed before then, written as for --since
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    until: Option<Moment>,

    /// Send at most so many a second, or a minute: 10, 0.5 or 30/min [default: as fast as answers come]
    #[arg(long, value_name = "N")]
    rate: Option<Rate>,

    /// Wait for so many answers at once, 1 to 256; with more than one the order is not kept
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,

    /// Send nothing, and list what would be sent
    #[arg(long)]
    dry_run: bool,
}

/// How long to wait from one to the next.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate(Duration);

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err("write a number, or a number for each /s, /min or /h"),
        };
        let number: f64 = number.trim().parse().unwrap_or(0.0);
        if !(number.is_finite() && number > 0.0) {
            return Err("write a number above 0, such as 10 or 0.5");
        }
        Duration::try_from_secs_f64(seconds / number).map(Self).map_err(|_| "that is too slow ever to end")
    }
}

impl Args {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        let output = &output.up_to_the_result();
        let endpoint = self.endpoint.endpoint()?;
        let verbatim = self.verbatim && !self.resign;
        let signatures = if verbatim {
            Signatures::Captured
        } else {
            let secrets = self.secrets.secrets()?;
            Signatures::New { secrets, new_ids: self.new_ids, include_refused: self.include_refused }
        };
        let mut captures = Captures::default();
        for file in &self.files {
            captures.extend(capture::read(file)?);
        }
        let Captures { mut requests, unreadable } = captures.require_any()?;
        let all = requests.len();
        requests.retain(|capture| self.is_wanted(capture));
        if requests.is_empty() {
            return Err(Failure::usage(format_args!(
                "none of the {all} captured requests is one of those to send"
            )));
        }
        let plan = Plan::new(&requests, unreadable, &signatures);
        if verbatim {
            note_age(output, &plan.items);
        }
        plan.show_unsent(output)?;
        if self.dry_run {
            return plan.list(output);
        }
        let pace = Pace { rate: self.rate.map(|rate| rate.0), concurrency: usize::from(self.concurrency) };
        block_on(send::send(output, &endpoint, plan, pace))
    }

    /// Returns whether a capture is one of those that were asked for; what its body says of its type is believed.
    fn is_wanted(&self, capture: &Capture) -> bool {
        let event_type = event_type(capture);
        let event_type = event_type.as_deref().unwrap_or_default();
        let signed_at = signed_at(capture);
        let after = |moment: Moment| signed_at.is_some_and(|at| at >= moment.0);
        (self.only.is_empty() || self.only.iter().any(|pattern| pattern.matches(event_type)))
            && self.since.is_none_or(after)
            && self.until.is_none_or(|moment| signed_at.is_some() && !after(moment))
    }
}

/// Says before anything is sent how much of it a right endpoint refuses.
fn note_age(output: &Output, items: &[Item]) {
    let now = Timestamp::now().as_millis();
    let far = |at: Timestamp| u128::from(now.abs_diff(at.as_millis())) > TOLERANCE.as_millis();
    let stale = items.iter().filter(|item| item.signed_at.is_none_or(far)).count();
    if stale > 0 {
        output.note(format_args!(
            "{stale} of {} were not signed within the last five minutes, so a right endpoint refuses them; without \
             --verbatim those that verify are signed again",
            items.len()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_for_a_time() {
        let rate = |text: &str| text.parse::<Rate>().map(|rate| rate.0);
        assert_eq!(rate("10"), Ok(Duration::from_millis(100)));
        assert_eq!(rate("0.5/s"), Ok(Duration::from_secs(2)));
        assert_eq!(rate("30/min"), Ok(Duration::from_secs(2)));
        for text in ["", "0", "-1", "inf", "NaN", "1/week", "1e-300", "/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
