//! Judges the responses to the probes.

use clerk_webhook_core::{Answer as OwnAnswer, Outcome};

use super::check::{Check, Signed, Status};
use crate::output::printable;
use crate::send::client::{Answer, SendError, SendErrorKind};
use crate::send::evidence::{self, Evidence, Kind, alike};

/// The advice if the endpoint fails on requests that it must reject.
const FAILS: &str =
    "see its log; common causes are a missing secret, and code that expects the signature headers to exist";

/// The advice if the endpoint accepts a request without accepting its content.
const RESPOND_WITH_400: &str = "respond with 400 to requests that do not verify: Svix counts 2xx as delivered and never sends the event again";

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
    advice: "verify the signature before any other processing, and respond with 400 if it does not match: without \
             verification, anyone who knows the URL can send events",
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
pub(super) fn unsigned(result: Result<'_>, signed: Signed<'_>) -> Check {
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
        _ if answer.status.is_client_error() && signed.answer().is_some_and(accepts) => {
            ok(", and a signed delivery is accepted")
        }
        _ if answer.status.is_client_error()
            && signed.answer().is_some_and(|signed| is_past_verification(answer, signed)) =>
        {
            ok(", and a signed delivery gets a different response")
        }
        (kind @ (Kind::Failure | Kind::Refusal), _) if status >= 500 => Check::bad(
            check,
            "server_error",
            format!("{status}: the endpoint fails instead of rejecting the request"),
            if kind == Kind::Failure {
                FAILS
            } else {
                "respond with 400 if the verification fails: it fails with an error"
            },
        ),
        (Kind::Refusal, "not_verified") => ok(", as clerk-webhook does"),
        (Kind::Refusal, "refused_headers" | "refused_signature") => ok(""),
        (Kind::Refusal, _) => match status {
            400 | 422 => ok(""),
            401 | 403 => Check::warn(
                check,
                "perhaps_auth",
                format!(
                    "rejected with {status}, by the endpoint or by authentication or CSRF protection before it"
                ),
                match signed {
                    Signed::Answered(_) => {
                        "exempt this path from authentication, and compare the secret: a signed delivery is not accepted either"
                    }
                    Signed::Unanswered => {
                        "exempt this path from authentication, and see the endpoint's log: a signed delivery gets no response"
                    }
                    Signed::NotSent => {
                        "run again with --send and the endpoint's secret: if a signed delivery is accepted, the endpoint \
                         itself sent this response"
                    }
                },
            ),
            _ => Check::warn(
                check,
                "unusual",
                format!("rejected with {status}, which is unusual: {}", printable(&answer.body, 60)),
                "respond with 400, and check that the endpoint itself sends this response",
            ),
        },
        _ => found(check, Status::Bad, answer, evidence),
    }
}

/// Judges the response to a delivery that the endpoint must reject.
pub(super) fn forbidden(of: &Forbidden, result: Result<'_>, signed: Signed<'_>) -> Check {
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
fn acknowledged(of: &Forbidden, answer: &Answer, signed: Signed<'_>) -> Check {
    if let Some(evidence) = evidence::read(answer)
        && evidence.kind == Kind::FalseSuccess
    {
        return found(of.check, Status::Bad, answer, evidence);
    }
    let status = answer.status.as_u16();
    let what = of.what;
    let (finding, says, advice) = match signed {
        Signed::Answered(signed) if !accepts(signed) => (
            "acknowledged",
            format!(
                "{what} gets 2xx, but a signed delivery is not accepted ({}), so it is unknown whether the endpoint verifies",
                signed.status.as_u16()
            ),
            "first find out why the endpoint does not accept a signed delivery, and then run again",
        ),
        Signed::Answered(signed) => match alike(answer, signed) {
            Some(true) => (
                of.finding,
                format!(
                    "DANGER: the response to {what} is the same as to a signed delivery, so nothing shows that the endpoint rejects it"
                ),
                of.advice,
            ),
            Some(false) => (
                "acknowledged",
                format!("{what} gets 2xx, but a signed delivery gets a different response"),
                RESPOND_WITH_400,
            ),
            None => (
                "acknowledged",
                format!(
                    "{what} gets 2xx, and the response differs from that to a signed delivery only in numbers or codes, so it is \
                     unknown whether the endpoint verifies"
                ),
                RESPOND_WITH_400,
            ),
        },
        Signed::NotSent | Signed::Unanswered => (
            "acknowledged",
            format!("{what} gets 2xx, so the endpoint accepts it, or rejects it with a wrong status"),
            if let Signed::NotSent = signed {
                "respond with 400 to requests that do not verify. To find out whether the endpoint verifies, run again with \
                 --send and the endpoint's secret"
            } else {
                "respond with 400 to requests that do not verify. Whether the endpoint verifies is unknown, because a signed \
                 delivery gets no response"
            },
        ),
    };
    Check::bad(of.check, finding, format!("{status}: {says}"), advice)
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
    let forged = forged.filter(|forged| {
        let kind = evidence::read(forged).map(|evidence| evidence.kind);
        !matches!(kind, None | Some(Kind::Front | Kind::RateLimit))
    });
    let like = forged.and_then(|forged| alike(answer, forged));
    let differing = forged.filter(|_| like == Some(false));
    match (evidence.kind, differing) {
        (Kind::Outcome(outcome), _) if outcome.is_acknowledged() => {
            Check::ok(check, format!("a signed delivery is accepted with {status} ({outcome})"))
        }
        (Kind::Refusal, _) => refused(answer, evidence, like),
        (Kind::Front, Some(forged)) => Check::bad(
            check,
            evidence.finding,
            format!(
                "{status}: {}, but only for a signed delivery: a forged one gets {}",
                evidence.says,
                forged.status.as_u16()
            ),
            "see the endpoint's log, and check what runs after the verification",
        ),
        (Kind::Failure, _) if like == Some(true) => {
            let message = format!("{status}: the endpoint fails on every delivery, also on a forged one");
            Check::bad(check, "server_error", message, FAILS)
        }
        (Kind::Front | Kind::FalseSuccess | Kind::Outcome(Outcome::Disabled | Outcome::Misconfigured), _) => {
            found(check, Status::Bad, answer, evidence)
        }
        (Kind::Outcome(_) | Kind::RateLimit | Kind::Failure, _) => {
            found(check, Status::Warn, answer, evidence)
        }
    }
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
        (finding, Some(false)) => Check::bad(
            check,
            finding,
            format!("{status}: {}, but a forged delivery gets a different response", evidence.says),
            "see the endpoint's log, compare the clocks, and check what the endpoint requires in addition to the signature",
        ),
        ("refused_type", _) => found(check, Status::Warn, answer, evidence),
        ("refused_headers", _) => found(check, Status::Bad, answer, evidence),
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
    matches!(kind, Some(Kind::Outcome(_) | Kind::Refusal | Kind::Failure))
        && alike(rejected, signed) == Some(false)
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
