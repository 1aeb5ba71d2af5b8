//! `clerk-webhook replay`.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use clap::builder::TypedValueParser as _;
use clerk_webhook_core::{
    Answer as OwnAnswer, ReceiveError, SecretError, SigningSecret, Timestamp, Verified, Verifier,
};
use clerk_webhook_test::Delivery;
use http::HeaderValue;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::capture::{self, Capture, Captures, Unreadable};
use crate::client::{Answer, Client, SendError, SendErrorKind, block_on};
use crate::endpoint::{Endpoint, EndpointArgs};
use crate::failure::Failure;
use crate::moment::Moment;
use crate::output::{Output, printable, style};
use crate::pattern::{EventNames, Pattern};
use crate::reading::{Reading, in_words};
use crate::secrets::SecretArgs;
use crate::svix;

/// Beyond it an endpoint refuses a delivery as too old, or as of the future.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// The headers that a signature is in, in both families.
const SIGNATURE_HEADERS: [&str; 6] =
    ["svix-id", "svix-timestamp", "svix-signature", "webhook-id", "webhook-timestamp", "webhook-signature"];

/// The cause of a request that is skipped since HTTP cannot carry its headers.
const NOT_SENDABLE: &str = "not_sendable";

const EXAMPLES: &str = "\
Examples:
  clerk-webhook replay captures/ --to http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook replay events.ndjson --only 'user.*' --since -2h --rate 10 \\
      --to http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook replay one.http --verbatim --to http://127.0.0.1:3000/
  tail -3 events.ndjson | clerk-webhook replay - --to http://127.0.0.1:3000/

Each request is verified before it is signed: with your secrets, and with the age that it had when it was received, which \
a recording of `clerk-webhook listen --record` says. Requests that do not verify are skipped and counted; \
`clerk-webhook verify` says why they do not. To send a body of your own use `clerk-webhook trigger --file`.

An endpoint that remembers what it has handled answers `duplicate`; --new-ids makes new messages of them.

Exit codes: 0 all were sent and answered with 2xx, 1 not all, 2 wrong usage, 3 no answer.";

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

    /// Sign again what verifies, with the present time and under the same message id; this is the default
    #[arg(long)]
    resign: bool,

    /// Send the signatures as they were captured; what is older than five minutes is refused
    #[arg(long, conflicts_with_all = ["resign", "new_ids", "secrets", "secret_file"])]
    verbatim: bool,

    /// Send requests that do not verify too, with the body and the signature headers that they were captured with
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

/// What is sent, and what is not.
#[derive(Debug, Default)]
struct Plan {
    items: Vec<Item>,
    skipped: Vec<Skipped>,
    unreadable: Vec<Unreadable>,
}

/// A capture that is not sent.
#[derive(Debug, Serialize)]
struct Skipped {
    place: String,
    #[serde(rename = "type")]
    event_type: Option<String>,
    id: Option<String>,
    #[serde(flatten)]
    why: Why,
    /// What the recording says about itself, which is not trusted.
    recorded_verdict: Option<String>,
}

/// Why a capture is not sent.
#[derive(Debug, Serialize)]
struct Why {
    /// An outcome of the core, or [`NOT_SENDABLE`].
    #[serde(rename = "skipped")]
    cause: &'static str,
    reason: String,
}

/// A capture that is sent.
#[derive(Clone, Debug)]
struct Item {
    place: String,
    event_type: Option<String>,
    id: Option<String>,
    /// Whether it has verified and has a new signature.
    signed_anew: bool,
    /// When it was captured.
    signed_at: Option<Timestamp>,
    headers: Vec<(String, Vec<u8>)>,
    body: Bytes,
}

/// What became of one, for programs.
#[derive(Serialize)]
struct Report<'a> {
    place: &'a str,
    r#type: Option<&'a str>,
    id: Option<&'a str>,
    signed_anew: bool,
    #[serde(flatten)]
    reading: Option<&'a Reading>,
    error: Option<String>,
}

/// What became of all.
#[derive(Debug, Default)]
struct Tally {
    sent: usize,
    delivered: usize,
    unanswered: usize,
    outcomes: BTreeMap<String, usize>,
}

