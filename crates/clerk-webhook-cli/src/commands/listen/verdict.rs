//! Whether a delivery is authentic, and if not, why.

use std::error::Error as _;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{
    Answer, Event, MessageId, Outcome, ReceiveError, ReceiveErrorKind, SecretError, SigningSecret, Timestamp,
    Verifier,
};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::capture::Capture;
use crate::diagnosis::{self, diagnose};

/// How large a body may be for a diagnosis, which computes thousands of signatures.
const MAX_DIAGNOSED: usize = 64 * 1024;

/// How long a delivery is not shown for the sake of its diagnosis.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(3);

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

impl Origin {
    /// Returns the word for it in recordings.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Authentic => "authentic",
            Self::Unverified => "unverified",
            Self::Refused => "refused",
        }
    }
}

/// What was found out about a delivery.
#[derive(Debug)]
pub(super) struct DeliveryVerdict {
    pub(super) origin: Origin,
    /// A word of the core's outcomes, or `unverified`.
    pub(super) outcome: &'static str,
    /// How the core answers it; none where it could not be verified.
    pub(super) answer: Option<Answer>,
    pub(super) event: Option<Event>,
    pub(super) reason: Option<String>,
    pub(super) advice: Option<String>,
    /// Whether a diagnosis would say more.
    pub(super) is_unexplained: bool,
}

/// Looks at deliveries with the secrets that there are, if any.
#[derive(Debug)]
pub(super) struct Judge {
    secrets: Vec<SigningSecret>,
    verifier: Option<Verifier>,
    diagnoses: Arc<Semaphore>,
}

/// The permit for the only diagnosis at a time: anybody can send deliveries, and they must not occupy more than one core.
pub(super) type DiagnosisPermit = OwnedSemaphorePermit;

/// The diagnosis of a signature that does not match, as `verify` names it.
#[derive(Debug)]
pub(super) struct Diagnosis {
    pub(super) cause: &'static str,
    pub(super) reason: String,
    pub(super) advice: String,
}

impl Judge {
    pub(super) fn new(secrets: Vec<SigningSecret>, body_limit: usize) -> Result<Self, SecretError> {
        let verifier = match secrets.as_slice() {
            [] => None,
            secrets => {
                Some(Verifier::builder().secrets(secrets.iter().cloned()).body_limit(body_limit).build()?)
            }
        };
        Ok(Self { secrets, verifier, diagnoses: Arc::new(Semaphore::new(1)) })
    }

    /// Returns the secrets, in the order in which a verdict counts them.
    pub(super) fn secrets(&self) -> &[SigningSecret] {
        &self.secrets
    }

    /// Says whether a request that has arrived whole is authentic: the only place that does.
    pub(super) fn judge(&self, capture: &Capture) -> DeliveryVerdict {
        let Some(verifier) = &self.verifier else { return DeliveryVerdict::unverified(capture) };
        match verifier.receive(&capture.headers, capture.body.clone()) {
            Ok(event) => DeliveryVerdict {
                origin: Origin::Authentic,
                outcome: Outcome::Processed.as_str(),
                answer: Some(Outcome::Processed.into()),
                event: Some(event),
                reason: None,
                advice: None,
                is_unexplained: false,
            },
            Err(error) => DeliveryVerdict {
                is_unexplained: matches!(error.kind(), ReceiveErrorKind::Verify(_))
                    && capture.body.len() <= MAX_DIAGNOSED,
                ..DeliveryVerdict::refused(&error)
            },
        }
    }

    /// Returns the permit for a diagnosis, unless another diagnosis runs.
    pub(super) fn diagnosis_permit(&self) -> Option<DiagnosisPermit> {
        Arc::clone(&self.diagnoses).try_acquire_owned().ok()
    }

    /// Finds out why a signature does not match, on a thread of its own, and returns the permit with the result.
    ///
    /// Returns `None` if that takes too long; the next permit is free when the thread has ended nevertheless.
    pub(super) async fn diagnose(
        &self,
        capture: &Capture,
        permit: DiagnosisPermit,
    ) -> Option<(Diagnosis, DiagnosisPermit)> {
        let (capture, secrets) = (capture.clone(), self.secrets.clone());
        on_its_own_thread(permit, move || Diagnosis::of(&capture, &secrets)).await
    }
}

/// Runs what computes for long where nothing waits for it, not even the end of the command.
async fn on_its_own_thread<T: Send + 'static>(
    permit: DiagnosisPermit,
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<(T, DiagnosisPermit)> {
    let (sender, found) = oneshot::channel();
    let work = move || {
        // If nobody waits any more, the permit is dropped here.
        let _ = sender.send(work().map(|found| (found, permit)));
    };
    thread::Builder::new().name("diagnosis".to_owned()).spawn(work).ok()?;
    tokio::time::timeout(DIAGNOSIS_TIMEOUT, found).await.ok()?.ok()?
}

impl Diagnosis {
    fn of(capture: &Capture, secrets: &[SigningSecret]) -> Option<Self> {
        match diagnose(capture, secrets, Timestamp::now()) {
            diagnosis::CaptureVerdict::Refused(found) => {
                Some(Self { cause: found.cause.code(), reason: found.detail, advice: found.advice })
            }
            // A second has passed since, and what lay in the future lies there no more.
            diagnosis::CaptureVerdict::Authentic(_) => None,
        }
    }
}

impl DeliveryVerdict {
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
                reason: Some("not verified: no signing secret was given".to_owned()),
                advice: Some(
                    "set CLERK_WEBHOOK_SIGNING_SECRET, or give --secret or --secret-file, and start again"
                        .to_owned(),
                ),
                is_unexplained: false,
            },
            Some(Err(error)) => {
                Self { reason: Some(error.to_string()), ..Self::refused(&ReceiveError::from(error)) }
            }
            None => Self {
                origin: Origin::Refused,
                outcome: Outcome::Malformed.as_str(),
                answer: Some(Outcome::Malformed.into()),
                event: None,
                reason: Some("the message id has characters or a length it cannot have".to_owned()),
                advice: None,
                is_unexplained: false,
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
            reason: Some(reason),
            advice: advice(error.kind()).map(str::to_owned),
            is_unexplained: false,
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn there_is_one_diagnosis_at_a_time() {
        let judge = Judge::new(Vec::new(), 1).unwrap();
        let permit = judge.diagnosis_permit().unwrap();
        let (go_on, wait) = mpsc::channel();
        let first = tokio::spawn(on_its_own_thread(permit, move || wait.recv().ok()));
        assert!(judge.diagnosis_permit().is_none());
        // The runtime has one thread, which the diagnosis does not have.
        tokio::task::yield_now().await;
        assert!(judge.diagnosis_permit().is_none() && !first.is_finished());
        go_on.send(7).unwrap();
        let (found, permit) = first.await.unwrap().unwrap();
        assert!(found == 7 && judge.diagnosis_permit().is_none());
        drop(permit);
        assert!(judge.diagnosis_permit().is_some());
    }
}
