//! Why verification fails: computed, never guessed.
//!
//! A cause is named where it is a fact of the request (a header that is missing), or where the signature really matches once
//! it is undone (a line break that was added). What cannot be undone is said to be unknown.

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

/// How old a delivery may be unless something else is said.
pub(crate) const TOLERANCE: Duration = Verifier::DEFAULT_TOLERANCE;

/// The most bytes that a receiver takes unless it is told otherwise.
const BODY_LIMIT: usize = Verifier::DEFAULT_BODY_LIMIT;

/// What a delivery is.
#[derive(Clone, Debug)]
pub(crate) enum CaptureVerdict {
    /// One of the secrets signed it, in these very bytes and lately.
    Authentic(Authentic),
    /// It is not, and why.
    Refused(Diagnosis),
}

/// A delivery that is authentic.
#[derive(Clone, Debug)]
pub(crate) struct Authentic {
    pub(crate) message_id: MessageId,
    /// When this attempt was signed, by its header.
    pub(crate) attempted_at: Timestamp,
    /// How long ago that was; negative where it lies in the future.
    pub(crate) age_seconds: i64,
    /// Which of the secrets matched, counted from 0.
    pub(crate) secret_index: usize,
    /// What it says, where the body is an event.
    pub(crate) event: Option<Event>,
    /// What is odd about it all the same.
    pub(crate) warnings: Vec<String>,
}

/// Why a delivery is not authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) cause: Cause,
    /// What was found, in one sentence without a payload, a secret or a signature.
    pub(crate) detail: String,
    /// What to do next, in one sentence.
    pub(crate) advice: String,
    /// What else is wrong, or was found out.
    pub(crate) notes: Vec<String>,
}

/// Under which terms a delivery is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) now: Timestamp,
    /// How far its timestamp may lie from now; any age is right without it.
    pub(crate) tolerance: Option<Duration>,
}

/// Says whether a delivery that is received now is authentic, and if not, why, for a caller that serves others.
///
/// It blocks: what is authentic takes microseconds, the search for a cause some milliseconds, and some 30 milliseconds for
/// whatever makes it long.
pub(crate) fn diagnose(capture: &Capture, secrets: &[SigningSecret], now: Timestamp) -> CaptureVerdict {
    judged(Limits::BRIEF, Terms { now, tolerance: Some(TOLERANCE) }, capture, secrets)
}

/// Says whether a delivery is authentic under these terms, and if not, why, for a caller that waits for nothing else.
///
/// It blocks: the search goes further than that of [`diagnose`], and takes some 40 milliseconds for a body of usual size where
/// nothing fits, and up to half a second for whatever makes it long.
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
        Err(error) => warnings.push(format!("{error}: a receiver answers 400")),
        Ok(event) => {
            if let EventData::Unrecognized(data) = event.data() {
                warnings.push(match data.reason() {
                    UnrecognizedReason::UnknownType => data.reason().to_string(),
                    reason => format!("the data does not decode: {reason}"),
                });
            }
        }
    }
    if terms.tolerance.is_none() && age_seconds.unsigned_abs() > TOLERANCE.as_secs() {
        let when = if age_seconds < 0 { "in the future" } else { "in the past" };
        let skew = duration(age_seconds.unsigned_abs());
        warnings
            .push(format!("its age was left out: it was signed {skew} {when}, and a receiver allows 5 min"));
    }
    if capture.body.len() > BODY_LIMIT {
        warnings.push(format!(
            "the body has {} bytes, and a receiver takes {BODY_LIMIT} unless it is told otherwise",
            capture.body.len()
        ));
    }
    let headers = headers::read(capture);
    let is_asymmetric = |token: &signatures::Token| token.form == signatures::Form::Asymmetric;
    if headers.attempts.iter().any(|attempt| attempt.tokens.iter().any(is_asymmetric)) {
        warnings.push("v1a signatures (Ed25519) were passed over".to_owned());
    }
    if headers.stray {
        warnings.push("webhook-* headers were passed over, since svix-* are there".to_owned());
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

/// Searches for what is wrong; `error` says in what the verifier stumbled first.
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

/// Puts together what was found where the signature matches once it is undone.
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
            let how = if several { "" } else { "; once that is undone, the signature is valid" };
            notes.extend(several.then(|| "Once all of this is undone, the signature is valid".to_owned()));
            notes.extend(age.map(|age| sentence(&age.fact)));
            (first.cause, format!("{}{how}", first.fact))
        }
        (None, Some(age)) => (age.cause, format!("{}; the signature itself is valid", age.fact)),
        // Of what only the verifier minds, such as a list of a thousand signatures.
        (None, None) => (Cause::MalformedHeader, error),
    };
    if secrets > 1 {
        notes.push(format!("It is secret {} of {secrets} that matches", found.secret_index + 1));
    }
    Diagnosis { cause, detail, advice: cause.advice().to_owned(), notes }
}

/// Says what is known where nothing makes the signature match.
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
            let left = "Even without that no signature matches, whatever else is tried";
            notes.extend(
                (!headers.attempts.is_empty() && facts::can_be_undone(finding.cause))
                    .then(|| left.to_owned()),
            );
            (finding.cause, finding.fact.clone())
        }
        None => {
            let none = match headers.left_out.as_slice() {
                [] => "no signature matches",
                _ => "none of the signatures that were looked at matches",
            };
            let detail = format!("{none}, nor would one after any of {tried} usual mistakes and changes");
            notes.push(
                "What is left: the secret is that of another endpoint or of the other instance; id, timestamp or signature \
                 come from another attempt, and each attempt has its own; or something was changed that cannot be undone"
                    .to_owned(),
            );
            (Cause::NothingFits, detail)
        }
    };
    notes.extend(headers.left_out.iter().cloned());
    notes.extend(facts::hints(capture, first));
    if budget.left_wrapped {
        notes.push(format!(
            "The body has {} bytes, and what can be wrapped round a body is taken off up to {MAX_WRAPPED}",
            capture.body.len()
        ));
    }
    if budget.cut_short {
        notes.push(
            "Not all combinations of changes were tried, since that takes too long for such a body"
                .to_owned(),
        );
    }
    notes.extend(age.map(|age| sentence(&age.fact)));
    Diagnosis { cause, detail, advice: cause.advice().to_owned(), notes }
}

/// Says how far the timestamp lies from now, where that is too far.
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
    Some(Finding::new(cause, format!("{header} lies {skew} in the {when}, and {allowed} are allowed")))
}

/// Writes a clause as a sentence that stands by itself.
fn sentence(clause: &str) -> String {
    let mut characters = clause.chars();
    match characters.next() {
        // The names of headers are in lower case.
        Some(first) if !clause.starts_with("svix-") && !clause.starts_with("webhook-") => {
            first.to_uppercase().chain(characters).collect()
        }
        _ => clause.to_owned(),
    }
}