impl Args {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        let output = &output.up_to_the_result();
        let endpoint = self.endpoint.endpoint()?;
        let verbatim = self.verbatim && !self.resign;
        let secrets = if verbatim { Vec::new() } else { self.secrets.secrets()? };
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
        let mut plan = Plan { unreadable, ..Plan::default() };
        for capture in &requests {
            let item = if verbatim { verbatim_item(capture) } else { self.item(capture, &secrets) };
            match item {
                Ok(item) => plan.items.push(item),
                Err(why) => plan.skipped.push(skipped(capture, why)),
            }
        }
        if verbatim {
            note_age(output, &plan.items);
        }
        plan.show_unsent(output)?;
        if self.dry_run {
            return plan.list(output);
        }
        block_on(self.send(output, &endpoint, plan))
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

    fn item(&self, capture: &Capture, secrets: &[SigningSecret]) -> Result<Item, Why> {
        match verify(capture, secrets) {
            Ok(verified) => Ok(self.signed_item(capture, &verified, secrets)),
            Err(_) if self.include_refused => verbatim_item(capture),
            Err(why) => Err(why),
        }
    }

    /// Signs a request; that takes the proof that it was verified.
    fn signed_item(&self, capture: &Capture, verified: &Verified, secrets: &[SigningSecret]) -> Item {
        let mut delivery = Delivery::of_body(capture.body.clone()).secrets(secrets.to_vec());
        if !self.new_ids {
            delivery = delivery.message_id(verified.message_id().clone());
        }
        let mut headers = content_type(capture);
        let mut id = None;
        for (name, value) in delivery.headers() {
            if name == "svix-id" {
                id = Some(value.clone());
            }
            if headers.is_empty() || name != "content-type" {
                headers.push((name.to_owned(), value.into_bytes()));
            }
        }
        Item { signed_anew: true, ..item(capture, id, headers) }
    }

    async fn send(&self, output: &Output, endpoint: &Endpoint, plan: Plan) -> Result<(), Failure> {
        let counts = plan.counts();
        let items = plan.items;
        let client = Client::new(endpoint.uri(), svix::TIMEOUT)?;
        let begin = Instant::now();
        let total = items.len();
        let mut tally = Tally::default();
        let mut waiting = items.into_iter();
        let mut next = waiting.next();
        let mut due = begin;
        let mut running = JoinSet::new();
        let mut failed = None;
        let progress = progress(total);
        loop {
            let may_start = next.is_some() && running.len() < usize::from(self.concurrency);
            if !may_start && running.is_empty() {
                break;
            }
            tokio::select! {
                () = sleep_until(due), if may_start => {
                    if let Some(item) = next.take() {
                        let (client, uri) = (client.clone(), endpoint.uri().clone());
                        running.spawn(async move {
                            let answer = client.post(&uri, item.headers.clone(), item.body.clone()).await;
                            (item, answer)
                        });
                    }
                    next = waiting.next();
                    due += self.rate.map_or(Duration::ZERO, |rate| rate.0);
                }
                Some(done) = running.join_next(), if !running.is_empty() => {
                    let Ok((item, answer)) = done else { continue };
                    tally.add(output, &item, &answer)?;
                    progress.inc(1);
                    if let Err(error) = answer {
                        let refused = error.kind == SendErrorKind::Refused;
                        failed.get_or_insert(error);
                        // Whoever does not listen now will not for the rest of them; those under way are counted still.
                        if refused {
                            next = None;
                            waiting = Vec::new().into_iter();
                        }
                    }
                }
            }
        }
        progress.finish_and_clear();
        tally.show(output, &counts, begin.elapsed())?;
        match failed {
            Some(error) => Err(error.into()),
            None if tally.delivered == total && counts.is_complete() => Ok(()),
            None => Err(Failure::Negative),
        }
    }
}

impl Tally {
    /// Counts what became of one, and shows it.
    fn add(
        &mut self,
        output: &Output,
        item: &Item,
        answer: &Result<Answer, SendError>,
    ) -> Result<(), Failure> {
        self.sent += 1;
        let reading = answer.as_ref().ok().map(Reading::of);
        let word = match &reading {
            Some(reading) => reading.outcome.map_or_else(|| reading.status.to_string(), str::to_owned),
            None => "no answer".to_owned(),
        };
        *self.outcomes.entry(word).or_default() += 1;
        self.delivered += usize::from(reading.as_ref().is_some_and(|reading| reading.delivered));
        self.unanswered += usize::from(reading.is_none());
        let what = match (&reading, answer) {
            (Some(reading), _) => {
                format!("{:>7}  {}  {}", reading.elapsed(), reading.verdict(), reading.summary())
            }
            (None, Err(error)) => format!("{}{error}{:#}", style::BAD, style::BAD),
            (None, Ok(_)) => String::new(),
        };
        output.line(format_args!("{}  {}", item.label(), what.trim_end()))?;
        output.object(&Report {
            place: &item.place,
            r#type: item.event_type.as_deref(),
            id: item.id.as_deref(),
            signed_anew: item.signed_anew,
            reading: reading.as_ref(),
            error: answer.as_ref().err().map(ToString::to_string),
        })
    }

