//! Explains the response to a delivery, as text and as JSON.

use std::borrow::Cow;
use std::time::Duration;

use clerk_webhook_core::{Answer as OwnAnswer, Outcome};
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, printable, style};
use crate::send::client::Answer;
use crate::send::evidence;
use crate::send::svix::{self, Next, Reply};

/// The maximum length of a body in the text output, in characters.
const SHOWN_BODY: usize = 400;

/// The maximum length of a header in the text output, in characters.
const SHOWN_HEADER: usize = 200;

/// The response to the first attempt of a delivery, with an explanation.
#[derive(Debug, Serialize)]
pub(crate) struct AnswerReport {
    /// Whether the status is 2xx.
    pub(crate) delivered: bool,
    pub(crate) status: u16,
    #[serde(skip)]
    reason: &'static str,
    milliseconds: f64,
    /// The unchanged value of the `Retry-After` header.
    retry_after: Option<String>,
    webhook_delivery: Option<String>,
    content_type: Option<String>,
    body: String,
    pub(crate) outcome: Option<&'static str>,
    /// The stable name of what the response shows.
    finding: Option<&'static str>,
    meaning: Option<Cow<'static, str>>,
    hint: Option<Cow<'static, str>>,
    svix: NextAttempt,
}

/// Svix's reaction to the response.
#[derive(Debug, Serialize)]
struct NextAttempt {
    next: &'static str,
    earliest_seconds: Option<f64>,
    latest_seconds: Option<f64>,
    text: String,
}

impl AnswerReport {
    /// Explains a response.
    pub(crate) fn of(answer: &Answer) -> Self {
        let reply = answer.reply();
        let (finding, meaning, hint) = match evidence::read(answer) {
            Some(evidence) => (Some(evidence.finding), Some(evidence.says), evidence.advice),
            None => (None, None, None),
        };
        Self {
            delivered: answer.status.is_success(),
            status: answer.status.as_u16(),
            reason: answer.status.canonical_reason().unwrap_or_default(),
            milliseconds: (answer.elapsed.as_secs_f64() * 1e5).round() / 1e2,
            retry_after: header(answer, "retry-after"),
            webhook_delivery: header(answer, OwnAnswer::DELIVERY_CONTROL),
            content_type: header(answer, CONTENT_TYPE.as_str()),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
            outcome: evidence::outcome(answer).map(Outcome::as_str),
            finding,
            meaning,
            hint,
            svix: NextAttempt::of(&reply),
        }
    }

    /// Replaces the hint if the command has a more specific one.
    pub(crate) fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.map(Cow::Owned).or(self.hint), ..self }
    }

    /// Returns the status and its reason phrase, in color.
    pub(crate) fn verdict(&self) -> String {
        let color = match self.status {
            200..300 => style::GOOD,
            300..500 => style::ODD,
            _ => style::BAD,
        };
        format!("{color}{} {}{color:#}", self.status, self.reason).trim_end().to_owned()
    }

    /// Returns the formatted duration of the exchange.
    pub(crate) fn elapsed(&self) -> String {
        in_words(Duration::from_secs_f64(self.milliseconds / 1e3))
    }

    /// Returns the outcome in the body, or the beginning of the body.
    pub(crate) fn summary(&self) -> String {
        self.outcome.map_or_else(|| printable(self.body.trim().as_bytes(), 60), str::to_owned)
    }

    /// Prints the response on one line.
    pub(crate) fn show_short(&self, output: &Output, label: &str) -> Result<(), Failure> {
        let line = format!("{} in {}  {}", self.verdict(), self.elapsed(), self.summary());
        output.line(labelled(label, line.trim_end()))
    }

    /// Prints the complete response and its explanation.
    pub(crate) fn show(&self, output: &Output) -> Result<(), Failure> {
        output.line(labelled("response", format_args!("{} in {}", self.verdict(), self.elapsed())))?;
        for (name, value) in
            [("Retry-After", &self.retry_after), ("webhook-delivery", &self.webhook_delivery)]
        {
            if let Some(value) = value {
                output.line(labelled("", format_args!("{name}: {}", shown_header(value))))?;
            }
        }
        if !self.body.is_empty() {
            output.line(labelled("", printable(self.body.trim_end().as_bytes(), SHOWN_BODY)))?;
        }
        if let (Some(finding), Some(meaning)) = (self.finding, &self.meaning) {
            output.line(labelled("means", format_args!("{finding}: {meaning}")))?;
        }
        output.line(labelled("Svix", format_args!("{}", self.svix.text)))?;
        if let Some(hint) = &self.hint {
            output.line(labelled("hint", format_args!("{}{hint}{:#}", style::ODD, style::ODD)))?;
        }
        Ok(())
    }
}

impl NextAttempt {
    fn of(reply: &Reply) -> Self {
        let next: Next = svix::next(1, Some(reply));
        let (earliest_seconds, latest_seconds) = next.window().unzip();
        let text = svix::explain(1, Some(reply));
        Self { next: next.word(), earliest_seconds, latest_seconds, text }
    }
}

/// Formats a duration in milliseconds or seconds.
pub(crate) fn in_words(elapsed: Duration) -> String {
    match elapsed.as_secs_f64() * 1e3 {
        short @ ..10.0 => format!("{short:.1} ms"),
        longer @ ..10_000.0 => format!("{longer:.0} ms"),
        long => format!("{:.1} s", long / 1e3),
    }
}

/// Formats a line with a label, so that the texts of several lines are aligned.
pub(crate) fn labelled(label: &str, text: impl std::fmt::Display) -> String {
    format!("{}{label:<8}{:#} {text}", style::QUIET, style::QUIET)
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn shown_header(value: &str) -> String {
    printable(value.as_bytes(), SHOWN_HEADER)
}
