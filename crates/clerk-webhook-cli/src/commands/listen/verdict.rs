//! Verifies deliveries, and diagnoses the ones that fail verification.

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
use crate::diagnosis::{CaptureVerdict, Diagnosis, diagnose};

/// The maximum size of a body for a diagnosis, which computes thousands of signatures.
const MAX_DIAGNOSED: usize = 64 * 1024;

/// How long a delivery waits for its diagnosis before it is shown.
const DIAGNOSIS_TIMEOUT: Duration = Duration::from_secs(3);

/// What is known about the origin of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Origin {
    /// The signature is valid.
    Authentic,
    /// No secret is set, so the signature was not verified.
    Unverified,
    /// The delivery failed verification, or is not an event.
    Refused,
}

impl Origin {
    /// Returns the word that recordings use for this origin.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Authentic => "authentic",
            Self::Unverified => "unverified",
            Self::Refused => "refused",
        }
    }
}

/// The verdict on a delivery.
#[derive(Debug)]
pub(super) struct DeliveryVerdict {
    pub(super) origin: Origin,
    /// An outcome of the library, or `unverified`.
    pub(super) outcome: &'static str,
    /// The library's response, or `None` if the delivery was not verified.
    pub(super) answer: Option<Answer>,
    pub(super) event: Option<Event>,
    pub(super) reason: Option<String>,
    pub(super) advice: Option<String>,
    /// Whether a diagnosis can find out why verification failed.
    pub(super) is_unexplained: bool,
}

/// Verifies deliveries with the secrets, if any are set.
#[derive(Debug)]
pub(super) struct Judge {
    secrets: Vec<SigningSecret>,
    verifier: Option<Verifier>,
    diagnoses: Arc<Semaphore>,
}

/// The permit for a diagnosis. There is only one, so that forged deliveries cannot occupy more than one core.
pub(super) type DiagnosisPermit = OwnedSemaphorePermit;

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

    /// Returns the secrets, in the order in which verdicts count them.
    pub(super) fn secrets(&self) -> &[SigningSecret] {
        &self.secrets
    }

    /// Verifies a complete request. This is the only verification in `listen`.
    pub(super) fn judge(&self, capture: &Capture) -> DeliveryVerdict {
        let Some(verifier) = &self.verifier else { return DeliveryVerdict::unverified(capture) };
        match verifier.receive(&capture.headers, capture.body.clone()) {
            Ok(event) => DeliveryVerdict {
                event: Some(event),
                ..DeliveryVerdict::answered(Origin::Authentic, Outcome::Processed.into())
            },
            Err(error) => DeliveryVerdict {
                is_unexplained: matches!(error.kind(), ReceiveErrorKind::Verify(_))
                    && capture.body.len() <= MAX_DIAGNOSED,
                ..DeliveryVerdict::refused(&error)
            },
        }
    }

    /// Returns the permit for a diagnosis, unless another diagnosis is running.
    pub(super) fn diagnosis_permit(&self) -> Option<DiagnosisPermit> {
        Arc::clone(&self.diagnoses).try_acquire_owned().ok()
    }

    /// Finds the cause of a failed verification on a separate thread, and returns the permit with the result.
    ///
    /// Returns `None` after `DIAGNOSIS_TIMEOUT`. The thread holds the permit until it ends.
    pub(super) async fn diagnose(
        &self,
        capture: &Capture,
        permit: DiagnosisPermit,
    ) -> Option<(Diagnosis, DiagnosisPermit)> {
        let (capture, secrets) = (capture.clone(), self.secrets.clone());
        let work = move || match diagnose(&capture, &secrets, Timestamp::now()) {
            CaptureVerdict::Refused(diagnosis) => Some(diagnosis),
            // When the request arrived, its timestamp was slightly too far in the future. It is valid now.
            CaptureVerdict::Authentic(_) => None,
        };
        on_its_own_thread(permit, work).await
    }
}

/// Runs a long computation on a separate thread. The command does not wait for this thread, even when the
/// command ends.
async fn on_its_own_thread<T: Send + 'static>(
    permit: DiagnosisPermit,
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<(T, DiagnosisPermit)> {
    let (sender, found) = oneshot::channel();
    let work = move || {
        // If the timeout has expired, sending fails, and the permit is dropped here.
        let _ = sender.send(work().map(|found| (found, permit)));
    };
    thread::Builder::new().name("diagnosis".to_owned()).spawn(work).ok()?;
    tokio::time::timeout(DIAGNOSIS_TIMEOUT, found).await.ok()?.ok()?
}

impl DeliveryVerdict {
    /// The verdict on a delivery if no secret is set.
    fn unverified(capture: &Capture) -> Self {
        let id = ["svix-id", "webhook-id"].iter().find_map(|name| capture.text(name));
        let id: Option<MessageId> = id.or(Some("unknown")).and_then(|id| id.parse().ok());
        let event = id.map(|id| Event::from_trusted(id, Timestamp::now(), Bytes::clone(&capture.body)));
        match event {
            Some(Ok(event)) => Self {
                outcome: "unverified",
                answer: None,
                event: Some(event),
                reason: Some("not verified: no signing secret is set".to_owned()),
                advice: Some(
                    "set CLERK_WEBHOOK_SIGNING_SECRET, or pass --secret or --secret-file, and restart"
                        .to_owned(),
                ),
                ..Self::answered(Origin::Unverified, Outcome::Processed.into())
            },
            Some(Err(error)) => {
                Self { reason: Some(error.to_string()), ..Self::refused(&ReceiveError::from(error)) }
            }
            None => Self {
                reason: Some("the message id contains invalid characters or is too long".to_owned()),
                ..Self::answered(Origin::Refused, Outcome::Malformed.into())
            },
        }
    }

    /// The verdict on a delivery that was rejected before or after its body was read.
    pub(super) fn refused(error: &ReceiveError) -> Self {
        // Uses the source error, because the outcome already says that verification failed.
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        Self {
            reason: Some(reason),
            advice: advice(error.kind()).map(str::to_owned),
            ..Self::answered(Origin::Refused, Answer::from(error))
        }
    }

    fn answered(origin: Origin, answer: Answer) -> Self {
        Self {
            origin,
            outcome: answer.outcome().as_str(),
            answer: Some(answer),
            event: None,
            reason: None,
            advice: None,
            is_unexplained: false,
        }
    }
}

/// Returns what to do if there is no diagnosis.
fn advice(kind: ReceiveErrorKind) -> Option<&'static str> {
    match kind {
        ReceiveErrorKind::Verify(_) => Some(
            "record the delivery with --record, and run `clerk-webhook verify` on the recording to find the cause",
        ),
        ReceiveErrorKind::BodyTooLarge => Some("to accept larger bodies, increase --max-body"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn runs_one_diagnosis_at_a_time() {
        let judge = Judge::new(Vec::new(), 1).unwrap();
        let permit = judge.diagnosis_permit().unwrap();
        let (go_on, wait) = mpsc::channel();
        let first = tokio::spawn(on_its_own_thread(permit, move || wait.recv().ok()));
        assert!(judge.diagnosis_permit().is_none());
        // The diagnosis does not block the only thread of the runtime.
        tokio::task::yield_now().await;
        assert!(judge.diagnosis_permit().is_none() && !first.is_finished());
        go_on.send(7).unwrap();
        let (found, permit) = first.await.unwrap().unwrap();
        assert!(found == 7 && judge.diagnosis_permit().is_none());
        drop(permit);
        assert!(judge.diagnosis_permit().is_some());
    }
}
