//! The reason why an event was not handled.

use std::error::Error;
use std::fmt;

use super::answer::Answer;
use super::failure::Failure;
use super::outcome::Outcome;

/// The reason why an event was not handled: the answer to the sender, and an optional error for the log.
///
/// [`Observation::run`](crate::Observation::run) records it. The error is missing if nothing failed, for
/// example if the delivery was a duplicate.
///
/// ```
/// use clerk_webhook_core::{Outcome, Stopped};
///
/// let stopped = Stopped::new(Outcome::StoreUnavailable, "the queue is full");
/// assert_eq!(stopped.answer().status(), 503);
/// assert!(Stopped::from(Outcome::Duplicate).error().is_none());
/// ```
#[must_use = "`Observation::run` records it"]
pub struct Stopped {
    answer: Answer,
    error: Option<Box<dyn Error + Send + Sync>>,
}

impl Stopped {
    /// Creates a `Stopped` with an error for the log.
    pub fn new(answer: impl Into<Answer>, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { answer: answer.into(), error: Some(error.into()) }
    }

    /// Returns the answer to the sender.
    #[must_use]
    pub fn answer(&self) -> Answer {
        self.answer
    }

    /// Returns the error for the log, or `None` if nothing failed.
    #[must_use]
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.error.as_deref()
    }
}

impl From<Answer> for Stopped {
    fn from(answer: Answer) -> Self {
        Self { answer, error: None }
    }
}

impl From<Outcome> for Stopped {
    fn from(outcome: Outcome) -> Self {
        Self::from(Answer::from(outcome))
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Self { answer: Answer::from(&failure), error: Some(failure.into_error()) }
    }
}

/// Like [`Failure`], shows the text of the error, but not its `Debug` output or its sources.
impl fmt::Debug for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped")
            .field("answer", &self.answer)
            .field("error", &self.error.as_ref().map(ToString::to_string))
            .finish()
    }
}
