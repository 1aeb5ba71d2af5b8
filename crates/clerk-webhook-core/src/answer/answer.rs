//! The HTTP response for each outcome.

use std::time::Duration;

use super::failure::Failure;
use super::handled::Handled;
use super::outcome::{Outcome, RetryAfter};
use crate::receive::{ReceiveError, ReceiveErrorKind};
use crate::verify::VerifyErrorKind;

/// The answer to the sender: the status, headers and body for an [`Outcome`].
///
/// [`Outcome`] has a table of the statuses and headers.
///
/// The answer to a verified delivery has the body `{"outcome":"…"}`, which the Clerk Dashboard shows. The
/// answer to a delivery that fails verification is a constant problem document (`application/problem+json`)
/// without details, so that an attacker learns nothing by trying signatures. It has no header that affects
/// retries.
///
/// The status of [`Outcome::InProgress`] is not 2xx, because the sender must retry if the delivery in
/// progress fails.
///
/// ```
/// use std::time::Duration;
///
/// use clerk_webhook_core::{Answer, Failure, Outcome};
///
/// let answer = Answer::from(&Failure::retry_after(Duration::from_secs(60), "the database is being moved"));
/// assert_eq!((answer.status(), answer.retry_after()), (500, Some(60)));
/// assert_eq!(answer.body(), r#"{"outcome":"failed"}"#);
///
/// let answer = Answer::from(Outcome::ExpiredTimestamp);
/// assert_eq!(answer.status(), 400);
/// assert_eq!(answer.body(), Answer::from(Outcome::InvalidSignature).body());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    outcome: Outcome,
    /// The delay before the next attempt, in seconds.
    retry_after: Option<u32>,
}

impl Answer {
    /// Sets the `Retry-After` header to `delay`, rounded up to whole seconds.
    ///
    /// Has no effect if the outcome never has this header; see the table in [`Outcome`].
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        if self.outcome.retry_after() != RetryAfter::Never {
            // Round up, so that the next attempt does not arrive shortly before the delay ends.
            let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
            self.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX).max(1));
        }
        self
    }

    /// Returns the outcome.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        self.outcome
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.outcome.status()
    }

    /// Returns the value of the `Retry-After` header in seconds, or `None` if the answer does not have this
    /// header.
    ///
    /// Svix never retries earlier than its [schedule](crate::sender::RETRY_DELAYS), and waits at most twice
    /// the scheduled delay.
    #[must_use]
    pub const fn retry_after(self) -> Option<u32> {
        self.retry_after
    }

    /// Returns the value of the [`webhook-delivery`](Self::DELIVERY_CONTROL) header, or `None` if the answer
    /// does not have this header.
    #[must_use]
    pub const fn delivery_control(self) -> Option<&'static str> {
        self.outcome.delivery_control()
    }

    /// The name of the header with which a receiver cancels a message's retries or disables the endpoint.
    ///
    /// Svix's hosted service, which Clerk uses, supports this header. Other senders treat the answer like any
    /// other failure and retry.
    pub const DELIVERY_CONTROL: &'static str = "webhook-delivery";

    /// Returns the media type of the body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        self.outcome.media_type()
    }

    /// Returns the body.
    #[must_use]
    pub const fn body(self) -> &'static str {
        self.outcome.body()
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        let retry_after = match outcome.retry_after() {
            RetryAfter::Always(seconds) => Some(seconds),
            RetryAfter::IfGiven | RetryAfter::Never => None,
        };
        Self { outcome, retry_after }
    }
}

impl From<Handled> for Answer {
    fn from(handled: Handled) -> Self {
        Self::from(match handled {
            Handled::Processed => Outcome::Processed,
            Handled::Queued => Outcome::Queued,
            Handled::Ignored => Outcome::Ignored,
        })
    }
}

impl From<&Failure> for Answer {
    fn from(failure: &Failure) -> Self {
        let answer = Self::from(failure.outcome());
        failure.delay().map_or(answer, |delay| answer.with_retry_after(delay))
    }
}

impl From<&Result<Handled, Failure>> for Answer {
    fn from(result: &Result<Handled, Failure>) -> Self {
        match result {
            Ok(handled) => Self::from(*handled),
            Err(failure) => Self::from(failure),
        }
    }
}

impl From<&ReceiveError> for Answer {
    fn from(error: &ReceiveError) -> Self {
        Self::from(match error.kind() {
            ReceiveErrorKind::Verify(kind) => match kind {
                VerifyErrorKind::MissingHeader => Outcome::MissingHeader,
                VerifyErrorKind::DuplicateHeader
                | VerifyErrorKind::InvalidHeader
                | VerifyErrorKind::InvalidTimestamp => Outcome::Malformed,
                VerifyErrorKind::TimestampTooOld | VerifyErrorKind::TimestampTooNew => {
                    Outcome::ExpiredTimestamp
                }
                VerifyErrorKind::NoMatchingSignature => Outcome::InvalidSignature,
            },
            ReceiveErrorKind::Event(_) => Outcome::NotAnEvent,
            ReceiveErrorKind::BodyTooLarge => Outcome::BodyTooLarge,
            ReceiveErrorKind::BodyTimeout => Outcome::BodyTimeout,
            ReceiveErrorKind::BodyFailed => Outcome::BodyFailed,
            ReceiveErrorKind::Misconfigured => Outcome::Misconfigured,
        })
    }
}

#[cfg(feature = "http")]
impl From<Answer> for http::Response<bytes::Bytes> {
    fn from(answer: Answer) -> Self {
        use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};

        let mut response = Self::new(bytes::Bytes::from_static(answer.body().as_bytes()));
        // Every status in the table of outcomes is valid.
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status()).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type()));
        if let Some(seconds) = answer.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(control) = answer.delivery_control() {
            let name = HeaderName::from_static(Answer::DELIVERY_CONTROL);
            headers.insert(name, HeaderValue::from_static(control));
        }
        response.extensions_mut().insert(answer.outcome());
        response
    }
}
