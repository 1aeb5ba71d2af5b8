//! How a delivery is answered.

use std::fmt;

use crate::error::{ReceiveError, ReceiveErrorKind, VerifyErrorKind};

/// What became of a delivery.
///
/// The words are the same everywhere: in answers, logs and tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A signature header is absent or empty.
    MissingHeader,
    /// A signature header is repeated or malformed.
    Malformed,
    /// The timestamp lies outside the tolerance.
    ExpiredTimestamp,
    /// No signature matches.
    InvalidSignature,
    /// Authentic, but not an event.
    NotAnEvent,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body did not arrive in time.
    BodyTimeout,
    /// The body broke off, or went on without any data.
    BodyFailed,
    /// The application is set up so that it cannot receive.
    Misconfigured,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: &'static [Self] = &[
        Self::MissingHeader,
        Self::Malformed,
        Self::ExpiredTimestamp,
        Self::InvalidSignature,
        Self::NotAnEvent,
        Self::BodyTooLarge,
        Self::BodyTimeout,
        Self::BodyFailed,
        Self::Misconfigured,
    ];

    /// Returns the outcome in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::Malformed => "malformed",
            Self::ExpiredTimestamp => "expired_timestamp",
            Self::InvalidSignature => "invalid_signature",
            Self::NotAnEvent => "not_an_event",
            Self::BodyTooLarge => "body_too_large",
            Self::BodyTimeout => "body_timeout",
            Self::BodyFailed => "body_failed",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The answer to a sender: status and body, made in this one place from an [`Outcome`].
///
/// | outcome | status | body |
/// |---|---|---|
/// | `missing_header`, `malformed`, `expired_timestamp`, `invalid_signature`, `body_failed` | 400 | a constant problem document |
/// | `not_an_event` | 400 | `{"outcome":"not_an_event"}` |
/// | `body_timeout` | 408 | a constant problem document |
/// | `body_too_large` | 413 | a constant problem document |
/// | `misconfigured` | 500 | a constant problem document |
///
/// Before a delivery is verified the answer gives no details: whoever tries out signatures learns nothing
/// from it, and there is no header that would steer a sender.
///
/// ```
/// use clerk_webhook_core::{Answer, Outcome};
///
/// let answer = Answer::from(Outcome::ExpiredTimestamp);
/// assert_eq!(answer.status(), 400);
/// assert_eq!(answer.body(), Answer::from(Outcome::InvalidSignature).body());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Answer {
    outcome: Outcome,
}

impl Answer {
    /// Returns what is answered.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        self.outcome
    }

    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self.outcome {
            Outcome::MissingHeader
            | Outcome::Malformed
            | Outcome::ExpiredTimestamp
            | Outcome::InvalidSignature
            | Outcome::NotAnEvent
            | Outcome::BodyFailed => 400,
            Outcome::BodyTimeout => 408,
            Outcome::BodyTooLarge => 413,
            Outcome::Misconfigured => 500,
        }
    }

    /// Returns the media type of the body.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self.outcome {
            Outcome::NotAnEvent => "application/json",
            _ => "application/problem+json",
        }
    }

    /// Returns the body.
    #[must_use]
    pub const fn body(self) -> &'static str {
        match self.outcome {
            Outcome::NotAnEvent => r#"{"outcome":"not_an_event"}"#,
            Outcome::BodyTimeout => r#"{"title":"Request Timeout","status":408}"#,
            Outcome::BodyTooLarge => r#"{"title":"Content Too Large","status":413}"#,
            Outcome::Misconfigured => r#"{"title":"Internal Server Error","status":500}"#,
            _ => r#"{"title":"Bad Request","status":400}"#,
        }
    }
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        Self { outcome }
    }
}

impl From<&ReceiveError> for Answer {
    fn from(error: &ReceiveError) -> Self {
        let outcome = match error.kind() {
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
        };
        Self { outcome }
    }
}

#[cfg(feature = "http")]
impl From<Answer> for http::Response<bytes::Bytes> {
    fn from(answer: Answer) -> Self {
        let mut response = Self::new(bytes::Bytes::from_static(answer.body().as_bytes()));
        // Every status of the table is a legal one.
        *response.status_mut() =
            http::StatusCode::from_u16(answer.status()).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let content_type = http::HeaderValue::from_static(answer.content_type());
        response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
        response.extensions_mut().insert(answer.outcome());
        response
    }
}
