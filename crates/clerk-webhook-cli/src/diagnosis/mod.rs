//! Finds out why verification fails. Causes are computed, never guessed.
//!
//! The diagnosis names a cause in two cases: the cause is a fact about the request (a missing header), or the
//! signature matches after the cause is undone (an added line break). All other failures are unknown, and the
//! secret is not blamed for them. The causes are those that people have reported, the likeliest first:
//! `headers`, `signatures` and `timestamps` read malformed headers, `signing` lists wrong keys and wrong signed
//! texts, and `changes` lists changes of the body. At most two changes are undone together.

mod cause;
mod changes;
mod facts;
mod headers;
mod search;
mod signatures;
mod signing;
#[cfg(test)]
mod tests;
mod timestamps;

use std::collections::HashSet;
use std::time::Duration;

use clerk_webhook_core::{MessageId, SigningSecret, Timestamp, Verifier};

use crate::capture::Capture;
use crate::text;

use cause::Finding;
use changes::{MAX_BODIES, MAX_BODY};
use headers::{Attempt, Headers};
use search::{MAX_MACS, Match, Search};
use signatures::Token;

pub(crate) use cause::Cause;

/// The default tolerance for a delivery's timestamp.
pub(crate) const TOLERANCE: Duration = Verifier::DEFAULT_TOLERANCE;

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
}

/// The reason why a delivery is not authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    pub(crate) cause: Cause,
    /// The problem, as one clause without a payload, secret or signature.
    pub(crate) detail: String,
    /// What to do about all problems, in complete sentences.
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

/// Judges a delivery that has just been received, with the default tolerance.
pub(crate) fn diagnose(capture: &Capture, secrets: &[SigningSecret], now: Timestamp) -> CaptureVerdict {
    diagnose_under(Terms { now, tolerance: Some(TOLERANCE) }, capture, secrets)
}

/// Judges a delivery under these terms.
///
/// This function blocks. The search for a cause takes a few milliseconds for a body of usual size. `MAX_BODY`
/// and `MAX_MACS` bound its work for any input.
pub(crate) fn diagnose_under(terms: Terms, capture: &Capture, secrets: &[SigningSecret]) -> CaptureVerdict {
    let now = terms.now;
    let builder =
        Verifier::builder().secrets(secrets.iter().cloned()).clock(move || now).body_limit(usize::MAX);
    let builder = match terms.tolerance {
        Some(tolerance) => builder.tolerance(tolerance),
        None => builder.dangerous_accept_any_age(),
    };
    let verified = builder.build().map_err(|error| error.to_string()).and_then(|verifier| {
        verifier.verify(&capture.headers, &capture.body).map_err(|error| error.to_string())
    });
    match verified {
        Ok(verified) => CaptureVerdict::Authentic(Authentic {
            message_id: verified.message_id().clone(),
            attempted_at: verified.attempted_at(),
            age_seconds: now.as_secs().saturating_sub(verified.attempted_at().as_secs()),
            secret_index: verified.secret_index(),
        }),
        Err(error) => CaptureVerdict::Refused(refused(terms, capture, secrets, error)),
    }
}

/// Returns whether the headers contain a time, so that the age can be checked.
pub(crate) fn has_time(capture: &Capture) -> bool {
    headers::read(capture).attempts.first().is_some_and(|attempt| attempt.seconds.is_some())
}

/// Searches for the cause of a failed verification; `error` is the verifier's message.
fn refused(terms: Terms, capture: &Capture, secrets: &[SigningSecret], error: String) -> Diagnosis {
    let headers = headers::read(capture);
    // Even without changes, each interpretation of the headers hashes the complete body.
    let attempts = if capture.body.len() > MAX_BODY { headers.attempts.get(..1) } else { None };
    let mut search = Search::new(attempts.unwrap_or(&headers.attempts), secrets);
    let bodies = changes::undone(capture);
    match search.run(&bodies) {
        Some(found) => explained(terms, found, secrets.len(), error),
        None => {
            let is_cut_short = search.macs == MAX_MACS || bodies.len() == MAX_BODIES;
            unexplained(terms, capture, &headers, is_cut_short)
        }
    }
}

