//! The output of `queue`.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use clerk_webhook_core::{MessageId, Timestamp};
use clerk_webhook_queue::{DeadLetter, MAX_ERROR_LENGTH, QueueStats};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::style::{BAD, GOOD, QUIET, STRONG};
use crate::output::{Output, escaped, note, printable};
use crate::redact::redact;
use crate::text::{counted, date, size, time};

/// The result for a message that is not a dead letter.
pub(super) const NOT_DEAD: &str = "not_dead";

/// The maximum length of an error in a list, in characters.
const ERROR_IN_LIST: usize = 120;

/// The maximum length of an event type, in characters.
const EVENT_TYPE: usize = 60;

/// The unreadable body of a dead letter, which somebody has changed.
const NOT_AN_EVENT: &str = "the stored body is not an event";

/// Lists dead letters. `total` is the number of all of them, and `which` says which ones were asked for.
pub(super) fn list(
    output: &Output,
    scope: &str,
    letters: &[DeadLetter],
    total: u64,
    which: Option<&str>,
) -> Result<(), Failure> {
    let width = |column: fn(&DeadLetter) -> String| {
        letters.iter().map(|letter| column(letter).len()).max().unwrap_or(0)
    };
    let (ids, types, tries) =
        (width(|letter| letter.message_id.to_string()), width(event_type), width(attempts));
    for letter in letters {
        output.object(&object(letter))?;
        let error = letter.last_error.as_deref().unwrap_or_default();
        output.line(format_args!(
            "{STRONG}{:ids$}{STRONG:#}  {:types$}  {QUIET}{}  {:tries$}{QUIET:#}  {}",
            letter.message_id,
            event_type(letter),
            date(letter.died_at),
            attempts(letter),
            printable(error.as_bytes(), ERROR_IN_LIST),
        ))?;
    }
    let which = printable(which.unwrap_or_default().as_bytes(), 2 * ERROR_IN_LIST);
    let shown = u64::try_from(letters.len()).unwrap_or(u64::MAX);
    if letters.is_empty() {
        return output.line(format_args!("the scope {scope} has no dead letters{which}"));
    }
    // The total is older than the list, so it can be smaller.
    let line = if total > shown {
        format!("{shown} of {}{which}; --limit lists more", counted(total, "dead letter", "dead letters"))
    } else {
        format!(
            "{}{which}; `clerk-webhook queue show MESSAGE_ID` shows one",
            counted(shown, "dead letter", "dead letters")
        )
    };
    output.line(format_args!("\n{QUIET}{line}{QUIET:#}"))
}

/// Shows a dead letter with its redacted body.
pub(super) fn show(output: &Output, letter: &DeadLetter) -> Result<(), Failure> {
    let event = letter.event().ok();
    if output.is_json() {
        let payload = event.as_ref().and_then(|event| serde_json::from_slice(event.raw_body()).ok());
        return output.object(&complete(letter, payload.map(|payload| redact(&payload)), true));
    }
    let row = |name: &str, value: &str| output.line(format_args!("{QUIET}{name:<9}{QUIET:#} {value}"));
    row("message", letter.message_id.as_str())?;
    row("type", &event_type(letter))?;
    row("attempts", &letter.attempts.to_string())?;
    if let Some(event) = &event {
        row("signed", &date(event.attempted_at()))?;
    }
    row("enqueued", &date(letter.enqueued_at))?;
    row("died", &date(letter.died_at))?;
    let error = letter.last_error.as_deref().unwrap_or("none");
    row("error", &format!("{BAD}{}{BAD:#}", printable(error.as_bytes(), MAX_ERROR_LENGTH)))?;
    let Some(event) = event else { return row("body", NOT_AN_EVENT) };
    row("body", &format!("{}, redacted; --payload prints the complete body", size(event.raw_body().len())))?;
    // An event is JSON, so this does not fail.
    let body: Value = serde_json::from_slice(event.raw_body()).map_err(io::Error::other)?;
    let pretty = serde_json::to_string_pretty(&redact(&body)).map_err(io::Error::other)?;
    pretty.lines().try_for_each(|line| output.line(escaped(line)))
}

