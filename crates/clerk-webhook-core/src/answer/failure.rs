//! What a handler says when it could not handle an event.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::outcome::Outcome;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why an event could not be handled, and what the sender should do about it.
///
/// Any error becomes one by `?`, and then the sender tries again: eight times in about 28 hours, if it is Svix.
///
/// ```
/// use clerk_webhook_core::{Failure, Outcome};
///
/// fn port(text: &str) -> Result<u16, Failure> {
///     if text.is_empty() {
///         return Err(Failure::abort_message("there will never be a port"));
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(port("many").unwrap_err().outcome(), Outcome::Failed);
/// assert_eq!(port("").unwrap_err().outcome(), Outcome::Rejected);
/// ```
///
/// `Failure` does not implement [`Error`], so that `?` can convert any error into it. Use [`error`](Self::error) to get the source.
///
/// # What it shows
///
/// [`Display`](fmt::Display) and `Debug` show the text of the error. The log also shows the texts of its sources. Neither shows the
/// `Debug` form of an error: that of a database error contains the detail of Postgres, and with it the values of a row
/// (`Key (email)=(jo@example.com) already exists.`).
///
/// The text itself can contain a value too: `invalid input syntax for type integer: "jo@example.com"`. If such a value must not
/// be logged, convert the error before you return it: `.map_err(|_| "the user could not be saved")?`.
#[must_use = "a handler returns it"]
pub struct Failure {
    remedy: Remedy,
    error: BoxError,
}

/// What the sender should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    Retry,
    RetryAfter(Duration),
    AbortMessage,
    DisableEndpoint,
}

impl Failure {
    /// The sender should try again.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self { remedy: Remedy::Retry, error: error.into() }
    }

    /// The sender should try again after a while.
    ///
    /// Svix waits as long as its schedule says for this attempt, and at most twice as long if it is told so: 5 to 10 s
    /// after the first attempt, 5 to 10 minutes after the second.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self { remedy: Remedy::RetryAfter(delay), error: error.into() }
    }

    /// The sender should give this message up: it cannot be handled, however often it comes.
    pub fn abort_message(error: impl Into<BoxError>) -> Self {
        Self { remedy: Remedy::AbortMessage, error: error.into() }
    }

    /// The sender should send nothing more to this endpoint.
    ///
    /// The endpoint stays disabled after the cause is repaired. Enable it in the dashboard, then recover the failed messages
    /// there.
    pub fn disable_endpoint(error: impl Into<BoxError>) -> Self {
        Self { remedy: Remedy::DisableEndpoint, error: error.into() }
    }

    /// Returns the outcome, in the words of answers and logs.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        match self.remedy {
            Remedy::Retry | Remedy::RetryAfter(_) => Outcome::Failed,
            Remedy::AbortMessage => Outcome::Rejected,
            Remedy::DisableEndpoint => Outcome::Disabled,
        }
    }

    /// Returns after what time the sender should try again, where the handler said so.
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

    /// Returns the error itself.
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

/// Shows the text of the error, and neither its `Debug` form nor its sources.
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
