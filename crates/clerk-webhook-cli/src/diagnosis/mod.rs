//! Finds out why verification fails. Causes are computed, never guessed.
//!
//! The diagnosis names a cause in two cases: the cause is a fact about the request (a missing header), or the
//! signature matches after the cause is undone (an added line break). A change that cannot be undone is
//! reported as unknown.

mod bodies;
mod budget;
mod cause;
mod facts;
mod finding;
mod headers;
mod json;
mod keys;
mod layouts;
mod search;
mod signatures;
#[cfg(test)]
mod tests;
mod timestamps;
mod wrappings;

use std::collections::HashSet;
use std::time::Duration;

use clerk_webhook_core::event::UnrecognizedReason;
use clerk_webhook_core::{Event, EventData, MessageId, SigningSecret, Timestamp, Verified, Verifier};

use crate::capture::Capture;

use bodies::Bodies;
use budget::{Budget, Limits, MAX_WRAPPED};
use finding::Finding;
use headers::Headers;
use search::{Match, Search};

pub(crate) use cause::Cause;
pub(crate) use finding::duration;

/// The default tolerance for a delivery's timestamp.
pub(crate) const TOLERANCE: Duration = Verifier::DEFAULT_TOLERANCE;

/// The default body limit of a receiver, in bytes.
const BODY_LIMIT: usize = Verifier::DEFAULT_BODY_LIMIT;

/// The result of judging a delivery.
#[derive(Clone, Debug)]
pub(crate) enum CaptureVerdict {
    /// A secret matches the signature, and the timestamp is within the tolerance.
    Authentic(Authentic),
    /// The delivery is not authentic.
    Refused(Diagnosis),
}

/// An authentic delivery.
#[derive(Clone, Debug)]
pub(crate) struct Authentic {
    pub(crate) message_id: MessageId,
    /// The time at which this attempt was signed, according to its header.
    pub(crate) attempted_at: Timestamp,
    /// The age of the signature in seconds; negative if its timestamp is in the future.
    pub(crate) age_seconds: i64,
    /// The index of the secret that matched, counted from 0.
    pub(crate) secret_index: usize,
    /// The event, if the body is one.
    pub(crate) event: Option<Event>,
    /// Problems that do not affect verification.
    pub(crate) warnings: Vec<String>,
}

/// The reason why a delivery is not authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) cause: Cause,
    /// The problem, as one clause without a payload, secret or signature.
    pub(crate) detail: String,
    /// What to do next, in complete sentences.
    pub(crate) advice: String,
    /// Further problems and observations.
    pub(crate) notes: Vec<String>,
}

/// The clock and tolerance that a delivery is judged with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) now: Timestamp,
    /// The maximum difference between the timestamp and `now`; `None` accepts any age.
    pub(crate) tolerance: Option<Duration>,
}

/// Judges a delivery that has just been received, for a caller that also serves other requests.
///
/// This function blocks. An authentic delivery takes microseconds. The search for a cause usually takes a few
/// milliseconds, and at most about 30 ms.
pub(crate) fn diagnose(capture: &Capture, secrets: &[SigningSecret], now: Timestamp) -> CaptureVerdict {
    judged(Limits::BRIEF, Terms { now, tolerance: Some(TOLERANCE) }, capture, secrets)
}

/// Judges a delivery under these terms, for a caller with nothing else to do.
///
/// This function blocks. It searches further than [`diagnose`]: if nothing matches, the search takes about
/// 40 ms for a body of usual size, and at most about half a second.
pub(crate) fn diagnose_under(terms: Terms, capture: &Capture, secrets: &[SigningSecret]) -> CaptureVerdict {
    judged(Limits::THOROUGH, terms, capture, secrets)
}