    fn show(&self, output: &Output, counts: &Counts, elapsed: Duration) -> Result<(), Failure> {
        let unsent = counts.to_send - self.sent;
        let unsent = if unsent > 0 { format!("; {unsent} not sent") } else { String::new() };
        let sent = match self.sent {
            0 => "nothing sent".to_owned(),
            sent => format!("{sent} sent in {}: {}", in_words(elapsed), counted(&self.outcomes)),
        };
        output.line(format_args!("{}{sent}{unsent}{counts}{:#}", style::STRONG, style::STRONG))?;
        output.object(&json!({ "summary": {
            "captured": counts.to_send + counts.skipped,
            "sent": self.sent,
            "delivered": self.delivered,
            "unanswered": self.unanswered,
            "outcomes": self.outcomes,
            "skipped": counts.skipped,
            "skip_reasons": counts.causes,
            "unreadable": counts.unreadable,
        }}))
    }
}

/// How many requests there are to send, and how many are not.
#[derive(Debug)]
struct Counts {
    to_send: usize,
    skipped: usize,
    causes: BTreeMap<&'static str, usize>,
    unreadable: usize,
}

impl Counts {
    /// Returns whether all that was captured is sent.
    fn is_complete(&self) -> bool {
        self.skipped == 0 && self.unreadable == 0
    }
}

/// Writes what is not sent, as the end of a summary.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.skipped > 0 {
            write!(f, "; {} skipped: {}", self.skipped, counted(&self.causes))?;
        }
        match self.unreadable {
            0 => Ok(()),
            1 => f.write_str("; 1 file unreadable"),
            several => write!(f, "; {several} files unreadable"),
        }
    }
}

