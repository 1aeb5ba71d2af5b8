//! Judges the responses to the probes.

use std::time::Duration;

use clerk_webhook_core::{Answer as OwnAnswer, Outcome, Verifier};

use super::check::Check;
use crate::output::printable;
use crate::send::answer_report::{asks_for_login, is_own_refusal, is_page, outcome, redirect};
use crate::send::client::{Answer, SendError, SendErrorKind};

/// The maximum difference between the clocks without a warning, in seconds.
const CLOCK_NOTED: f64 = 5.0;

/// The maximum difference between the clocks, in seconds. If it is larger, the endpoint rejects every
/// delivery.
const CLOCK_TOLERATED: f64 = Verifier::DEFAULT_TOLERANCE.as_secs_f64();

/// The maximum time for a response without a warning. The sender waits 15 s.
const SLOW: Duration = Duration::from_secs(5);

type Result<'a> = std::result::Result<&'a Answer, &'a SendError>;

/// Judges the response to an unsigned request.
pub(super) fn unsigned(result: Result<'_>) -> Check {
    let check = "unsigned";
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return no_answer(check, error),
    };
    let status = answer.status.as_u16();
    let bad = |finding, message: &str, advice: &str| {
        Check::bad(check, finding, format!("{status}: {message}"), advice)
    };
    if answer.status.is_success() {
        return if is_page(answer) {
            bad(
                "page",
                "the response is a web page: every delivery would be lost, although Svix would count it as delivered",
                "this is not the webhook endpoint: check the path, and exclude it from catch-all routes",
            )
        } else {
            bad(
                "accepts_unsigned",
                "DANGER: an unsigned request was accepted, so anyone who knows the URL can send events",
                "verify the signature before any other processing",
            )
        };
    }
    if let Some(to) = redirect(answer) {
        return bad(
            "redirect",
            &format!("redirects to {to}, which the sender does not follow"),
            "set the final URL in Clerk, and exclude this path from login and https redirects",
        );
    }
    if answer.headers.contains_key(OwnAnswer::DELIVERY_CONTROL) {
        return Check::warn(
            check,
            "steers",
            format!(
                "{status}: rejected with the header {}, although the request was not verified",
                OwnAnswer::DELIVERY_CONTROL
            ),
            "send this header only for verified messages: otherwise, a wrong secret makes Svix stop delivering all \
             messages",
        );
    }
    match status {
        400 if is_own_refusal(answer) => Check::ok(check, "rejected with 400, as clerk-webhook does"),
        401 | 403 if is_page(answer) || asks_for_login(answer) => bad(
            "auth_in_front",
            "authentication or CSRF protection rejects the request before it reaches the endpoint",
            "exempt this path from sessions, tokens, and CSRF cookies: the signature is the authentication",
        ),
        401 | 403 => Check::warn(
            check,
            "perhaps_auth",
            format!(
                "rejected with {status}, by the endpoint or by authentication or CSRF protection before it"
            ),
            "run again with --send: if a signed delivery is accepted, the endpoint itself sent this response",
        ),
        404 | 410 => bad(
            "not_found",
            "the path does not exist on the server",
            "compare the path with the endpoint's route, including prefix and trailing slash",
        ),
        405 => bad(
            "method_not_allowed",
            "the path does not accept POST",
            "compare the path with the endpoint's route",
        ),
        406 | 415 => bad(
            "media_type",
            "the endpoint does not accept application/json",
            "accept any content type, and ignore the Accept header",
        ),
        413 => bad(
            "too_large",
            "the endpoint rejects a body of 100 bytes as too large",
            "raise the body limit for this path to 2 MiB",
        ),
        429 => Check::warn(
            check,
            "rate_limit",
            "429: a rate limit rejects requests to the endpoint",
            "exempt this path: Clerk's deliveries come from few addresses and in bursts. Svix treats 429 like any \
             other failure, so do not rely on a longer delay",
        ),
        500 if answer.body == OwnAnswer::from(Outcome::Misconfigured).body() => bad(
            "misconfigured",
            "the application is misconfigured and cannot receive deliveries",
            "its log says what is missing, such as a verifier",
        ),
        502..=504 => bad(
            "proxy",
            "a proxy responds, but the application behind it does not",
            "check that the application is running, and that the proxy uses its port",
        ),
        500.. => bad(
            "server_error",
            "the endpoint fails instead of rejecting the request",
            "see its log; common causes are a missing secret, and code that expects the signature headers to exist",
        ),
        _ if is_page(answer) => bad(
            "page",
            "the response is a web page, so it does not come from a webhook endpoint",
            "check CSRF protection, firewalls, and framework checks that run before the endpoint",
        ),
        400 | 422 => Check::ok(check, format!("rejected with {status}")),
        _ => Check::warn(
            check,
            "unusual",
            format!("rejected with {status}, which is unusual: {}", printable(&answer.body, 60)),
            "respond with 400, and check that the endpoint itself sends this response",
        ),
    }
}