/// Builds the diagnosis from the findings of a match. If they are corrected, the signature is valid.
fn explained(terms: Terms, found: Match<'_>, secrets: usize, error: String) -> Diagnosis {
    let Match { mut findings, attempt, secret_index } = found;
    let proof = match findings.len() {
        0 => "; the signature itself is valid",
        1 => "; if this is corrected, the signature is valid",
        _ => "; if all of this is corrected, the signature is valid",
    };
    findings.extend(attempt.seconds.and_then(|seconds| age(terms, attempt, seconds)));
    if findings.is_empty() {
        // The verifier is stricter than the search, for example about the number of signatures.
        findings.push(Finding::new(Cause::MalformedHeader, error));
    }
    let note = (secrets > 1).then(|| format!("Secret {} of {secrets} matches", secret_index + 1));
    diagnosis(&findings, proof, Vec::from_iter(note))
}

/// Builds the diagnosis if no change makes the signature match.
fn unexplained(terms: Terms, capture: &Capture, headers: &Headers, is_cut_short: bool) -> Diagnosis {
    let mut findings = headers.findings.clone();
    let mut notes = Vec::new();
    let attempt = headers.attempts.first();
    if let Some(attempt) = attempt {
        findings.extend(attempt.findings.iter().cloned());
        let tokens = || headers.attempts.iter().flat_map(|attempt| &attempt.tokens);
        if tokens().all(|token| !token.flaws.is_empty()) {
            // A list can contain Ed25519 signatures beside the malformed one.
            let is_shared =
                |token: &&Token| token.flaws.iter().all(|flaw| flaw.cause != Cause::OnlyAsymmetricSignatures);
            let told = tokens().find(is_shared).or_else(|| tokens().next());
            findings.extend(told.iter().flat_map(|token| &token.flaws).cloned());
        }
        if !findings.is_empty() && tokens().any(|token| token.mac.is_some()) {
            notes.push("Even if the headers are corrected, no signature matches".to_owned());
        }
        findings.extend(facts::of_body(capture));
        notes.extend(facts::hints(capture));
    }
    if findings.is_empty() {
        let fact = "unknown: no signature matches, and no known change of the request explains why";
        findings.push(Finding::new(Cause::NothingFits, fact));
        let ruled_out = "Ruled out: other notations of the headers; common mistakes in the key and the signed text; changed line \
                         breaks and white space; encodings and wrappers of the body; JSON that was serialized again";
        notes.extend((capture.body.len() <= MAX_BODY && !is_cut_short).then(|| ruled_out.to_owned()));
    }
    findings.extend(attempt.and_then(|attempt| age(terms, attempt, attempt.seconds?)));
    if attempt.is_none() {
        // Without headers, nothing was tried.
    } else if capture.body.len() > MAX_BODY {
        notes.push(format!(
            "The body is larger than {MAX_BODY} bytes, so changes of the body were not searched"
        ));
    } else if is_cut_short {
        notes.push("The search ended before it tried all combinations".to_owned());
    }
    diagnosis(&findings, "", notes)
}

/// Builds a diagnosis with the first finding as its cause, and advice on all findings.
fn diagnosis(findings: &[Finding], proof: &str, more: Vec<String>) -> Diagnosis {
    let mut advice: Vec<&str> = findings.iter().map(|finding| finding.cause.advice()).collect();
    let mut notes: Vec<String> =
        findings.iter().skip(1).map(|finding| sentence(&finding.fact)).chain(more).collect();
    let mut seen = HashSet::new();
    advice.retain(|text| seen.insert((*text).to_owned()));
    notes.retain(|note| seen.insert(note.clone()));
    let (cause, fact) = findings.first().map_or((Cause::NothingFits, ""), |main| (main.cause, &main.fact));
    Diagnosis { cause, detail: format!("{fact}{proof}"), advice: advice.join(" "), notes }
}

/// Returns a finding if the timestamp is outside the tolerance.
fn age(terms: Terms, attempt: &Attempt, seconds: i64) -> Option<Finding> {
    let tolerance = terms.tolerance?;
    let skew = seconds.saturating_sub(terms.now.as_secs());
    let distance = Duration::from_secs(skew.unsigned_abs());
    let (cause, when) =
        if skew < 0 { (Cause::TimestampTooOld, "past") } else { (Cause::TimestampTooNew, "future") };
    let (shown, allowed) = (text::time(distance), text::time(tolerance));
    let fact =
        format!("{} is {shown} in the {when}, but the tolerance is {allowed}", attempt.timestamp_header);
    (distance > tolerance).then(|| Finding::new(cause, fact))
}

/// Capitalizes a clause so that it can be shown as a sentence. Header names stay in lower case.
fn sentence(clause: &str) -> String {
    let mut characters = clause.chars();
    match characters.next() {
        Some(first) if !clause.starts_with("svix-") && !clause.starts_with("webhook-") => {
            first.to_uppercase().chain(characters).collect()
        }
        _ => clause.to_owned(),
    }
}