/// Prints the complete body of a dead letter.
pub(super) fn payload(output: &Output, letter: &DeadLetter) -> Result<(), Failure> {
    let Ok(event) = letter.event() else {
        note(NOT_AN_EVENT);
        return Err(Failure::Negative);
    };
    note("the body contains personal data, and may contain one-time codes: share and store it with care");
    let body = event.raw_body();
    if output.is_json() {
        return output.object(&complete(letter, serde_json::from_slice(body).ok(), false));
    }
    if io::stdout().is_terminal() {
        // Line by line, because `escaped` would also escape line breaks between the tokens.
        return String::from_utf8_lossy(body).lines().try_for_each(|line| output.line(escaped(line)));
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(body)?;
    Ok(stdout.flush()?)
}

/// Says that a message is not a dead letter.
pub(super) fn unknown(output: &Output, message_id: &MessageId) -> Result<(), Failure> {
    changed(output, message_id, NOT_DEAD)
}

/// Says what happened to a message.
pub(super) fn changed(output: &Output, message_id: &MessageId, result: &str) -> Result<(), Failure> {
    output.object(&json!({ "message_id": message_id.as_str(), "result": result }))?;
    if result == NOT_DEAD {
        output.line(format_args!("{BAD}bad{BAD:#}   {message_id}  is not a dead letter in this scope"))
    } else {
        output.line(format_args!("{GOOD}ok{GOOD:#}    {message_id}  {result}"))
    }
}

/// Says how many dead letters are ready again.
pub(super) fn retried_all(
    output: &Output,
    scope: &str,
    retried: u64,
    event_type: Option<&str>,
    hint: &str,
) -> Result<(), Failure> {
    output.object(&json!({ "event_type": event_type, "retried": retried }))?;
    let of_type = event_type.map(|name| format!(" of the type {name}")).unwrap_or_default();
    let which = printable(format!("{of_type}{hint}").as_bytes(), 2 * ERROR_IN_LIST);
    match retried {
        0 => output.line(format_args!("the scope {scope} has no dead letters{which}")),
        _ => output.line(format_args!(
            "{GOOD}ok{GOOD:#}    {} retried{which}",
            counted(retried, "dead letter", "dead letters")
        )),
    }
}

/// Prints the numbers of events in each state.
pub(super) fn stats(output: &Output, scope: &str, stats: &QueueStats) -> Result<(), Failure> {
    let now = Timestamp::now();
    let age = |oldest: Option<Timestamp>| oldest.map(|oldest| since(oldest, now));
    if output.is_json() {
        let types = stats.by_type.iter().map(|stats| {
            json!({
                "event_type": stats.event_type.as_str(),
                "ready": stats.ready,
                "running": stats.running,
                "dead": stats.dead,
                "oldest_ready_at": stats.oldest_ready.map(Timestamp::as_millis),
                "oldest_ready_seconds": age(stats.oldest_ready).map(|age| age.as_secs()),
            })
        });
        return output.object(&json!({
            "scope": scope,
            "ready": stats.ready,
            "running": stats.running,
            "dead": stats.dead,
            "oldest_ready_at": stats.oldest_ready.map(Timestamp::as_millis),
            "oldest_ready_seconds": age(stats.oldest_ready).map(|age| age.as_secs()),
            "types": types.collect::<Vec<_>>(),
        }));
    }
    if [stats.ready, stats.running, stats.dead] == [0; 3] {
        return output.line(format_args!("the scope {scope} has no events"));
    }
    let rows = stats.by_type.iter().map(|stats| {
        let name = printable(stats.event_type.as_str().as_bytes(), EVENT_TYPE);
        (name, [stats.ready, stats.running, stats.dead], age(stats.oldest_ready))
    });
    let total = ("total".to_owned(), [stats.ready, stats.running, stats.dead], age(stats.oldest_ready));
    let rows: Vec<_> = rows.filter(|(_, numbers, _)| *numbers != [0; 3]).chain([total]).collect();
    let width = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
    let [ready, running, dead] = ["ready", "running", "dead"].map(|name| format!("{name:>9}"));
    output.line(format_args!("{QUIET}{:width$}{ready}{running}{dead}  oldest ready{QUIET:#}", ""))?;
    for (name, [ready, running, dead], age) in rows {
        let style = if dead > 0 { BAD } else { QUIET };
        let age = age.map_or("-".to_owned(), time);
        output.line(format_args!("{name:width$}{ready:>9}{running:>9}{style}{dead:>9}{style:#}  {age}"))?;
    }
    Ok(())
}

/// Returns the fields of a dead letter except its body.
fn object(letter: &DeadLetter) -> Value {
    json!({
        "message_id": letter.message_id.as_str(),
        "event_type": letter.event_type.as_str(),
        "attempts": letter.attempts,
        "enqueued_at": letter.enqueued_at.as_millis(),
        "died_at": letter.died_at.as_millis(),
        "last_error": letter.last_error,
    })
}

/// Returns the fields of a dead letter and its body.
fn complete(letter: &DeadLetter, payload: Option<Value>, redacted: bool) -> Value {
    let event = letter.event().ok();
    let mut object = object(letter);
    object["attempted_at"] = json!(event.as_ref().map(|event| event.attempted_at().as_millis()));
    object["bytes"] = json!(event.map(|event| event.raw_body().len()));
    object["payload"] = json!(payload);
    object["redacted"] = json!(redacted);
    object
}

fn event_type(letter: &DeadLetter) -> String {
    printable(letter.event_type.as_str().as_bytes(), EVENT_TYPE)
}

fn attempts(letter: &DeadLetter) -> String {
    counted(letter.attempts.into(), "attempt", "attempts")
}

fn since(time: Timestamp, now: Timestamp) -> Duration {
    let millis = now.as_millis().saturating_sub(time.as_millis());
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
