//! The output before and after sending, and of `--dry-run`.

use std::io::{self, BufWriter, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::{SigningSecret, Timestamp};
use serde_json::{Value, json};

use super::args::Args;
use super::plan::Plan;
use super::sender;
use super::tally::Tally;
use crate::failure::Failure;
use crate::output::{Output, style};
use crate::send::endpoint::Endpoint;

/// Prints the settings, including the seed, which repeats the run.
pub(super) fn announce(
    output: &Output,
    args: &Args,
    endpoints: &[Endpoint],
    seed: u64,
) -> Result<(), Failure> {
    let urls: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
    output.object(&json!({
        "type": "start",
        "scenario": args.scenario.name(),
        "seed": seed,
        "to": urls.first(),
        "urls": urls,
        "events": args.history.users.is_none().then(|| args.history.event_count()),
        "users": args.history.users,
    }))?;
    let size = args.history.size();
    let (strong, name, to) = (
        style::STRONG,
        args.scenario.name(),
        endpoints.iter().map(Endpoint::redacted).collect::<Vec<_>>().join(" and "),
    );
    output.line(format_args!("{strong}{name}{strong:#} with --seed {seed}, {size}, to {to}"))
}

/// Prints the summary. Fails if a message was not delivered.
pub(super) fn summarize(output: &Output, args: &Args, tally: &Tally, seed: u64) -> Result<(), Failure> {
    output.object(&tally.object(args.scenario.name(), seed))?;
    for line in tally.lines(args.retry) {
        output.line(line)?;
    }
    if tally.is_good() { Ok(()) } else { Err(Failure::Negative) }
}

/// Prints deliveries in the format of `clerk webhooks listen --json`, which `replay` and `verify` read.
pub(super) fn print(plan: Plan, secrets: &[SigningSecret]) -> Result<(), Failure> {
    let mut lines = BufWriter::new(io::stdout().lock());
    for planned in plan {
        let (event, body) = (&planned.event, planned.event.body());
        let headers = sender::headers(secrets, event, &body, Timestamp::now()).into_iter();
        let headers: Value = headers.map(|(name, value)| (name, json!(value))).collect();
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
