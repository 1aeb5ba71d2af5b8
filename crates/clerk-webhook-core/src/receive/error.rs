//! Errors that occur while receiving a delivery.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::error_text::debug_is_display;
use crate::event::{EventError, EventErrorKind};
use crate::verify::{VerifyError, VerifyErrorKind};

/// The error for a delivery that did not become an [`Event`](crate::Event).
///
/// `Answer::from(&error)` returns the [`Answer`](crate::Answer) to the sender.
#[derive(Clone)]
pub struct ReceiveError {
    cause: Cause,
}

#[derive(Clone, Debug)]
enum Cause {
    Verify(VerifyError),
    Event(EventError),
    BodyTooLarge { limit: Option<usize> },
    BodyTimeout,
    BodyFailed(Option<Arc<dyn Error + Send + Sync>>),
    Misconfigured { advice: &'static str },
}

impl ReceiveError {
    /// Creates the error for a body with too many empty frames.
    pub(crate) fn body_endless() -> Self {
        Self { cause: Cause::BodyFailed(None) }
    }

    /// Creates the error for a body of more than `limit` bytes.
    #[must_use]
    pub fn body_too_large(limit: usize) -> Self {
        Self { cause: Cause::BodyTooLarge { limit: Some(limit) } }
    }

    /// Creates the error for a body that exceeds the limit of the web framework or an outer layer.
    #[must_use]
    pub fn body_too_large_upstream() -> Self {
        Self { cause: Cause::BodyTooLarge { limit: None } }
    }

    /// Creates the error for a body that did not arrive within the read timeout.
    #[must_use]
    pub fn body_timeout() -> Self {
        Self { cause: Cause::BodyTimeout }
    }

    /// Creates the error for a body that could not be read completely.
    #[must_use]
    pub fn body_failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Cause::BodyFailed(Some(Arc::from(error.into()))) }
    }

    /// Creates the error for an application that is not configured to receive deliveries.
    ///
    /// `advice` explains in the log how to correct the configuration.
    #[must_use]
    pub fn misconfigured(advice: &'static str) -> Self {
        Self { cause: Cause::Misconfigured { advice } }
    }

    /// Creates the error for a failure to read the body.
    ///
    /// `L` is the error type of the framework's body limit. If `error` or one of its sources has this type,
    /// the result is [`body_too_large_upstream`](Self::body_too_large_upstream). Otherwise it is
    /// [`body_failed`](Self::body_failed).
    #[must_use]
    pub fn from_body_error<L: Error + 'static>(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&*error);
        while let Some(current) = cause {
            if current.is::<L>() {
                return Self::body_too_large_upstream();
            }
            cause = current.source();
        }
        Self::body_failed(error)
    }

    /// Returns the kind of failure.
    #[must_use]
    pub fn kind(&self) -> ReceiveErrorKind {
        match &self.cause {
            Cause::Verify(error) => ReceiveErrorKind::Verify(error.kind()),
            Cause::Event(error) => ReceiveErrorKind::Event(error.kind()),
            Cause::BodyTooLarge { .. } => ReceiveErrorKind::BodyTooLarge,
            Cause::BodyTimeout => ReceiveErrorKind::BodyTimeout,
            Cause::BodyFailed(_) => ReceiveErrorKind::BodyFailed,
            Cause::Misconfigured { .. } => ReceiveErrorKind::Misconfigured,
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Verify(_) => f.write_str("the delivery could not be verified"),
            Cause::Event(_) => f.write_str("the delivery is authentic, but its body is not an event"),
            Cause::BodyTooLarge { limit: Some(limit) } => {
                write!(f, "the body is larger than {limit} bytes: raise the verifier's `body_limit` if Clerk sends bodies of this size")
            }
            Cause::BodyTooLarge { limit: None } => {
                f.write_str("the body exceeds the limit of the web framework or an outer layer: raise that limit to the verifier's `body_limit`")
            }
            Cause::BodyTimeout => f.write_str("the body did not arrive in time: check the network and the proxies between Clerk and this server, or raise the read timeout"),
            Cause::BodyFailed(_) => f.write_str("the body did not arrive completely, or contained too many empty frames; the sender retries"),
            Cause::Misconfigured { advice } => {
                write!(f, "the application cannot receive deliveries: {advice}")
            }
        }
    }
}

impl Error for ReceiveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Verify(error) => Some(error),
            Cause::Event(error) => Some(error),
            Cause::BodyFailed(error) => error.as_ref().map(|error| &**error as _),
            Cause::BodyTooLarge { .. } | Cause::BodyTimeout | Cause::Misconfigured { .. } => None,
        }
    }
}

debug_is_display!(ReceiveError);

impl From<VerifyError> for ReceiveError {
    fn from(error: VerifyError) -> Self {
        Self { cause: Cause::Verify(error) }
    }
}

impl From<EventError> for ReceiveError {
    fn from(error: EventError) -> Self {
        Self { cause: Cause::Event(error) }
    }
}

/// The kind of failure while receiving a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiveErrorKind {
    /// The delivery failed verification.
    Verify(VerifyErrorKind),
    /// The delivery passed verification, but its body is not an event.
    Event(EventErrorKind),
    /// The body is larger than the limit.
    BodyTooLarge,
    /// The body did not arrive within the read timeout.
    BodyTimeout,
    /// The body is incomplete, or contains too many empty frames.
    BodyFailed,
    /// The application is not configured to receive deliveries. The sender did not cause this failure.
    Misconfigured,
}
