//! Explains the response to a delivery, as text and as JSON.

use std::time::Duration;

use clerk_webhook_core::{Answer as OwnAnswer, Outcome};
use http::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, printable, style};
use crate::send::client::Answer;
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
    #[serde(skip)]
    meaning: Option<&'static str>,
    hint: Option<String>,
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
        let outcome = outcome(answer);
        Self {
            delivered: answer.status.is_success(),
            status: answer.status.as_u16(),
            reason: answer.status.canonical_reason().unwrap_or_default(),
            milliseconds: (answer.elapsed.as_secs_f64() * 1e5).round() / 1e2,
            retry_after: header(answer, "retry-after"),
            webhook_delivery: header(answer, OwnAnswer::DELIVERY_CONTROL),
            content_type: header(answer, CONTENT_TYPE.as_str()),
            body: String::from_utf8_lossy(&answer.body).into_owned(),
            outcome: outcome.map(Outcome::as_str),
            meaning: outcome.map(meaning),
            hint: hint(answer),
            svix: NextAttempt::of(&reply),
        }
    }

    /// Replaces the hint if the command has a more specific one.
    pub(crate) fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
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
        if let (Some(outcome), Some(meaning)) = (self.outcome, self.meaning) {
            output.line(labelled("means", format_args!("{outcome}: {meaning}")))?;
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

/// Returns the outcome in the body of a response, if it is an outcome of this project.
pub(crate) fn outcome(answer: &Answer) -> Option<Outcome> {
    let word = answer.outcome()?;
    Outcome::ALL.iter().copied().find(|outcome| outcome.as_str() == word)
}

/// Returns whether this project rejected the delivery, without naming the reason.
pub(crate) fn is_own_refusal(answer: &Answer) -> bool {
    let own = OwnAnswer::from(Outcome::InvalidSignature);
    answer.status.as_u16() == own.status() && answer.body == own.body()
}

/// Returns whether a response is a web page.
pub(crate) fn is_page(answer: &Answer) -> bool {
    let declared = header(answer, CONTENT_TYPE.as_str()).is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.starts_with("text/html") || value.starts_with("application/xhtml")
    });
    let beginning = answer.body[..answer.body.len().min(64)].trim_ascii_start().to_ascii_lowercase();
    declared || beginning.starts_with(b"<!doctype html") || beginning.starts_with(b"<html")
}

/// Returns the target of a redirect, escaped for the terminal.
pub(crate) fn redirect(answer: &Answer) -> Option<String> {
    if !answer.status.is_redirection() {
        return None;
    }
    Some(
        header(answer, LOCATION.as_str())
            .map_or_else(|| "an unspecified URL".to_owned(), |to| shown_header(&to)),
    )
}

/// Returns whether a response requests HTTP authentication, which webhook endpoints never do.
pub(crate) fn asks_for_login(answer: &Answer) -> bool {
    answer.headers.contains_key(WWW_AUTHENTICATE)
}

fn header(answer: &Answer, name: &str) -> Option<String> {
    answer.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn shown_header(value: &str) -> String {
    printable(value.as_bytes(), SHOWN_HEADER)
}

fn meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Processed => "a handler processed the event",
        Outcome::Queued => "the event was stored and will be handled later",
        Outcome::Ignored => "no handler is registered for this event type",
        Outcome::Duplicate => "a delivery with this message id was already handled",
        Outcome::InProgress => "another delivery of this message is being handled and may still fail",
        Outcome::Failed => {
            "the handler failed and may succeed on a retry; see the endpoint's log for the reason"
        }
        Outcome::HandlerTimeout => "the handler did not finish in time",
        Outcome::Rejected => "the handler failed permanently",
        Outcome::Disabled => "the handler asked the sender to disable the endpoint",
        Outcome::StoreUnavailable => "the store or queue is unavailable",
        Outcome::LeaseLost => {
            "the lease expired during the run, so another run may have taken over the message"
        }
        Outcome::NotAnEvent => {
            "the delivery is authentic, but its body is not a JSON object with a type and data"
        }
        Outcome::MissingHeader => "a signature header is missing or empty",
        Outcome::Malformed => "a signature header is repeated or malformed",
        Outcome::ExpiredTimestamp => "the timestamp is outside the tolerance",
        Outcome::InvalidSignature => "no signature matches",
        Outcome::BodyTooLarge => "the body exceeds the limit",
        Outcome::BodyTimeout => "the body did not arrive in time",
        Outcome::BodyFailed => "the connection failed before the body was complete",
        _ => "the application is misconfigured and cannot receive deliveries; see its log for the reason",
    }
}