/// A delivery that the endpoint must reject.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forbidden {
    pub(super) check: &'static str,
    /// The finding if the endpoint accepts the delivery.
    pub(super) finding: &'static str,
    pub(super) what: &'static str,
    pub(super) advice: &'static str,
}

/// Judges the response to a delivery that the endpoint must reject.
pub(super) fn forbidden(of: Forbidden, result: Result<'_>) -> Check {
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return no_answer(of.check, error),
    };
    let status = answer.status.as_u16();
    match status {
        200..300 => {
            Check::bad(of.check, of.finding, format!("{status}: DANGER: {} was accepted", of.what), of.advice)
        }
        500.. => Check::warn(
            of.check,
            "server_error",
            format!("{status}: the endpoint fails on {} instead of rejecting it", of.what),
            "respond with 400; the endpoint's log contains the reason",
        ),
        _ => Check::ok(of.check, format!("{} is rejected with {status}", of.what)),
    }
}

/// Judges the response to a valid delivery of an event type without a handler.
pub(super) fn signed(result: Result<'_>) -> Check {
    let check = "signed";
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return no_answer(check, error),
    };
    let status = answer.status.as_u16();
    match (status, outcome(answer)) {
        (200..300, _) if is_page(answer) => Check::bad(
            check,
            "page",
            format!("{status}: the response is a web page"),
            "this is not the webhook endpoint: check the path",
        ),
        (200..300, Some(outcome)) => {
            Check::ok(check, format!("a signed delivery is accepted with {status} ({outcome})"))
        }
        (200..300, None) => Check::ok(check, format!("a signed delivery is accepted with {status}")),
        (_, Some(outcome)) => Check::warn(
            check,
            "not_acknowledged",
            format!("{status}: the delivery is verified, but the outcome is {outcome}"),
            "respond to event types without a handler with 2xx; otherwise Svix retries them for 28 hours",
        ),
        (400 | 401 | 403, None) => Check::bad(
            check,
            "refused_signed",
            format!("{status}: a signed delivery is rejected"),
            "if clock and path are correct, the endpoint uses a different secret, or something before it rejects requests",
        ),
        (500.., None) => Check::warn(
            check,
            "not_acknowledged",
            format!("{status}: the endpoint fails on a signed delivery of an unknown event type"),
            "respond to event types without a handler with 2xx; otherwise Svix retries them for 28 hours",
        ),
        _ => Check::bad(
            check,
            "refused_signed",
            format!("{status}: the response to a signed delivery is not 2xx"),
            "the `unsigned` check shows whether the endpoint itself responds",
        ),
    }
}

/// Judges the difference between the clocks in seconds, positive if the endpoint's clock is ahead.
///
/// `distance` is `None` if the response has no date.
pub(super) fn clock(distance: Option<f64>) -> Check {
    let check = "clock";
    let Some(distance) = distance else {
        return Check::skipped(check, "the response has no Date header");
    };
    let seconds = distance.abs();
    let side = if distance > 0.0 { "ahead of" } else { "behind" };
    let message = format!("the endpoint's clock is {seconds:.0} s {side} this machine's clock");
    let advice = "synchronize both clocks with NTP: beyond 5 minutes, the endpoint rejects every delivery";
    if seconds > CLOCK_TOLERATED {
        Check::bad(check, "skew", message, advice)
    } else if seconds > CLOCK_NOTED {
        Check::warn(check, "skew", message, advice)
    } else {
        Check::ok(check, "the clocks agree, within the resolution of 1 s")
    }
}

/// Judges how long the slowest response took.
pub(super) fn speed(slowest: Duration) -> Check {
    let message = format!("the slowest response took {:.0} ms", slowest.as_secs_f64() * 1e3);
    if slowest > SLOW {
        let advice = "rejecting these requests should be fast; Svix waits 15 s for a response";
        Check::warn("speed", "slow", message, advice)
    } else {
        Check::ok("speed", message)
    }
}

/// Judges the body limit, from the largest accepted and the smallest rejected size.
///
/// `told` is true if the endpoint rejected the size with 413, and false if it did not respond.
pub(super) fn body_limit(taken: Option<usize>, refused: Option<usize>, told: bool) -> Check {
    let check = "body_limit";
    let size = |bytes: usize| {
        if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
    };
    let how = if told { "are too large" } else { "get no response" };
    match (taken, refused) {
        (None, Some(refused)) => Check::warn(
            check,
            "low",
            format!("bodies of {} {how}", size(refused)),
            "raise the limit for this path to 2 MiB, in the framework and in the proxy",
        ),
        (Some(taken), Some(refused)) => {
            Check::ok(check, format!("bodies of {} are read, bodies of {} {how}", size(taken), size(refused)))
        }
        (Some(taken), None) => {
            Check::ok(check, format!("bodies of {} are read; no limit was found", size(taken)))
        }
        (None, None) => Check::skipped(check, "the responses do not show a limit"),
    }
}

