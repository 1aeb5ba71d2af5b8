//! Prints a line for each delivery, and details below it.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;
use std::thread;

use clerk_webhook_core::{Outcome, Timestamp};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::change::Change;
use super::delivery::{Forwarded, ReceivedDelivery};
use super::verdict::Origin;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::printable;
use crate::output::style::{BAD, GOOD, ODD, QUIET, STRONG};
use crate::text::{lag, size, type_width};

/// The maximum number of printed changes per delivery. The page shows all changes.
const MAX_CHANGES: usize = 12;

/// The maximum length of a printed value, in characters.
const MAX_VALUE: usize = 48;

/// The number of deliveries that can wait for a slow or stopped terminal.
const QUEUE: usize = 256;

/// Something to print.
#[derive(Debug)]
pub(super) enum Line {
    Delivery(Arc<ReceivedDelivery>),
    /// A note, for example about a request that is not a delivery.
    Note(String),
    /// The last line, after which the printer ends.
    Last(String),
}

/// Prints on a separate thread, so that a stopped terminal does not delay responses.
#[derive(Debug)]
pub(super) struct Printer {
    pub(super) lines: mpsc::Sender<Line>,
    /// Completes after the last line is printed, or when printing fails.
    pub(super) end: oneshot::Receiver<Result<(), Failure>>,
}

impl Printer {
    pub(super) fn start(json: bool, several_secrets: bool) -> Self {
        let (lines, mut receiver) = mpsc::channel(QUEUE);
        let (done, end) = oneshot::channel();
        thread::spawn(move || {
            let output = Output::new(json);
            let mut print = || {
                while let Some(line) = receiver.blocking_recv() {
                    match line {
                        Line::Delivery(delivery) => print_delivery(&output, &delivery, several_secrets)?,
                        Line::Note(note) => say(format_args!("{QUIET}{note}{QUIET:#}")),
                        Line::Last(text) => return output.line(text),
                    }
                }
                Ok(())
            };
            // If the command has already ended, nothing receives the result.
            let _ = done.send(print());
        });
        Self { lines, end }
    }
}

/// Writes a line that is not a result to standard error.
pub(super) fn say(line: impl std::fmt::Display) {
    // A failure to write to standard error cannot be reported.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}

fn print_delivery(
    output: &Output,
    delivery: &ReceivedDelivery,
    several_secrets: bool,
) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Document<'d> {
        #[serde(flatten)]
        delivery: &'d ReceivedDelivery,
        payload: Option<Value>,
    }

    if output.is_json() {
        return output.object(&Document { delivery, payload: delivery.payload() });
    }
    let text = lines(delivery, several_secrets).join("\n");
    output.line(text)?;
    // Flushes, so that the reader of a pipe gets each delivery immediately.
    io::stdout().flush().map_err(Failure::from)
}

fn lines(delivery: &ReceivedDelivery, several_secrets: bool) -> Vec<String> {
    let mut lines = vec![headline(delivery, several_secrets)];
    let mut add = |text: String| lines.push(format!("          {text}"));
    if let Some(reason) = delivery.reason.as_ref().filter(|_| delivery.origin == Origin::Refused) {
        add(format!("{BAD}{reason}{BAD:#}"));
        if let Some(advice) = &delivery.advice {
            add(format!("{QUIET}{advice}{QUIET:#}"));
        }
    }
    if let Some(reason) = &delivery.unrecognized {
        add(format!("{ODD}{reason}{ODD:#}"));
    }
    if let Some(millis) = delivery.overtaken_by_ms {
        add(format!("{ODD}out of order: a version that is {} newer arrived earlier{ODD:#}", lag(millis)));
    }
    if delivery.after_deletion {
        add(format!("{ODD}out of order: the object was already deleted{ODD:#}"));
    }
    if delivery.object.as_ref().is_some_and(|object| object.deleted) && delivery.seen == 1 {
        add(format!("{BAD}-{BAD:#} the object is deleted"));
    }
    delivery.changes.list.iter().take(MAX_CHANGES).map(change).for_each(&mut add);
    let unprinted = delivery.changes.list.len().saturating_sub(MAX_CHANGES) + delivery.changes.more;
    if unprinted > 0 {
        add(format!("{QUIET}and {unprinted} more changes; see the page{QUIET:#}"));
    }
    if let Some(forwarded) = &delivery.forwarded {
        add(passed_on(forwarded));
    }
    if let Some(error) = &delivery.record_error {
        add(format!("{BAD}{error}{BAD:#}"));
    }
    lines
}

