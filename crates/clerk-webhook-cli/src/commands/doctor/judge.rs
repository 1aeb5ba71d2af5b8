//! What an answer to a probe says about the endpoint.

use std::time::Duration;

use clerk_webhook_core::{Answer as OwnAnswer, Outcome, Verifier};

use super::check::Check;
use crate::output::printable;
use crate::send::answer_report::{asks_for_login, is_own_refusal, is_page, outcome, redirect};
use crate::send::client::{Answer, SendError, SendErrorKind};

/// A clock that differs by more is worth a look.
const CLOCK_NOTED: f64 = 5.0;

/// Deliveries are refused where a clock differs by more.
const CLOCK_TOLERATED: f64 = Verifier::DEFAULT_TOLERANCE.as_secs_f64();

/// An answer that takes longer leaves little of the 15 s that the sender waits.
const SLOW: Duration = Duration::from_secs(5);

type Result<'a> = std::result::Result<&'a Answer, &'a SendError>;

/// Judges the answer to a request that nobody signed.
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
                "a web page answered, so every delivery would be lost and look delivered",
                "this is not the webhook endpoint: compare the path, and let no page catch all paths",
            )
        } else {
            bad(
                "accepts_unsigned",
                "DANGER, it takes what nobody has signed: whoever knows the URL can send events",
                "verify the signature before anything else",
            )
        };
    }
    if let Some(to) = redirect(answer) {
        return bad(
            "redirect",
            &format!("redirects to {to}, which the sender does not follow"),
            "give Clerk the final URL, and let no login or https redirect this path",
        );
    }
    if answer.headers.contains_key(OwnAnswer::DELIVERY_CONTROL) {
        return Check::warn(
            check,
            "steers",
            format!(
                "{status}: refused with a header {}, though it could not be verified",
                OwnAnswer::DELIVERY_CONTROL
            ),
            "send that header only for verified messages: with a wrong secret Svix would give up every message",
        );
    }
    match status {
        400 if is_own_refusal(answer) => Check::ok(check, "refused with 400, as clerk-webhook does"),
        401 | 403 if is_page(answer) || asks_for_login(answer) => bad(
            "auth_in_front",
            "authentication or CSRF protection in front of the endpoint refuses it",
            "let this path pass without a session, a token or a CSRF cookie: the signature is the authentication",
        ),
        401 | 403 => Check::warn(
            check,
            "perhaps_auth",
            format!(
                "refused with {status}: by the endpoint, or by authentication or CSRF protection in front of it"
            ),
            "run it with --send: if a signed delivery passes, this was the endpoint itself",
        ),
        404 | 410 => bad(
            "not_found",
            "the server has no such path",
            "compare the path with the route of the endpoint, prefix and slash at the end included",
        ),
        405 => bad(
            "method_not_allowed",
            "the path does not take POST",
            "compare the path with the route of the endpoint",
        ),
        406 | 415 => bad(
            "media_type",
            "it does not take application/json",
            "let the endpoint take any content type, and answer any Accept",
        ),
        413 => bad(
            "too_large",
            "it finds 100 bytes too large",
            "raise the limit on bodies to 2 MiB for this path",
        ),
        429 => Check::warn(
            check,
            "rate_limit",
            "429: a rate limit is in front of the endpoint",
            "exempt this path: Clerk's deliveries come from few addresses, many at a time, and to Svix 429 counts as any other \
             failure, so do not rely on a longer delay",
        ),
        500 if answer.body == OwnAnswer::from(Outcome::Misconfigured).body() => bad(
            "misconfigured",
            "the application is set up so that it cannot receive",
            "its log says what to add, such as a verifier",
        ),
        502..=504 => bad(
            "proxy",
            "a proxy answers, and the application behind it does not",
            "is the application running, and does the proxy know its port?",
        ),
        500.. => bad(
            "server_error",
            "it fails instead of refusing",
            "its log has the reason; often there is no secret, or the headers are taken for granted",
        ),
        _ if is_page(answer) => bad(
            "page",
            "a web page refuses it, not a webhook endpoint",
            "look at what stands in front: CSRF protection, a firewall, the framework's own check",
        ),
        400 | 422 => Check::ok(check, format!("refused with {status}")),
        _ => Check::warn(
            check,
            "unusual",
            format!("refused with {status}, which is not usual: {}", printable(&answer.body, 60)),
            "400 says it best; is it the endpoint that answers?",
        ),
    }
}

/// A delivery that has to be refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forbidden {
    pub(super) check: &'static str,
    /// The finding where it is accepted.
    pub(super) finding: &'static str,
    pub(super) what: &'static str,
    pub(super) advice: &'static str,
}

/// Judges the answer to a delivery that has to be refused.
pub(super) fn forbidden(of: Forbidden, result: Result<'_>) -> Check {
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return no_answer(of.check, error),
    };
    let status = answer.status.as_u16();
    match status {
        200..300 => {
            Check::bad(of.check, of.finding, format!("{status}: DANGER, {} was accepted", of.what), of.advice)
        }
        500.. => Check::warn(
            of.check,
            "server_error",
            format!("{status}: it fails at {} instead of refusing it", of.what),
            "its log has the reason; answer 400",
        ),
        _ => Check::ok(of.check, format!("{} is refused with {status}", of.what)),
    }
}

