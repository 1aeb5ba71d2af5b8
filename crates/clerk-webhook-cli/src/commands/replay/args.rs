//! The arguments of `clerk-webhook replay`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::TypedValueParser as _;

use crate::args::event_pattern::{EventNames, Pattern};
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::send::endpoint::EndpointArgs;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook replay captures/
  clerk-webhook replay events.ndjson --only 'user.*' --since -2h --rate 10
  clerk-webhook replay one.http --verbatim
  tail -3 events.ndjson | clerk-webhook replay -";

const EXPLANATION: &str = "\
`replay` signs requests with the current time, and keeps their message ids. Before it signs a request, it verifies the \
request with your secrets. The age of a recording of `clerk-webhook listen \
--record` is checked at the time of receipt; the age of other files is not checked. Requests that do not verify are skipped \
and counted; `clerk-webhook verify` explains why. To send your own body, use `clerk-webhook trigger --file`.

Exit codes: 0 all requests got a 2xx response, 1 a request was skipped or got a different response, or a file is \
unreadable, 2 incorrect usage, 3 no response.";

/// Send captured requests again
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXPLANATION}"))]
pub(crate) struct Args {
    /// File or folder with captured requests; - reads standard input
    ///
    /// `clerk-webhook help verify` lists the formats.
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) endpoint: EndpointArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Send the captured signatures, and verify nothing
    ///
    /// Endpoints reject signatures older than 5 minutes.
    #[arg(long, conflicts_with_all = ["new_ids", "secrets", "secret_file"])]
    pub(super) verbatim: bool,

    /// Also send requests that do not verify
    ///
    /// They are sent with their captured signatures.
    #[arg(long)]
    pub(super) include_refused: bool,

    /// Give each signed request a new message id
    ///
    /// An endpoint that remembers handled messages responds with `duplicate` to a known id.
    #[arg(long)]
    pub(super) new_ids: bool,

    /// Send only events of this type, such as 'user.*'; repeatable
    #[arg(long, value_name = "TYPE", value_parser = EventNames.map(Pattern::from), hide_possible_values = true)]
    pub(super) only: Vec<Pattern>,

    /// Send only requests signed since this time, such as -2h
    ///
    /// Accepts -2d or -2h (from now), seconds since 1970, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) since: Option<Moment>,

    /// Send only requests signed before this time
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) until: Option<Moment>,

    /// Maximum rate, such as 10 (per second) or 30/min [default: unlimited]
    #[arg(long, value_name = "RATE")]
    pub(super) rate: Option<Rate>,

    /// Number of simultaneous requests, 1 to 256
    ///
    /// More than one does not preserve the order.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) concurrency: u16,

    /// List the requests instead of sending
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The interval between requests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rate(pub(super) Duration);

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = text.split_once('/').unwrap_or((text, "s"));
        let seconds = match unit {
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            _ => return Err("expected a number, or a number per /s, /min, or /h"),
        };
        let number: f64 = number.trim().parse().unwrap_or(0.0);
        if !(number.is_finite() && number > 0.0) {
            return Err("expected a number above 0, such as 10 or 0.5");
        }
        Duration::try_from_secs_f64(seconds / number).map(Self).map_err(|_| "the rate is too low")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_rates_per_second_minute_and_hour() {
        let rate = |text: &str| text.parse::<Rate>().map(|rate| rate.0);
        assert_eq!(rate("10"), Ok(Duration::from_millis(100)));
        assert_eq!(rate("0.5/s"), Ok(Duration::from_secs(2)));
        assert_eq!(rate("30/min"), Ok(Duration::from_secs(2)));
        for text in ["", "0", "-1", "inf", "NaN", "1/week", "1e-300", "/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }
}