fn judged(limits: Limits, terms: Terms, capture: &Capture, secrets: &[SigningSecret]) -> CaptureVerdict {
    let now = terms.now;
    let builder =
        Verifier::builder().secrets(secrets.iter().cloned()).clock(move || now).body_limit(usize::MAX);
    let builder = match terms.tolerance {
        Some(tolerance) => builder.tolerance(tolerance),
        None => builder.dangerous_accept_any_age(),
    };
    let error = match builder.build() {
        Ok(verifier) => match verifier.verify(&capture.headers, &capture.body) {
            Ok(verified) => return CaptureVerdict::Authentic(authentic(terms, capture, &verified)),
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    CaptureVerdict::Refused(refused(limits, terms, capture, secrets, error))
}

fn authentic(terms: Terms, capture: &Capture, verified: &Verified) -> Authentic {
    let (message_id, attempted_at) = (verified.message_id().clone(), verified.attempted_at());
    let age_seconds = terms.now.as_secs().saturating_sub(attempted_at.as_secs());
    let event = Event::from_trusted(message_id.clone(), attempted_at, capture.body.clone());
    let mut warnings = Vec::new();
    match &event {
        Err(error) => warnings.push(format!("{error}: a receiver responds with 400")),
        Ok(event) => {
            if let EventData::Unrecognized(data) = event.data() {
                warnings.push(match data.reason() {
                    UnrecognizedReason::UnknownType => data.reason().to_string(),
                    reason => format!("the data could not be decoded: {reason}"),
                });
            }
        }
    }
    if terms.tolerance.is_none() && age_seconds.unsigned_abs() > TOLERANCE.as_secs() {
        let when = if age_seconds < 0 { "in the future" } else { "in the past" };
        let skew = duration(age_seconds.unsigned_abs());
        warnings
            .push(format!("the age was not checked: signed {skew} {when}, but a receiver allows only 5 min"));
    }
    if capture.body.len() > BODY_LIMIT {
        warnings.push(format!(
            "the body has {} bytes, but a receiver accepts at most {BODY_LIMIT} by default",
            capture.body.len()
        ));
    }
    let headers = headers::read(capture);
    let is_asymmetric = |token: &signatures::Token| token.form == signatures::Form::Asymmetric;
    if headers.attempts.iter().any(|attempt| attempt.tokens.iter().any(is_asymmetric)) {
        warnings.push("v1a signatures (Ed25519) were ignored".to_owned());
    }
    if headers.stray {
        warnings.push("webhook-* headers were ignored because svix-* headers exist".to_owned());
    }
    Authentic {
        message_id,
        attempted_at,
        age_seconds,
        secret_index: verified.secret_index(),
        event: event.ok(),
        warnings,
    }
}

/// Searches for the cause of a failed verification; `error` is the verifier's message.
fn refused(
    limits: Limits,
    terms: Terms,
    capture: &Capture,
    secrets: &[SigningSecret],
    error: String,
) -> Diagnosis {
    let headers = headers::read(capture);
    let mut budget = Budget::new(limits);
    if headers.attempts.is_empty() {
        return unexplained(terms, capture, &headers, 0, &budget);
    }
    let unwrapped = wrappings::all(capture, &mut budget);
    let bodies = Bodies::of(&unwrapped, &mut budget);
    let mut search = Search::new(&headers.attempts, secrets, &bodies, &mut budget);
    match search.run() {
        Some(found) => explained(terms, &headers, found, secrets.len(), error),
        None => {
            let tried = search.tried;
            unexplained(terms, capture, &headers, tried, &budget)
        }
    }
}

/// Builds the diagnosis from the findings of a match. If they are corrected, the signature is valid.
fn explained(terms: Terms, headers: &Headers, found: Match, secrets: usize, error: String) -> Diagnosis {
    let mut findings = headers.findings.clone();
    findings.extend(found.findings);
    let mut seen = HashSet::new();
    findings.retain(|finding| seen.insert(finding.fact.clone()));
    let age = found.seconds.and_then(|seconds| age(terms, headers, seconds));
    let mut notes: Vec<String> = findings.iter().skip(1).map(|finding| sentence(&finding.fact)).collect();
    let (cause, detail) = match (findings.first(), age) {
        (Some(first), age) => {
            let several = findings.len() > 1;
            let how = if several { "" } else { "; if this is corrected, the signature is valid" };
            notes.extend(several.then(|| "If all of this is corrected, the signature is valid".to_owned()));
            notes.extend(age.map(|age| sentence(&age.fact)));
            (first.cause, format!("{}{how}", first.fact))
        }
        (None, Some(age)) => (age.cause, format!("{}; the signature itself is valid", age.fact)),
        // The search found no problem, but the verifier rejects the delivery, for example because its list
        // contains a thousand signatures.
        (None, None) => (Cause::MalformedHeader, error),
    };
    if secrets > 1 {
        notes.push(format!("Secret {} of {secrets} matches", found.secret_index + 1));
    }
    Diagnosis { cause, detail, advice: cause.advice().to_owned(), notes }
}

/// Builds the diagnosis if no change makes the signature match.
fn unexplained(
    terms: Terms,
    capture: &Capture,
    headers: &Headers,
    tried: usize,
    budget: &Budget,
) -> Diagnosis {
    let mut findings = headers.findings.clone();
    let mut notes = Vec::new();
    let first = headers.attempts.first();
    let is_flawless = |attempt: &headers::Attempt| attempt.tokens.iter().any(|token| token.flaws.is_empty());
    if let Some(attempt) = first
        && !headers.attempts.iter().any(is_flawless)
    {
        findings.extend(attempt.unreadable());
    }
    if findings.is_empty() {
        findings.extend(facts::of_body(capture));
    }
    let age = first.and_then(|attempt| age(terms, headers, attempt.seconds?));
    let (cause, detail) = match findings.first() {
        Some(finding) => {
            notes.extend(findings.iter().skip(1).map(|finding| sentence(&finding.fact)));
            let left = "Even if this is corrected, no signature matches after any known change";
            notes.extend(
                (!headers.attempts.is_empty() && facts::can_be_undone(finding.cause))
                    .then(|| left.to_owned()),
            );
            (finding.cause, finding.fact.clone())
        }
        None => {
            let none = match headers.left_out.as_slice() {
                [] => "no signature matches",
                _ => "none of the checked signatures matches",
            };
            let detail = format!("{none}, even after undoing any of {tried} common mistakes and changes");
            notes.push(
                "Remaining causes: the secret belongs to another endpoint or to the other instance; the id, timestamp or \
                 signature belongs to another attempt; or a change that cannot be undone was made"
                    .to_owned(),
            );
            (Cause::NothingFits, detail)
        }
    };
    notes.extend(headers.left_out.iter().cloned());
    notes.extend(facts::hints(capture, first));
    if budget.left_wrapped {
        notes.push(format!(
            "The body has {} bytes, so it was not unwrapped: the limit is {MAX_WRAPPED} bytes",
            capture.body.len()
        ));
    }
    if budget.cut_short {
        notes.push(
            "Not all combinations of changes were tried, because that would take too long for this body"
                .to_owned(),
        );
    }
    notes.extend(age.map(|age| sentence(&age.fact)));
    Diagnosis { cause, detail, advice: cause.advice().to_owned(), notes }
}

/// Returns a finding if the timestamp is outside the tolerance.
fn age(terms: Terms, headers: &Headers, seconds: i64) -> Option<Finding> {
    let tolerance = terms.tolerance?.as_secs();
    let skew = seconds.saturating_sub(terms.now.as_secs());
    if skew.unsigned_abs() <= tolerance {
        return None;
    }
    let (cause, when) =
        if skew < 0 { (Cause::TimestampTooOld, "past") } else { (Cause::TimestampTooNew, "future") };
    let header = headers.attempts.first().map_or("svix-timestamp", |attempt| attempt.timestamp_header);
    let (skew, allowed) = (duration(skew.unsigned_abs()), duration(tolerance));
    Some(Finding::new(cause, format!("{header} is {skew} in the {when}, but the tolerance is {allowed}")))
}

/// Capitalizes a clause so that it can be shown as a sentence.
fn sentence(clause: &str) -> String {
    let mut characters = clause.chars();
    match characters.next() {
        // Header names stay in lower case.
        Some(first) if !clause.starts_with("svix-") && !clause.starts_with("webhook-") => {
            first.to_uppercase().chain(characters).collect()
        }
        _ => clause.to_owned(),
    }
}