/// Judges the answer to a delivery that is right in all, of a type that no handler knows.
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
            format!("{status}: a web page answered"),
            "this is not the webhook endpoint: compare the path",
        ),
        (200..300, Some(outcome)) => {
            Check::ok(check, format!("a signed delivery is answered with {status} ({outcome})"))
        }
        (200..300, None) => Check::ok(check, format!("a signed delivery is answered with {status}")),
        (_, Some(outcome)) => Check::warn(
            check,
            "not_acknowledged",
            format!("{status}: verified, but the outcome is {outcome}"),
            "acknowledge event types that nobody handles with 2xx, or they are sent again for 28 hours",
        ),
        (400 | 401 | 403, None) => Check::bad(
            check,
            "refused_signed",
            format!("{status}: a signed delivery is refused"),
            "if clock and path are right, the endpoint has another secret, or something in front of it refuses",
        ),
        (500.., None) => Check::warn(
            check,
            "not_acknowledged",
            format!("{status}: it fails at a signed delivery of an unknown event type"),
            "acknowledge event types that nobody handles with 2xx, or they are sent again for 28 hours",
        ),
        _ => Check::bad(
            check,
            "refused_signed",
            format!("{status}: a signed delivery is not answered with 2xx"),
            "the line `unsigned` says what answers",
        ),
    }
}

/// Judges the distance of the clocks in seconds, positive where the endpoint's is ahead; none where it tells no time.
pub(super) fn clock(distance: Option<f64>) -> Check {
    let check = "clock";
    let Some(distance) = distance else {
        return Check::skipped(check, "the answer has no header Date to compare with");
    };
    let seconds = distance.abs();
    let side = if distance > 0.0 { "ahead of" } else { "behind" };
    let message = format!("the endpoint's clock is {seconds:.0} s {side} the one here");
    let advice = "synchronise both by NTP; deliveries are refused from five minutes on";
    if seconds > CLOCK_TOLERATED {
        Check::bad(check, "skew", message, advice)
    } else if seconds > CLOCK_NOTED {
        Check::warn(check, "skew", message, advice)
    } else {
        Check::ok(check, "the clocks agree, as far as whole seconds show")
    }
}

/// Judges how long the slowest answer took.
pub(super) fn speed(slowest: Duration) -> Check {
    let message = format!("the slowest answer took {:.0} ms", slowest.as_secs_f64() * 1e3);
    if slowest > SLOW {
        let advice = "a refusal needs no more than the headers; Svix waits 15 s for an answer in all";
        Check::warn("speed", "slow", message, advice)
    } else {
        Check::ok("speed", message)
    }
}

/// Judges which sizes of a body are refused: the largest that is not, and the smallest that is, with 413 or without an
/// answer.
pub(super) fn body_limit(taken: Option<usize>, refused: Option<usize>, told: bool) -> Check {
    let check = "body_limit";
    let size = |bytes: usize| {
        if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{} KiB", bytes >> 10) }
    };
    let how = if told { "are too large" } else { "get no answer" };
    match (taken, refused) {
        (None, Some(refused)) => Check::warn(
            check,
            "low",
            format!("bodies of {} {how}", size(refused)),
            "raise the limit for this path, in the framework and in the proxy: 2 MiB are enough for anything",
        ),
        (Some(taken), Some(refused)) => {
            Check::ok(check, format!("bodies of {} are read, of {} {how}", size(taken), size(refused)))
        }
        (Some(taken), None) => {
            Check::ok(check, format!("bodies of {} are read, no limit was found", size(taken)))
        }
        (None, None) => Check::skipped(check, "no answer told of it"),
    }
}

/// Judges whether there is an answer through TLS at all.
pub(super) fn tls(result: Result<'_>) -> Check {
    match result {
        Err(error) if error.kind == SendErrorKind::Other => Check::bad(
            "tls",
            "failed",
            printable(error.to_string().as_bytes(), 200),
            "is it https on this port, with a certificate for this name from a public authority, and all between them?",
        ),
        _ => Check::ok("tls", "the certificate is trusted here"),
    }
}

fn no_answer(check: &'static str, error: &SendError) -> Check {
    let (finding, advice) = match error.kind {
        SendErrorKind::Timeout => ("timeout", "refuse before anything slow; Svix waits 15 s and sends again"),
        SendErrorKind::Refused => ("refused", "is the server running, and on this port?"),
        SendErrorKind::Other => {
            ("no_answer", "is it a server of HTTP, and does the scheme (http, https) fit?")
        }
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
    fn an_unsigned_request_shows_what_answers() {
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
    fn the_advice_on_a_rate_limit_promises_no_longer_delay() {
        let advice = unsigned(Ok(&answer(429, &[], ""))).advice.unwrap();
        assert!(advice.contains("429 counts as any other failure"), "{advice}");
    }

    #[test]
    fn clocks_may_differ_a_little() {
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
    fn a_limit_below_what_clerk_may_send_is_told() {
        assert_eq!(body_limit(None, Some(64 << 10), true).finding, "low");
        let check = body_limit(Some(1 << 20), Some(3 << 20), true);
        assert_eq!(check.message, "bodies of 1 MiB are read, of 3 MiB are too large");
        let check = body_limit(Some(64 << 10), Some(1 << 20), false);
        assert_eq!(check.message, "bodies of 64 KiB are read, of 1 MiB get no answer");
        assert_eq!(body_limit(Some(3 << 20), None, true).status, Status::Ok);
        assert_eq!(body_limit(None, None, true).status, Status::Skipped);
    }

    #[test]
    fn a_slow_answer_is_told() {
        assert_eq!(speed(Duration::from_secs(6)).finding, "slow");
        assert_eq!(speed(Duration::from_millis(6)).status, Status::Ok);
    }
}
