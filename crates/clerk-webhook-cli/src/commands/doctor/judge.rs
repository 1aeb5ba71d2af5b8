//! Judges the responses to the probes.

use std::time::Duration;

use clerk_webhook_core::{Answer as OwnAnswer, Outcome, Verifier};

use super::check::{Check, Status};
use crate::output::printable;
use crate::send::client::{Answer, SendError, SendErrorKind};
use crate::send::evidence::{self, Evidence, Kind, alike};

/// The maximum difference between the clocks without a warning, in seconds.
const CLOCK_NOTED: f64 = 5.0;

/// The maximum difference between the clocks, in seconds. If it is larger, the endpoint rejects every
/// delivery.
const CLOCK_TOLERATED: f64 = Verifier::DEFAULT_TOLERANCE.as_secs_f64();

/// The maximum time for a response without a warning. The sender waits 15 s.
const SLOW: Duration = Duration::from_secs(5);

/// The advice if the endpoint fails on requests that it must reject.
const FAILS: &str =
    "see its log; common causes are a missing secret, and code that expects the signature headers to exist";

type Result<'a> = std::result::Result<&'a Answer, &'a SendError>;

/// A request that the endpoint must reject.
#[derive(Debug)]
pub(super) struct Forbidden {
    pub(super) check: &'static str,
    /// The finding if the endpoint accepts the request.
    finding: &'static str,
    what: &'static str,
    advice: &'static str,
}

pub(super) const UNSIGNED: Forbidden = Forbidden {
    check: "unsigned",
    finding: "accepts_unsigned",
    what: "an unsigned request",
    advice: "verify the signature before any other processing: anyone who knows the URL can send events",
};

pub(super) const FORGED: Forbidden = Forbidden {
    check: "forged",
    finding: "accepts_forged",
    what: "a forged delivery",
    advice: "compute the signature from the secret and the raw body, and compare in constant time",
};

pub(super) const STALE: Forbidden = Forbidden {
    check: "stale",
    finding: "accepts_stale",
    what: "a delivery signed 10 min ago",
    advice: "reject timestamps that differ by more than 5 minutes: otherwise, anyone who recorded a delivery can send it \
             again",
};

pub(super) const FUTURE: Forbidden = Forbidden {
    check: "future",
    finding: "accepts_future",
    what: "a delivery signed 10 min in the future",
    ..STALE
};

/// Judges the response to an unsigned request. The response to a signed delivery shows what an acceptance
/// looks like.
pub(super) fn unsigned(result: Result<'_>, signed: Option<&Answer>) -> Check {
    let check = UNSIGNED.check;
    let answer = match result {
        Ok(answer) if answer.status.is_success() => return acknowledged(&UNSIGNED, answer, signed),
        Ok(answer) => answer,
        Err(error) => return no_answer(check, error),
    };
    let status = answer.status.as_u16();
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
    let ok = |addition: &str| Check::ok(check, format!("rejected with {status}{addition}"));
    let Some(evidence) = evidence::read(answer) else { return ok("") };
    match (evidence.kind, evidence.finding) {
        (Kind::RateLimit, _) => found(check, Status::Warn, answer, evidence),
        _ if answer.status.is_client_error() && signed.is_some_and(accepts) => {
            ok(", and a signed delivery is accepted")
        }
        (Kind::Refusal, "not_verified") => ok(", as clerk-webhook does"),
        (Kind::Refusal, "refused_headers" | "refused_signature") => ok(""),
        (Kind::Refusal, _) => match status {
            400 | 422 => ok(""),
            401 | 403 if signed.is_some_and(|signed| is_past_verification(answer, signed)) => {
                ok(", and a signed delivery gets a different response")
            }
            401 | 403 => Check::warn(
                check,
                "perhaps_auth",
                format!(
                    "rejected with {status}, by the endpoint or by authentication or CSRF protection before it"
                ),
                if signed.is_some() {
                    "exempt this path from authentication, and compare the secret: a signed delivery is not accepted either"
                } else {
                    "run again with --send: if a signed delivery is accepted, the endpoint itself sent this response"
                },
            ),
            _ => Check::warn(
                check,
                "unusual",
                format!("rejected with {status}, which is unusual: {}", printable(&answer.body, 60)),
                "respond with 400, and check that the endpoint itself sends this response",
            ),
        },
        (Kind::Failure, _) => Check::bad(
            check,
            "server_error",
            format!("{status}: the endpoint fails instead of rejecting the request"),
            FAILS,
        ),
        (Kind::Outcome(_) | Kind::FalseSuccess | Kind::Front, _) => {
            found(check, Status::Bad, answer, evidence)
        }
    }
}

/// Judges the response to a delivery that the endpoint must reject.
pub(super) fn forbidden(of: &Forbidden, result: Result<'_>, signed: Option<&Answer>) -> Check {
    let answer = match result {
        Ok(answer) if answer.status.is_success() => return acknowledged(of, answer, signed),
        Ok(answer) => answer,
        Err(error) => return no_answer(of.check, error),
    };
    let status = answer.status.as_u16();
    match evidence::read(answer) {
        Some(evidence) if evidence.kind == Kind::RateLimit => found(of.check, Status::Warn, answer, evidence),
        _ if status >= 500 => Check::warn(
            of.check,
            "server_error",
            format!("{status}: the endpoint fails on {} instead of rejecting it", of.what),
            "respond with 400; the endpoint's log contains the reason",
        ),
        _ => Check::ok(of.check, format!("{} is rejected with {status}", of.what)),
    }
}

