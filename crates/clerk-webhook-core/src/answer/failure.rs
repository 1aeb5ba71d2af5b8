//! The error that a handler returns.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::outcome::Outcome;

type BoxError = Box<dyn Error + Send + Sync>;

/// A handler's error, and what the sender should do next.
///
/// The `?` operator converts any error into a `Failure` that makes the sender retry. Svix attempts to deliver
/// a message [8 times in about 28 hours](crate::sender::ATTEMPTS). If no retry can succeed, use
/// [`abort_message`](Self::abort_message) or [`disable_endpoint`](Self::disable_endpoint).
///
/// ```
/// use clerk_webhook_core::{Failure, Outcome};
///
/// fn port(text: &str) -> Result<u16, Failure> {
///     if text.is_empty() {
///         return Err(Failure::abort_message("the port is missing, and a retry cannot add it"));
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(port("many").unwrap_err().outcome(), Outcome::Failed);
/// assert_eq!(port("").unwrap_err().outcome(), Outcome::Rejected);
/// ```
///
/// `Failure` does not implement [`Error`], so that `?` can convert any error into it. To get the source
/// error, call [`error`](Self::error).
///
/// # Personal data in the log
///
/// [`Display`](fmt::Display) and `Debug` show the text of the error. The log also shows the texts of its
/// sources. The error's `Debug` output is never shown: for a database error it contains Postgres's detail
/// message, which quotes values from a row, such as `Key (email)=(jo@example.com) already exists.`
///
/// The text of an error can also quote a value: `invalid input syntax for type integer: "jo@example.com"`. If
/// such values must not be logged, replace the error before you return it:
/// `.map_err(|_| "the user could not be saved")?`.
#[must_use = "a handler returns it"]
pub struct Failure {
    remedy: Remedy,
    error: BoxError,
}

/// What the sender should do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    Retry,
    RetryAfter(Duration),
    AbortMessage,
    DisableEndpoint,
}

impl Failure {
    /// Creates a failure that makes the sender retry on its own schedule.
    ///
    /// The answer has status 500.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self { remedy: Remedy::Retry, error: error.into() }
    }

    /// Creates a failure that makes the sender retry after a delay.
    ///
    /// The answer has status 500 and a `Retry-After` header. Svix never retries earlier than its
    /// [schedule](crate::sender::RETRY_DELAYS), and waits at most twice the scheduled delay: 5 to 10 s after
    /// the first attempt, 5 to 10 min after the second.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self { remedy: Remedy::RetryAfter(delay), error: error.into() }
    }

    /// Creates a failure that makes the sender stop retrying this message.
    ///
    /// Use it if no retry can succeed. The answer has status 422 and the `webhook-delivery: abort-message`
    /// header.
    pub fn abort_message(error: impl Into<BoxError>) -> Self {
        Self { remedy: Remedy::AbortMessage, error: error.into() }
    }

    /// Creates a failure that makes the sender disable the endpoint and send no further messages to it.
    ///
    /// The answer has status 422 and the `webhook-delivery: disable` header. The endpoint remains disabled
    /// until you enable it in the Clerk Dashboard. Then recover the failed messages there.
    pub fn disable_endpoint(error: impl Into<BoxError>) -> Self {
        Self { remedy: Remedy::DisableEndpoint, error: error.into() }
    }

    /// Returns the outcome that appears in answers, logs and metrics.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self.remedy {
            Remedy::Retry | Remedy::RetryAfter(_) => Outcome::Failed,
            Remedy::AbortMessage => Outcome::Rejected,
            Remedy::DisableEndpoint => Outcome::Disabled,
        }
    }

    /// Returns the delay that was passed to [`retry_after`](Self::retry_after).
    #[must_use]
    pub const fn delay(&self) -> Option<Duration> {
        match self.remedy {
            Remedy::RetryAfter(delay) => Some(delay),
            _ => None,
        }
    }

    /// Returns the error.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// Consumes the failure and returns the error.
    #[must_use]
    pub fn into_error(self) -> Box<dyn Error + Send + Sync> {
        self.error
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

/// Shows the text of the error, but not its `Debug` output or its sources.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure")
            .field("remedy", &self.remedy)
            .field("error", &self.error.to_string())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}