fn headline(delivery: &ReceivedDelivery, several_secrets: bool) -> String {
    let status_style = match delivery.status {
        Some(200..=299) => GOOD,
        _ => BAD,
    };
    let outcome_style = match delivery.origin {
        Origin::Authentic => QUIET,
        Origin::Unverified => ODD,
        Origin::Refused => BAD,
    };
    let status = delivery.status.map_or("---".to_owned(), |status| status.to_string());
    let event_type = delivery.event_type.as_deref().filter(|text| !text.is_empty()).unwrap_or("(no type)");
    let id = delivery.id.as_deref().unwrap_or("(no id)");
    let width = type_width();
    let outcome_width = Outcome::ALL.iter().map(|outcome| outcome.as_str().len()).max().unwrap_or(0);
    let mut line = format!(
        "{QUIET}{}{QUIET:#}  {status_style}{status}{status_style:#}  {STRONG}{event_type:<width$}{STRONG:#}  \
         {outcome_style}{:<outcome_width$}{outcome_style:#}  {id}  {QUIET}{}",
        clock(delivery.received_at),
        shown(delivery.outcome),
        size(delivery.bytes),
    );
    if let Some(millis) = delivery.lag_ms {
        let _ = write!(line, "  lag {}", lag(millis));
    }
    // The age is shown only if it is not near zero. In this case, the sender is late or a clock is wrong.
    match delivery.age_ms {
        Some(millis @ 5_000..) => {
            let _ = write!(line, "  signed {} ago", lag(millis));
        }
        Some(millis @ ..-2_000) => {
            let _ = write!(line, "  signed {} in the future", lag(millis.saturating_neg()));
        }
        _ => {}
    }
    if let Some(secret) = delivery.secret.filter(|_| several_secrets) {
        let _ = write!(line, "  secret {secret}");
    }
    let _ = write!(line, "{QUIET:#}");
    if delivery.seen > 1 {
        let _ = write!(line, "  {ODD}seen {}×{ODD:#}", delivery.seen);
    }
    line
}

/// Returns the text for an outcome. The listener handles no event, so it says that a delivery is verified.
pub(super) fn shown(outcome: &'static str) -> &'static str {
    if outcome == Outcome::Processed.as_str() { "verified" } else { outcome }
}

fn change(change: &Change) -> String {
    let path = printable(&change.path, 80);
    let short = |text: &str| printable(text, MAX_VALUE);
    match (&change.before, &change.after) {
        (Some(before), Some(after)) if before == after => {
            format!("{ODD}~{ODD:#} {path}  {QUIET}redacted value changed{QUIET:#}")
        }
        (Some(before), Some(after)) => {
            format!("{ODD}~{ODD:#} {path}  {QUIET}{} →{QUIET:#} {}", short(before), short(after))
        }
        (Some(before), None) => format!("{BAD}-{BAD:#} {path}  {QUIET}{}{QUIET:#}", short(before)),
        (None, after) => format!("{GOOD}+{GOOD:#} {path}  {}", short(after.as_deref().unwrap_or_default())),
    }
}

fn passed_on(forwarded: &Forwarded) -> String {
    match (forwarded.status, &forwarded.error) {
        (Some(status), _) => {
            let style = if (200..300).contains(&status) { GOOD } else { BAD };
            let elapsed = forwarded.elapsed_ms.unwrap_or_default();
            let remark =
                forwarded.remark.as_ref().map(|remark| format!("  {ODD}{remark}{ODD:#}")).unwrap_or_default();
            format!("{QUIET}→{QUIET:#} {style}{status}{style:#} {QUIET}in {elapsed} ms{QUIET:#}{remark}")
        }
        (None, error) => {
            let error = printable(error.as_deref().unwrap_or_default(), 300);
            format!("{QUIET}→{QUIET:#} {BAD}{error}{BAD:#}")
        }
    }
}

/// Formats the local time of day.
fn clock(moment: Timestamp) -> String {
    let moment = jiff::Timestamp::from_millisecond(moment.as_millis()).unwrap_or_default();
    moment.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}
