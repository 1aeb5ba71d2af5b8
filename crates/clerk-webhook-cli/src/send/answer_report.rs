//! What an answer to a delivery means, for people and for programs.

use std::time::Duration;

use clerk_webhook_core::{Answer as OwnAnswer, Outcome};
use http::header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::{Output, printable, style};
use crate::send::client::Answer;
use crate::send::svix::{self, Next, Reply};

/// How much of a body is shown to people, in characters.
const SHOWN_BODY: usize = 400;

/// How much of a header is shown to people, in characters.
const SHOWN_HEADER: usize = 200;

/// An answer to the first attempt of a delivery, and what it means.
#[derive(Debug, Serialize)]
pub(crate) struct AnswerReport {
    /// Whether it was 2xx.
    pub(crate) delivered: bool,
    pub(crate) status: u16,
    #[serde(skip)]
    reason: &'static str,
    milliseconds: f64,
    /// The header as it was sent.
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

/// What Svix does next.
#[derive(Debug, Serialize)]
struct NextAttempt {
    next: &'static str,
    earliest_seconds: Option<f64>,
    latest_seconds: Option<f64>,
    text: String,
}

impl AnswerReport {
    /// Explains an answer.
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

    /// Replaces the hint if the command knows better.
    pub(crate) fn with_hint(self, hint: Option<String>) -> Self {
        Self { hint: hint.or(self.hint), ..self }
    }

    /// Returns status and reason, coloured.
    pub(crate) fn verdict(&self) -> String {
        let colour = match self.status {
            200..300 => style::GOOD,
            300..500 => style::ODD,
            _ => style::BAD,
        };
        format!("{colour}{} {}{colour:#}", self.status, self.reason).trim_end().to_owned()
    }

    /// Returns how long it took, in words.
    pub(crate) fn elapsed(&self) -> String {
        in_words(Duration::from_secs_f64(self.milliseconds / 1e3))
    }

    /// Returns the outcome that it names, or what can be seen of the body.
    pub(crate) fn summary(&self) -> String {
        self.outcome.map_or_else(|| printable(self.body.trim().as_bytes(), 60), str::to_owned)
    }

    /// Shows it in a line.
    pub(crate) fn show_short(&self, output: &Output, label: &str) -> Result<(), Failure> {
        let line = format!("{} in {}  {}", self.verdict(), self.elapsed(), self.summary());
        output.line(labelled(label, line.trim_end()))
    }

    /// Shows all of it to people.
    pub(crate) fn show(&self, output: &Output) -> Result<(), Failure> {
        output.line(labelled("answer", format_args!("{} in {}", self.verdict(), self.elapsed())))?;
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

/// Writes a time in the unit that suits it.
pub(crate) fn in_words(elapsed: Duration) -> String {
    match elapsed.as_secs_f64() * 1e3 {
        short @ ..10.0 => format!("{short:.1} ms"),
        longer @ ..10_000.0 => format!("{longer:.0} ms"),
        long => format!("{:.1} s", long / 1e3),
    }
}

/// Writes a line behind a label, so that several stand below each other.
pub(crate) fn labelled(label: &str, text: impl std::fmt::Display) -> String {
    format!("{}{label:<7}{:#} {text}", style::QUIET, style::QUIET)
}

/// Returns the outcome that an answer names, where it is one that this project has.
pub(crate) fn outcome(answer: &Answer) -> Option<Outcome> {
    let word = answer.outcome()?;
    Outcome::ALL.iter().copied().find(|outcome| outcome.as_str() == word)
}

/// Returns whether an answer is the one that this project gives to what it cannot verify.
pub(crate) fn is_own_refusal(answer: &Answer) -> bool {
    let own = OwnAnswer::from(Outcome::InvalidSignature);
    answer.status.as_u16() == own.status() && answer.body == own.body()
}

/// Returns whether an answer is a web page.
pub(crate) fn is_page(answer: &Answer) -> bool {
    let declared = header(answer, CONTENT_TYPE.as_str()).is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.starts_with("text/html") || value.starts_with("application/xhtml")
    });
    let beginning = answer.body[..answer.body.len().min(64)].trim_ascii_start().to_ascii_lowercase();
    declared || beginning.starts_with(b"<!doctype html") || beginning.starts_with(b"<html")
}

/// Returns where an answer redirects to, fit for a terminal.
pub(crate) fn redirect(answer: &Answer) -> Option<String> {
    if !answer.status.is_redirection() {
        return None;
    }
    Some(header(answer, LOCATION.as_str()).map_or_else(|| "nowhere".to_owned(), |to| shown_header(&to)))
}

/// Returns whether an answer asks for a login of HTTP, which no webhook endpoint does.
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
        Outcome::Processed => "a handler handled it",
        Outcome::Queued => "it is kept, to be handled later",
        Outcome::Ignored => "no handler wants events of its type",
        Outcome::Duplicate => "a delivery with this id was handled before",
        Outcome::InProgress => "somebody else is handling it and may still fail, so it is not acknowledged",
        Outcome::Failed => "the handler failed, and may not another time; the endpoint's log has the reason",
        Outcome::HandlerTimeout => "the handler did not end in time",
        Outcome::Rejected => "the handler gave it up for good",
        Outcome::Disabled => "the handler wants nothing more to be sent",
        Outcome::StoreUnavailable => "what keeps duplicates or queued deliveries cannot be reached",
        Outcome::LeaseLost => "somebody else took it over while it was being handled, or may have",
        Outcome::NotAnEvent => "it is authentic, but not an event: a JSON object with a type and data",
        Outcome::MissingHeader => "a signature header is missing or empty",
        Outcome::Malformed => "a signature header is repeated or malformed",
        Outcome::ExpiredTimestamp => "the timestamp lies outside the tolerance",
        Outcome::InvalidSignature => "no signature matches",
        Outcome::BodyTooLarge => "the body exceeds the limit",
        Outcome::BodyTimeout => "the body did not arrive in time",
        Outcome::BodyFailed => "the body broke off",
        _ => "the application is set up so that it cannot receive; its log says why",
    }
}