/// Judges whether the TLS connection works.
pub(super) fn tls(result: Result<'_>) -> Check {
    match result {
        Err(error) if error.kind == SendErrorKind::Other => Check::bad(
            "tls",
            "failed",
            printable(error.to_string().as_bytes(), 200),
            "check that the port uses https, and that the server sends a complete certificate chain for this name from \
             a public authority",
        ),
        _ => Check::ok("tls", "this machine trusts the certificate"),
    }
}

fn no_answer(check: &'static str, error: &SendError) -> Check {
    let (finding, advice) = match error.kind {
        SendErrorKind::Timeout => {
            ("timeout", "reject before any slow work; Svix waits 15 s and then retries")
        }
        SendErrorKind::Refused => ("refused", "check that the server is running, and that it uses this port"),
        SendErrorKind::Other => (
            "no_answer",
            "check that an HTTP server uses this port, and that the scheme (http or https) is correct",
        ),
    };
    Check::bad(check, finding, printable(error.to_string().as_bytes(), 200), advice)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

    use super::super::check::Status;
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
            elapsed: Duration::from_millis(1),
        }
    }

    #[test]
    fn judges_the_response_to_an_unsigned_request() {
        let html = &[("content-type", "text/html")];
        for (answer, status, finding) in [
            (answer(400, &[], r#"{"title":"Bad Request","status":400}"#), Status::Ok, "ok"),
            (answer(400, &[], r#"{"error":"missing header"}"#), Status::Ok, "ok"),
            (answer(422, &[], ""), Status::Ok, "ok"),
            (answer(200, &[], "OK"), Status::Bad, "accepts_unsigned"),
            (answer(204, &[], ""), Status::Bad, "accepts_unsigned"),
            (answer(200, html, "Sign in"), Status::Bad, "page"),
            (answer(400, html, "CSRF"), Status::Bad, "page"),
            (answer(307, &[("location", "/sign-in")], ""), Status::Bad, "redirect"),
            (answer(401, &[], ""), Status::Warn, "perhaps_auth"),
            (answer(401, &[("www-authenticate", "Basic")], ""), Status::Bad, "auth_in_front"),
            (answer(403, html, "forbidden"), Status::Bad, "auth_in_front"),
            (answer(404, &[], ""), Status::Bad, "not_found"),
            (answer(405, &[], ""), Status::Bad, "method_not_allowed"),
            (answer(413, &[], ""), Status::Bad, "too_large"),
            (answer(415, &[], ""), Status::Bad, "media_type"),
            (answer(418, &[], ""), Status::Warn, "unusual"),
            (answer(429, &[], ""), Status::Warn, "rate_limit"),
            (answer(500, &[], ""), Status::Bad, "server_error"),
            (
                answer(500, &[], r#"{"title":"Internal Server Error","status":500}"#),
                Status::Bad,
                "misconfigured",
            ),
            (answer(503, &[], ""), Status::Bad, "proxy"),
            (answer(400, &[("webhook-delivery", "disable")], ""), Status::Warn, "steers"),
        ] {
            let check = unsigned(Ok(&answer));
            assert_eq!((check.status, check.finding), (status, finding), "{answer:?}");
            assert_eq!(check.advice.is_some(), status != Status::Ok);
        }
    }

    #[test]
    fn advice_on_a_rate_limit_does_not_promise_a_longer_delay() {
        let advice = unsigned(Ok(&answer(429, &[], ""))).advice.unwrap();
        assert!(advice.contains("429 like any other failure"), "{advice}");
    }

    #[test]
    fn judges_the_difference_between_the_clocks() {
        for (distance, status) in [
            (None, Status::Skipped),
            (Some(0.0), Status::Ok),
            (Some(-4.9), Status::Ok),
            (Some(6.0), Status::Warn),
            (Some(-299.0), Status::Warn),
            (Some(301.0), Status::Bad),
        ] {
            assert_eq!(clock(distance).status, status, "{distance:?}");
        }
        assert!(clock(Some(-20.0)).message.contains("20 s behind"));
    }

    #[test]
    fn warns_of_a_body_limit_below_the_size_of_events() {
        assert_eq!(body_limit(None, Some(64 << 10), true).finding, "low");
        let check = body_limit(Some(1 << 20), Some(3 << 20), true);
        assert_eq!(check.message, "bodies of 1 MiB are read, bodies of 3 MiB are too large");
        let check = body_limit(Some(64 << 10), Some(1 << 20), false);
        assert_eq!(check.message, "bodies of 64 KiB are read, bodies of 1 MiB get no response");
        assert_eq!(body_limit(Some(3 << 20), None, true).status, Status::Ok);
        assert_eq!(body_limit(None, None, true).status, Status::Skipped);
    }

    #[test]
    fn warns_of_a_slow_response() {
        assert_eq!(speed(Duration::from_secs(6)).finding, "slow");
        assert_eq!(speed(Duration::from_millis(6)).status, Status::Ok);
    }
}