fn counted(counts: &BTreeMap<impl fmt::Display, usize>) -> String {
    counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

impl Plan {
    fn counts(&self) -> Counts {
        let mut causes = BTreeMap::new();
        for skipped in &self.skipped {
            *causes.entry(skipped.why.cause).or_default() += 1;
        }
        let (to_send, skipped, unreadable) = (self.items.len(), self.skipped.len(), self.unreadable.len());
        Counts { to_send, skipped, causes, unreadable }
    }

    /// Says of each file and each request that is not sent why it is not.
    fn show_unsent(&self, output: &Output) -> Result<(), Failure> {
        for Unreadable { place, error } in &self.unreadable {
            let shown = printable(error.as_bytes(), 300);
            output.line(format_args!("{}unreadable{:#}  {shown}", style::BAD, style::BAD))?;
            output.object(&json!({ "place": place, "unreadable": error }))?;
        }
        for skipped in &self.skipped {
            // Either another secret has signed it, or the recording was changed.
            let contradicts = skipped.recorded_verdict.as_deref() == Some("authentic");
            let contradiction = if contradicts { ", although it was recorded as authentic" } else { "" };
            output.line(format_args!(
                "{}  {}skipped{:#}  {}: {}{contradiction}",
                label(skipped.event_type.as_deref(), skipped.id.as_deref()),
                style::ODD,
                style::ODD,
                skipped.why.cause,
                skipped.why.reason
            ))?;
            output.object(skipped)?;
        }
        if self.skipped.iter().any(|skipped| skipped.why.cause != NOT_SENDABLE) {
            output.note(
                "requests that do not verify with the given secrets are never signed; `clerk-webhook verify` says what is \
                 wrong with them, and --include-refused sends them as they were captured",
            );
        }
        Ok(())
    }

    fn list(&self, output: &Output) -> Result<(), Failure> {
        for item in &self.items {
            output.line(format_args!(
                "{}  {} bytes  {}",
                item.label(),
                item.body.len(),
                printable(item.place.as_bytes(), 200)
            ))?;
            output.object(&json!({
                "dry_run": true,
                "place": item.place,
                "type": item.event_type,
                "id": item.id,
                "signed_anew": item.signed_anew,
                "bytes": item.body.len(),
            }))?;
        }
        let counts = self.counts();
        output.line(format_args!(
            "{}{} would be sent{counts}{:#}",
            style::STRONG,
            self.items.len(),
            style::STRONG
        ))?;
        if counts.is_complete() { Ok(()) } else { Err(Failure::Negative) }
    }
}

/// Verifies a request with the age that it had when it was received.
///
/// Without that time nothing is known of its age then, and the signature alone decides.
fn verify(capture: &Capture, secrets: &[SigningSecret]) -> Result<Verified, Why> {
    let builder = Verifier::builder().secrets(secrets.iter().cloned());
    let builder = match capture.recorded.received_at {
        Some(received_at) => builder.clock(move || received_at),
        None => builder.dangerous_accept_any_age(),
    };
    let misconfigured = |error: SecretError| Why { cause: "misconfigured", reason: error.to_string() };
    builder.build().map_err(misconfigured)?.verify(&capture.headers, &capture.body).map_err(|error| {
        let when = if error.skew_seconds().is_some() { "when it was received, " } else { "" };
        let reason = format!("{when}{error}");
        Why { cause: OwnAnswer::from(&ReceiveError::from(error)).outcome().as_str(), reason }
    })
}

fn skipped(capture: &Capture, why: Why) -> Skipped {
    Skipped {
        place: capture.place.clone(),
        event_type: event_type(capture),
        id: id(capture),
        why,
        recorded_verdict: capture.recorded.verdict.clone(),
    }
}

impl Item {
    fn label(&self) -> String {
        label(self.event_type.as_deref(), self.id.as_deref())
    }
}

/// Names a request in a line, aligned as far as its names have the usual length.
fn label(event_type: Option<&str>, id: Option<&str>) -> String {
    let event_type = printable(event_type.unwrap_or("(no type)").as_bytes(), 60);
    let id = printable(id.unwrap_or("(no id)").as_bytes(), 60);
    format!("{event_type:<24}  {}{id}{:#}", style::QUIET, style::QUIET)
}

fn item(capture: &Capture, id: Option<String>, headers: Vec<(String, Vec<u8>)>) -> Item {
    Item {
        place: capture.place.clone(),
        event_type: event_type(capture),
        id,
        signed_anew: false,
        signed_at: signed_at(capture),
        headers,
        body: capture.body.clone(),
    }
}

fn verbatim_item(capture: &Capture) -> Result<Item, Why> {
    let mut headers = content_type(capture);
    let of_signature = |name: &str| SIGNATURE_HEADERS.iter().any(|known| name.eq_ignore_ascii_case(known));
    headers.extend(capture.headers.iter().filter(|(name, _)| of_signature(name)).cloned());
    if headers.iter().any(|(_, value)| !is_sendable(value)) {
        let reason = "a signature header contains characters that cannot be sent".to_owned();
        return Err(Why { cause: NOT_SENDABLE, reason });
    }
    Ok(item(capture, id(capture), headers))
}

/// Returns the content type that was captured, the only header beside the signature that a request is sent with.
fn content_type(capture: &Capture) -> Vec<(String, Vec<u8>)> {
    let value = capture.header("content-type").next().filter(|value| is_sendable(value));
    value.map(|value| ("content-type".to_owned(), value.to_vec())).into_iter().collect()
}

fn is_sendable(value: &[u8]) -> bool {
    HeaderValue::from_bytes(value).is_ok()
}

/// Returns the message id that a request claims to have.
fn id(capture: &Capture) -> Option<String> {
    capture.text("svix-id").or_else(|| capture.text("webhook-id")).map(str::to_owned)
}

fn signed_at(capture: &Capture) -> Option<Timestamp> {
    let seconds = capture.text("svix-timestamp").or_else(|| capture.text("webhook-timestamp"))?;
    seconds.parse().ok().map(Timestamp::from_secs)
}

fn event_type(capture: &Capture) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Envelope {
        r#type: String,
    }
    serde_json::from_slice(&capture.body).ok().map(|envelope: Envelope| envelope.r#type)
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

/// Shows on standard error how far it is, where the answers themselves do not go to a terminal.
fn progress(total: usize) -> ProgressBar {
    let target = if io::stdout().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr_with_hz(8)
    };
    let bar = ProgressBar::with_draw_target(Some(total as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} deliveries, {per_sec}") {
        bar.set_style(style.progress_chars("━╸ "));
    }
    bar
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