/// Judges a 2xx response to a request that the endpoint must reject.
///
/// 2xx does not prove that the endpoint accepted the request. The response is a proof only if the endpoint
/// sends the same response to a signed delivery.
fn acknowledged(of: &Forbidden, answer: &Answer, signed: Option<&Answer>) -> Check {
    if let Some(evidence) = evidence::read(answer)
        && evidence.kind == Kind::FalseSuccess
    {
        return found(of.check, Status::Bad, answer, evidence);
    }
    let status = answer.status.as_u16();
    let bad = |finding, message: &str, advice| {
        Check::bad(of.check, finding, format!("{status}: {message}"), advice)
    };
    match signed {
        Some(signed) if alike(answer, signed) => bad(
            of.finding,
            &format!("DANGER: {} is accepted: the response is the same as to a signed delivery", of.what),
            of.advice,
        ),
        Some(_) => bad(
            "acknowledged",
            &format!("{} gets 2xx, but a signed delivery gets a different response", of.what),
            "respond with 400 to requests that do not verify: Svix counts 2xx as delivered and never sends the event again",
        ),
        None => bad(
            "acknowledged",
            &format!("{} gets 2xx, so the endpoint accepts it, or rejects it with a wrong status", of.what),
            "respond with 400 to requests that do not verify. To find out whether the endpoint verifies, set its secret and \
             run again with --send",
        ),
    }
}

/// Judges the response to a valid delivery of an event type without a handler. The response to a forged
/// delivery shows what a refusal of the signature looks like.
pub(super) fn signed(result: Result<'_>, forged: Option<&Answer>) -> Check {
    let check = "signed";
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => return no_answer(check, error),
    };
    let status = answer.status.as_u16();
    let Some(evidence) = evidence::read(answer) else {
        return Check::ok(check, format!("a signed delivery is accepted with {status}"));
    };
    let is_like_forged = forged.map(|forged| alike(answer, forged));
    let grade = match evidence.kind {
        Kind::Outcome(outcome) if outcome.is_acknowledged() => {
            return Check::ok(check, format!("a signed delivery is accepted with {status} ({outcome})"));
        }
        Kind::Refusal => return refused(answer, evidence, is_like_forged),
        Kind::Front | Kind::FalseSuccess | Kind::Outcome(Outcome::Disabled | Outcome::Misconfigured) => {
            Status::Bad
        }
        Kind::Failure if is_like_forged == Some(true) => {
            let message = format!("{status}: the endpoint fails on every delivery, also on a forged one");
            return Check::bad(check, "server_error", message, FAILS);
        }
        Kind::Outcome(_) | Kind::RateLimit | Kind::Failure => Status::Warn,
    };
    found(check, grade, answer, evidence)
}

/// Judges the refusal of a valid delivery.
fn refused(answer: &Answer, evidence: Evidence, is_like_forged: Option<bool>) -> Check {
    let check = "signed";
    let status = answer.status.as_u16();
    match (evidence.finding, is_like_forged) {
        (finding @ ("refused_type" | "refused_unexplained"), Some(false)) => Check::warn(
            check,
            "refused_type",
            format!(
                "{status}: the endpoint verifies the delivery and then rejects {}: a forged delivery gets a different response",
                if finding == "refused_type" { "its event type" } else { "it" }
            ),
            "acknowledge event types that nobody handles with 2xx; otherwise Svix retries them for 28 hours. If the \
             endpoint rejects something else, its log contains the reason",
        ),
        ("refused_type", _) => found(check, Status::Warn, answer, evidence),
        ("refused_headers", _) | (_, Some(false)) => found(check, Status::Bad, answer, evidence),
        (_, like) => Check::bad(
            check,
            "refused_signed",
            format!(
                "{status}: a signed delivery is rejected{}",
                if like.is_some() { ", with the same response as a forged delivery" } else { "" }
            ),
            "if clock and path are correct, the endpoint uses a different secret, or something before it rejects requests",
        ),
    }
}

/// Returns whether the response to a signed delivery shows that the delivery passed the verification that
/// rejected another request.
pub(super) fn is_past_verification(rejected: &Answer, signed: &Answer) -> bool {
    let kind = evidence::read(signed).map(|evidence| evidence.kind);
    matches!(kind, Some(Kind::Outcome(_) | Kind::Refusal | Kind::Failure)) && !alike(rejected, signed)
}

/// Returns whether the endpoint accepted a delivery.
pub(super) fn accepts(answer: &Answer) -> bool {
    let is_false = evidence::read(answer).is_some_and(|evidence| evidence.kind == Kind::FalseSuccess);
    answer.status.is_success() && !is_false
}

fn found(check: &'static str, status: Status, answer: &Answer, evidence: Evidence) -> Check {
    Check {
        check,
        status,
        finding: evidence.finding,
        message: format!("{}: {}", answer.status.as_u16(), evidence.says),
        advice: evidence.advice.map(Into::into),
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
    use super::*;

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
