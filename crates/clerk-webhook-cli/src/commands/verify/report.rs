//! The report of `verify`.

use std::time::Duration;

use clerk_webhook_core::Timestamp;
use serde_json::json;

use super::warnings;
use crate::capture::{Capture, Unreadable};
use crate::diagnosis::{Authentic, CaptureVerdict, Diagnosis, has_time};
use crate::failure::Failure;
use crate::output::style::{BAD, GOOD, ODD, QUIET, STRONG};
use crate::output::{self, Output};
use crate::text::{self, date};

/// A request with its verdict.
pub(super) struct JudgedCapture<'c> {
    pub(super) capture: &'c Capture,
    pub(super) verdict: CaptureVerdict,
    /// The time that the timestamp was compared with.
    pub(super) at: Timestamp,
    pub(super) is_age_checked: bool,
    /// Whether `at` is the time of receipt from the recording.
    pub(super) is_recorded: bool,
}

/// Prints the verdict on a request. If `several` is set, prints the place of the request first.
pub(super) fn write(
    output: &Output,
    judged: &JudgedCapture<'_>,
    secrets: usize,
    several: bool,
) -> Result<(), Failure> {
    if several {
        output.line(format_args!("{STRONG}{}{STRONG:#}", printable(&judged.capture.place)))?;
    }
    match &judged.verdict {
        CaptureVerdict::Authentic(authentic) => write_authentic(output, judged, authentic, secrets),
        CaptureVerdict::Refused(diagnosis) => write_refused(output, judged, diagnosis),
    }
}

/// Prints that a file is unreadable.
pub(super) fn write_unreadable(output: &Output, file: &Unreadable) -> Result<(), Failure> {
    output.object(&json!({ "verdict": "unreadable", "place": file.place, "detail": file.error }))?;
    output.line(format_args!("\n{BAD}unreadable{BAD:#}  {}", printable(&file.error)))
}

/// Prints how many of the requests are authentic.
pub(super) fn write_sum(
    output: &Output,
    all: usize,
    refused: usize,
    unreadable: usize,
) -> Result<(), Failure> {
    let authentic = all - refused;
    let unreadable = match unreadable {
        0 => String::new(),
        some => format!("; {} unreadable", text::counted(some as u64, "file", "files")),
    };
    output.line(format_args!("\n{STRONG}{authentic} of {all} are authentic{unreadable}{STRONG:#}"))
}

fn write_authentic(
    output: &Output,
    judged: &JudgedCapture<'_>,
    authentic: &Authentic,
    secrets: usize,
) -> Result<(), Failure> {
    let capture = judged.capture;
    let Authentic { message_id, attempted_at, age_seconds, secret_index } = authentic;
    let (event, warnings) = warnings::of(capture, authentic, judged.is_age_checked);
    let event_type = event.as_ref().map(|event| event.event_type().as_str().to_owned());
    output.object(&json!({
        "verdict": "authentic",
        "place": capture.place,
        "message_id": message_id,
        "event_type": event_type,
        "attempted_at": attempted_at,
        "age_seconds": age_seconds,
        "judged_at": judged.at,
        "received_at": capture.recorded.received_at,
        "body_bytes": capture.body.len(),
        "secret": secret_index + 1,
        "secrets": secrets,
        "warnings": warnings,
    }))?;
    let event_type = event_type.unwrap_or_else(|| "no event".to_owned());
    output.line(format_args!("{GOOD}authentic{GOOD:#}  {STRONG}{}{STRONG:#}", printable(&event_type)))?;
    let row = |name: &str, value: String| output.line(format_args!("  {QUIET}{name:<8}{QUIET:#}  {value}"));
    row("message", message_id.to_string())?;
    let age = text::time(Duration::from_secs(age_seconds.unsigned_abs()));
    let age = match (judged.is_recorded, *age_seconds < 0) {
        (true, true) => format!("{age} after it was received"),
        (true, false) => format!("{age} before it was received"),
        (false, true) => format!("{age} in the future"),
        (false, false) => format!("{age} ago"),
    };
    row("signed", format!("{}, {age}", date(*attempted_at)))?;
    row("body", format!("{} bytes", capture.body.len()))?;
    if secrets > 1 {
        row("secret", format!("{} of {secrets}", secret_index + 1))?;
    }
    for warning in &warnings {
        row_wrapped(output, &format!("{ODD}warning{ODD:#} "), &printable(warning))?;
    }
    Ok(())
}

fn write_refused(output: &Output, judged: &JudgedCapture<'_>, diagnosis: &Diagnosis) -> Result<(), Failure> {
    let capture = judged.capture;
    let Diagnosis { cause, detail, advice, notes } = diagnosis;
    let mut notes = notes.clone();
    let is_noted = judged.is_recorded && judged.is_age_checked && has_time(capture);
    notes.extend(is_noted.then(|| {
        format!(
            "The age was checked at the time of receipt, {}; `--now now` checks it at the current time",
            date(judged.at)
        )
    }));
    output.object(&json!({
        "verdict": "refused",
        "place": capture.place,
        "cause": cause.code(),
        "detail": detail,
        "advice": advice,
        "notes": notes,
        "judged_at": judged.at,
        "received_at": capture.recorded.received_at,
        "message_id": capture.text("svix-id").or_else(|| capture.text("webhook-id")),
        "body_bytes": capture.body.len(),
    }))?;
    output.line(format_args!("{BAD}not authentic{BAD:#}  {QUIET}{}{QUIET:#}", cause.code()))?;
    row_wrapped(output, &format!("{STRONG}why{STRONG:#}     "), &printable(detail))?;
    for note in &notes {
        row_wrapped(output, &format!("{QUIET}also{QUIET:#}    "), &printable(note))?;
    }
    row_wrapped(output, &format!("{STRONG}do{STRONG:#}      "), &printable(advice))
}

/// Prints a wrapped text after a label of eight columns.
fn row_wrapped(output: &Output, label: &str, text: &str) -> Result<(), Failure> {
    const WIDTH: usize = 88;
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let mut lines = lines.into_iter();
    output.line(format_args!("  {label}  {}", lines.next().unwrap_or_default()))?;
    lines.try_for_each(|line| output.line(format_args!("  {:8}  {line}", "")))
}

/// Escapes control characters.
fn printable(text: &str) -> String {
    output::printable(text.as_bytes(), usize::MAX)
}
