//! How a delivery is answered.

use std::time::Duration;

use super::failure::Failure;
use super::handled::Handled;
use super::outcome::Outcome;
use crate::receive::{ReceiveError, ReceiveErrorKind};
use crate::verify::VerifyErrorKind;

/// The answer to a sender: status, headers and body, made in this one place from an [`Outcome`].
///
/// | outcome | status | headers |
/// |---|---|---|
/// | `processed`, `queued`, `ignored`, `duplicate` | 200 | |
/// | `in_progress`, `lease_lost` | 409 | `Retry-After` |
/// | `failed` | 500 | `Retry-After` where the handler says so |
/// | `handler_timeout` | 503 | |
/// | `store_unavailable` | 503 | `Retry-After` |
/// | `rejected` | 422 | `webhook-delivery: abort-message` |
/// | `disabled` | 422 | `webhook-delivery: disable` |
/// | `not_an_event` | 400 | |
/// | `missing_header`, `malformed`, `expired_timestamp`, `invalid_signature`, `body_failed` | 400 | |
/// | `body_timeout` | 408 | |
/// | `body_too_large` | 413 | |
/// | `misconfigured` | 500 | |
///
/// Once a delivery is verified the body is `{"outcome":"…"}`, which Clerk's dashboard shows. Before that it is a constant
/// problem document without details: whoever tries out signatures learns nothing from it, and no header steers
/// a sender that may be anybody.
///
/// What is in progress is not acknowledged: if the run that is in progress failed after that, the event would be lost.
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
    /// In seconds.
    retry_after: Option<u32>,
}

/// The sender's second attempt comes 5 s after the first one, and it waits at most twice as long as it meant to.
const UNKNOWN_DELAY: u32 = 10;

impl Answer {
    /// Sets when another attempt is worth it, rounded up to a second; an outcome that has no `Retry-After` keeps none.
    #[must_use]
    pub fn with_retry_after(mut self, delay: Duration) -> Self {
        if self.may_delay() {
            // So that an attempt never comes just before the end of what it waits for.
            let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
            self.retry_after = Some(u32::try_from(seconds).unwrap_or(u32::MAX).max(1));
        }
        self
    }

    /// Returns what is answered.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        self.outcome
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self.outcome {
            Outcome::Processed | Outcome::Queued | Outcome::Ignored | Outcome::Duplicate => 200,
            Outcome::MissingHeader
            | Outcome::Malformed
            | Outcome::ExpiredTimestamp
            | Outcome::InvalidSignature
            | Outcome::NotAnEvent
            | Outcome::BodyFailed => 400,
            Outcome::BodyTimeout => 408,
            Outcome::InProgress | Outcome::LeaseLost => 409,
            Outcome::BodyTooLarge => 413,
            Outcome::Rejected | Outcome::Disabled => 422,
            Outcome::Failed | Outcome::Misconfigured => 500,
            Outcome::HandlerTimeout | Outcome::StoreUnavailable => 503,
        }
    }

    /// Returns the value of the header `Retry-After`, in seconds.
    ///
    /// Svix keeps to it between once and twice the delay that its schedule has for the attempt.
    #[must_use]
    pub const fn retry_after(self) -> Option<u32> {
        self.retry_after
    }

    /// Returns the value of the header [`webhook-delivery`](Self::DELIVERY_CONTROL).
    #[must_use]
    pub const fn delivery_control(self) -> Option<&'static str> {
        match self.outcome {
            Outcome::Rejected => Some("abort-message"),
            Outcome::Disabled => Some("disable"),
            _ => None,
        }
    }

    /// The name of the header by which a receiver stops the attempts to deliver a message, or all deliveries.
    ///
    /// Svix's hosted service honours it; another sender tries again as after any other failure.
    pub const DELIVERY_CONTROL: &'static str = "webhook-delivery";

    /// Returns the media type of the body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        if self.outcome.is_verified_event() || matches!(self.outcome, Outcome::NotAnEvent) {
            "application/json"
        } else {
            "application/problem+json"
        }
    }

    /// Returns the body.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self.outcome {
            Outcome::Processed => r#"{"outcome":"processed"}"#,
            Outcome::Queued => r#"{"outcome":"queued"}"#,
            Outcome::Ignored => r#"{"outcome":"ignored"}"#,
            Outcome::Duplicate => r#"{"outcome":"duplicate"}"#,
            Outcome::InProgress => r#"{"outcome":"in_progress"}"#,
            Outcome::Failed => r#"{"outcome":"failed"}"#,
            Outcome::HandlerTimeout => r#"{"outcome":"handler_timeout"}"#,
            Outcome::Rejected => r#"{"outcome":"rejected"}"#,
            Outcome::Disabled => r#"{"outcome":"disabled"}"#,
            Outcome::StoreUnavailable => r#"{"outcome":"store_unavailable"}"#,
            Outcome::LeaseLost => r#"{"outcome":"lease_lost"}"#,
            Outcome::NotAnEvent => r#"{"outcome":"not_an_event"}"#,
            Outcome::MissingHeader
            | Outcome::Malformed
            | Outcome::ExpiredTimestamp
            | Outcome::InvalidSignature
            | Outcome::BodyFailed => r#"{"title":"Bad Request","status":400}"#,
            Outcome::BodyTimeout => r#"{"title":"Request Timeout","status":408}"#,
            Outcome::BodyTooLarge => r#"{"title":"Content Too Large","status":413}"#,
            Outcome::Misconfigured => r#"{"title":"Internal Server Error","status":500}"#,
        }
    }

    /// Returns whether the outcome is one that another attempt may change after a while.
    const fn may_delay(self) -> bool {
        matches!(
            self.outcome,
            Outcome::InProgress
                | Outcome::Failed
                | Outcome::HandlerTimeout
                | Outcome::StoreUnavailable
                | Outcome::LeaseLost
        )
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        let retry_after = match outcome {
            Outcome::InProgress | Outcome::StoreUnavailable | Outcome::LeaseLost => Some(UNKNOWN_DELAY),
            _ => None,
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
        // Every status of the table is a legal one.
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
