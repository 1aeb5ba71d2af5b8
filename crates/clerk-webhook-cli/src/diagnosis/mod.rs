//! Why verification fails: computed, never guessed.
//!
//! A cause is named where it is a fact of the request (a header that is missing), or where the signature really matches once
//! it is undone (a line break that was added). What cannot be undone is said to be unknown.

mod cause;

use std::time::Duration;

use clerk_webhook_core::{
    Event, EventData, MessageId, SigningSecret, Timestamp, Verifier, VerifyErrorKind,
    event::UnrecognizedReason,
};

use crate::capture::Capture;

pub(crate) use cause::Cause;

/// How old a delivery may be unless something else is said.
pub(crate) const TOLERANCE: Duration = Duration::from_secs(300);

/// What a delivery is.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
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

/// Says whether a delivery that is received now is authentic, and if not, why.
pub(crate) fn diagnose(capture: &Capture, secrets: &[SigningSecret], now: Timestamp) -> Verdict {
    diagnose_under(Terms { now, tolerance: Some(TOLERANCE) }, capture, secrets)
}

/// Says whether a delivery is authentic under these terms, and if not, why.
pub(crate) fn diagnose_under(terms: Terms, capture: &Capture, secrets: &[SigningSecret]) -> Verdict {
    let now = terms.now;
    let builder =
        Verifier::builder().secrets(secrets.iter().cloned()).clock(move || now).body_limit(usize::MAX);
    let builder = match terms.tolerance {
        Some(tolerance) => builder.tolerance(tolerance),
        None => builder.dangerous_accept_any_age(),
    };
    let verified = builder
        .build()
        .map_err(|_| None)
        .and_then(|verifier| verifier.verify(&capture.headers, &capture.body).map_err(|error| Some(error)));
    match verified {
        Ok(verified) => {
            let age_seconds = now.as_secs().saturating_sub(verified.attempted_at().as_secs());
            let (message_id, attempted_at) = (verified.message_id().clone(), verified.attempted_at());
            let event = Event::from_trusted(message_id.clone(), attempted_at, capture.body.clone());
            let mut warnings = Vec::new();
            match &event {
                Err(error) => warnings.push(error.to_string()),
                Ok(event) => {
                    if let EventData::Unrecognized(data) = event.data() {
                        warnings.push(match data.reason() {
                            UnrecognizedReason::UnknownType => data.reason().to_string(),
                            reason => format!("the data does not decode: {reason}"),
                        });
                    }
                }
            }
            Verdict::Authentic(Authentic {
                message_id,
                attempted_at,
                age_seconds,
                secret_index: verified.secret_index(),
                event: event.ok(),
                warnings,
            })
        }
        Err(error) => {
            let cause = match error.as_ref().map(|error| error.kind()) {
                Some(VerifyErrorKind::MissingHeader) => Cause::MissingHeader,
                Some(VerifyErrorKind::DuplicateHeader) => Cause::RepeatedHeader,
                Some(VerifyErrorKind::InvalidHeader) => Cause::MalformedHeader,
                Some(VerifyErrorKind::InvalidTimestamp) => Cause::MalformedTimestamp,
                Some(VerifyErrorKind::TimestampTooOld) => Cause::TimestampTooOld,
                Some(VerifyErrorKind::TimestampTooNew) => Cause::TimestampTooNew,
                _ => Cause::NothingFits,
            };
            Verdict::Refused(Diagnosis {
                cause,
                detail: error.map_or_else(|| "there is no secret".to_owned(), |error| error.to_string()),
                advice: cause.advice().to_owned(),
                notes: Vec::new(),
            })
        }
    }
}
