//! Whether a delivery is authentic, and if not, why.

use std::error::Error as _;

use bytes::Bytes;
use clerk_webhook_core::{
    Answer, Event, MessageId, Outcome, ReceiveError, ReceiveErrorKind, SecretError, SigningSecret, Timestamp,
    Verifier,
};
use serde::Serialize;

use crate::capture::Capture;
use crate::diagnosis::{self, diagnose};

/// How large a body may be for a diagnosis, which computes thousands of signatures while others wait.
const MAX_DIAGNOSED: usize = 64 * 1024;

/// How far the origin of a delivery is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// Its signature is right.
    Authentic,
    /// There is no secret to look at its signature with.
    Unverified,
    /// It is not authentic, or no event.
    Refused,
}

/// What was found out about a delivery.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) origin: Origin,
    /// A word of the core's outcomes, or `unverified`.
    pub(super) outcome: &'static str,
    /// How the core answers it; none where it could not be verified.
    pub(super) answer: Option<Answer>,
    pub(super) event: Option<Event>,
    /// The diagnosis of a signature that does not match, as `verify` names it.
    pub(super) cause: Option<&'static str>,
    pub(super) reason: Option<String>,
    pub(super) advice: Option<String>,
}

/// Looks at deliveries with the secrets that there are, if any.
#[derive(Debug)]
pub(super) struct Judge {
    secrets: Vec<SigningSecret>,
    verifier: Option<Verifier>,
}

impl Judge {
    pub(super) fn new(secrets: Vec<SigningSecret>, body_limit: usize) -> Result<Self, SecretError> {
        let verifier = match secrets.as_slice() {
            [] => None,
            secrets => {
                Some(Verifier::builder().secrets(secrets.iter().cloned()).body_limit(body_limit).build()?)
            }
        };
        Ok(Self { secrets, verifier })
    }

    /// Returns the secrets, in the order in which a verdict counts them.
    pub(super) fn secrets(&self) -> &[SigningSecret] {
        &self.secrets
    }

    /// Says whether a request that has arrived whole is authentic, and if not, why: the only place that does.
    pub(super) fn judge(&self, capture: &Capture) -> Verdict {
        let Some(verifier) = &self.verifier else { return Verdict::unverified(capture) };
        match verifier.receive(&capture.headers, capture.body.clone()) {
            Ok(event) => Verdict {
                origin: Origin::Authentic,
                outcome: Outcome::Processed.as_str(),
                answer: Some(Outcome::Processed.into()),
                event: Some(event),
                cause: None,
                reason: None,
                advice: None,
            },
            Err(error) => Verdict::refused(&error).explained(&error, capture, &self.secrets),
        }
    }
}

impl Verdict {
    /// Of a delivery that is shown without being verified.
    fn unverified(capture: &Capture) -> Self {
        let id = ["svix-id", "webhook-id"].iter().find_map(|name| capture.text(name));
        let id: Option<MessageId> = id.or(Some("unknown")).and_then(|id| id.parse().ok());
        let event = id.map(|id| Event::from_trusted(id, Timestamp::now(), Bytes::clone(&capture.body)));
        match event {
            Some(Ok(event)) => Self {
                origin: Origin::Unverified,
                outcome: "unverified",
                answer: None,
                event: Some(event),
                cause: None,
                reason: Some("not verified: no signing secret was given".to_owned()),
                advice: Some(
                    "set CLERK_WEBHOOK_SIGNING_SECRET, or give --secret or --secret-file, and start again"
                        .to_owned(),
                ),
            },
            Some(Err(error)) => {
                Self { reason: Some(error.to_string()), ..Self::refused(&ReceiveError::from(error)) }
            }
            None => Self {
                origin: Origin::Refused,
                outcome: Outcome::Malformed.as_str(),
                answer: Some(Outcome::Malformed.into()),
                event: None,
                cause: None,
                reason: Some("the message id has characters or a length it cannot have".to_owned()),
                advice: None,
            },
        }
    }

    /// Of a delivery that was refused, before or after its body was there.
    pub(super) fn refused(error: &ReceiveError) -> Self {
        let answer = Answer::from(error);
        // What was wrong with the signature is all there is to say; that it was the signature says the outcome.
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Self {
            origin: Origin::Refused,
            outcome: answer.outcome().as_str(),
            answer: Some(answer),
            event: None,
            cause: None,
            reason: Some(reason),
            advice: advice(error.kind()).map(str::to_owned),
        }
    }

    /// Finds out why the signature does not match, where the body is no larger than Clerk's are.
    fn explained(self, error: &ReceiveError, capture: &Capture, secrets: &[SigningSecret]) -> Self {
        let of_signature = matches!(error.kind(), ReceiveErrorKind::Verify(_));
        if !of_signature || capture.body.len() > MAX_DIAGNOSED {
            return self;
        }
        match diagnose(capture, secrets, Timestamp::now()) {
            diagnosis::Verdict::Refused(found) => Self {
                cause: Some(found.cause.code()),
                reason: Some(found.detail),
                advice: Some(found.advice),
                ..self
            },
            // A second has passed since, and what lay in the future lies there no more.
            diagnosis::Verdict::Authentic(_) => self,
        }
    }
}

/// Returns what to do where there is no diagnosis.
fn advice(kind: ReceiveErrorKind) -> Option<&'static str> {
    match kind {
        ReceiveErrorKind::Verify(_) => Some(
            "`clerk-webhook verify` on a recording (--record) says what is wrong, however large the body is",
        ),
        ReceiveErrorKind::BodyTooLarge => Some("--max-body sets how large a body may be"),
        _ => None,
    }
}