/// Returns advice if the response suggests a problem, usually that it does not come from the endpoint.
fn hint(answer: &Answer) -> Option<String> {
    if outcome(answer).is_some() {
        return None;
    }
    let page = is_page(answer);
    if let Some(to) = redirect(answer) {
        return Some(format!(
            "Svix does not follow redirects and treats this redirect to {to} as a failure; configure the final URL, and \
             exclude this path from login redirects"
        ));
    }
    let text = match answer.status.as_u16() {
        200..300 if page => {
            "the response is a web page; Svix treats this as delivered, although the delivery may not have reached a \
             webhook endpoint"
        }
        401 | 403 if page || asks_for_login(answer) => {
            "authentication or CSRF protection rejected the request before it reached the endpoint; exclude this path, \
             because the signature authenticates the request"
        }
        401 | 403 => {
            "authentication or CSRF protection rejected the request (exclude this path), or the endpoint itself did \
             (compare the secret)"
        }
        404 | 410 => "the path does not exist on this server: compare the URL's path with the route",
        405 => "the path does not accept POST: compare it with the route, including a trailing slash",
        400 if is_own_refusal(answer) => {
            "verification failed: the secret or the clock differs from the endpoint's, or the body was changed; see the \
             endpoint's log for the reason"
        }
        400 if !page => "if verification failed, compare the secret; see the endpoint's log for the reason",
        413 => "the body exceeds the limit of the endpoint, or of a proxy in front of it",
        415 => "a proxy or middleware before the endpoint does not accept application/json",
        502..=504 if page => "the response comes from a proxy that could not reach the application",
        _ if page => {
            "the response is a web page, so it does not come from a webhook endpoint: check the URL and any proxy before it"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &'static str) -> Answer {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.into(),
            elapsed: Duration::from_micros(2_345),
        }
    }

    #[test]
    fn explains_every_outcome_and_ignores_unknown_ones() {
        for outcome in Outcome::ALL {
            assert!(!meaning(*outcome).is_empty());
        }
        assert_eq!(super::outcome(&answer(200, &[], r#"{"outcome":"ignored"}"#)), Some(Outcome::Ignored));
        assert_eq!(super::outcome(&answer(200, &[], r#"{"outcome":"\u001b[2J"}"#)), None);
        assert_eq!(super::outcome(&answer(200, &[], "OK")), None);
    }

    #[test]
    fn gives_advice_if_the_response_does_not_come_from_the_endpoint() {
        let html = &[("content-type", "text/html; charset=utf-8")];
        for (answer, expected) in [
            (answer(200, html, "<p>Hello"), "web page"),
            (answer(200, &[], " <!DOCTYPE html>"), "web page"),
            (answer(302, &[("location", "/sign-in")], ""), "redirects"),
            (answer(401, &[], "Unauthenticated"), "compare the secret"),
            (answer(401, &[("www-authenticate", "Basic")], ""), "exclude this path"),
            (answer(403, html, "CSRF"), "exclude this path"),
            (answer(404, html, ""), "path does not exist"),
            (answer(405, &[], ""), "does not accept POST"),
            (answer(400, &[], r#"{"title":"Bad Request","status":400}"#), "verification failed"),
            (answer(400, &[], "bad signature"), "compare the secret"),
            (answer(413, &[], ""), "limit"),
            (answer(502, html, "<html>"), "proxy"),
            (answer(500, html, "<html>"), "web page"),
        ] {
            let hint = hint(&answer).unwrap();
            assert!(hint.contains(expected), "{answer:?}: {hint}");
        }
        for answer in [
            answer(200, &[], "OK"),
            answer(500, &[], "oops"),
            answer(503, &[], r#"{"outcome":"store_unavailable"}"#),
        ] {
            assert_eq!(hint(&answer), None, "{answer:?}");
        }
    }

    #[test]
    fn reads_a_date_in_retry_after() {
        let past = answer(503, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], "");
        assert_eq!(past.reply().retry_after, Some(Duration::ZERO));
        let never = answer(503, &[("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT")], "");
        assert!(never.reply().retry_after.unwrap() > Duration::from_secs(86_400));
        assert_eq!(answer(503, &[("retry-after", "soon")], "").reply().retry_after, None);
    }
}