/// Says what is wrong where the answer shows that it is not the endpoint that speaks.
fn hint(answer: &Answer) -> Option<String> {
    if outcome(answer).is_some() {
        return None;
    }
    let page = is_page(answer);
    if let Some(to) = redirect(answer) {
        return Some(format!(
            "Svix does not follow redirects, and takes this one to {to} for a failure: give it the final URL, and \
             let no login redirect this path"
        ));
    }
    let text = match answer.status.as_u16() {
        200..300 if page => {
            "a web page answered: Svix takes that for delivered, though no webhook endpoint may have seen it"
        }
        401 | 403 if page || asks_for_login(answer) => {
            "authentication or CSRF protection in front of the endpoint refused it: let this path pass, the signature \
             is the authentication"
        }
        401 | 403 => {
            "either authentication or CSRF protection in front of the endpoint refused it (let this path pass), or the \
             endpoint itself: then compare the secret"
        }
        404 | 410 => "the server has no such path: compare the path of the URL with the route",
        405 => "the path does not take POST: compare it with the route, a slash at the end included",
        400 if is_own_refusal(answer) => {
            "it could not be verified: the secret is not that of the endpoint, or the body or the clock differs; the \
             endpoint's log has the reason"
        }
        400 if !page => "if the endpoint could not verify it, compare the secret; its log has the reason",
        413 => "the body is larger than the endpoint, or something in front of it, allows",
        415 => "something in front of the endpoint does not take application/json",
        502..=504 if page => "a proxy answered: the application behind it is not reached",
        _ if page => "a web page answered and not a webhook endpoint: look at what stands in front of it",
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
    fn every_outcome_is_explained_and_no_other_word_is_believed() {
        for outcome in Outcome::ALL {
            assert!(!meaning(*outcome).is_empty());
        }
        assert_eq!(super::outcome(&answer(200, &[], r#"{"outcome":"ignored"}"#)), Some(Outcome::Ignored));
        assert_eq!(super::outcome(&answer(200, &[], r#"{"outcome":"\u001b[2J"}"#)), None);
        assert_eq!(super::outcome(&answer(200, &[], "OK")), None);
    }

    #[test]
    fn what_answers_instead_of_the_endpoint_is_recognised() {
        let html = &[("content-type", "text/html; charset=utf-8")];
        for (answer, expected) in [
            (answer(200, html, "<p>Hello"), "web page"),
            (answer(200, &[], " <!DOCTYPE html>"), "web page"),
            (answer(302, &[("location", "/sign-in")], ""), "redirects"),
            (answer(401, &[], "Unauthenticated"), "compare the secret"),
            (answer(401, &[("www-authenticate", "Basic")], ""), "let this path pass"),
            (answer(403, html, "CSRF"), "let this path pass"),
            (answer(404, html, ""), "no such path"),
            (answer(405, &[], ""), "does not take POST"),
            (answer(400, &[], r#"{"title":"Bad Request","status":400}"#), "could not be verified"),
            (answer(400, &[], "bad signature"), "compare the secret"),
            (answer(413, &[], ""), "larger"),
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
    fn a_date_in_retry_after_counts_too() {
        let past = answer(503, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], "");
        assert_eq!(past.reply().retry_after, Some(Duration::ZERO));
        let never = answer(503, &[("retry-after", "Fri, 01 Jan 2100 00:00:00 GMT")], "");
        assert!(never.reply().retry_after.unwrap() > Duration::from_secs(86_400));
        assert_eq!(answer(503, &[("retry-after", "soon")], "").reply().retry_after, None);
    }
}
