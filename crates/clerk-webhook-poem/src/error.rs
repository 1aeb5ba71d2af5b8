use std::error::Error;
use std::fmt;

use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind};
use poem::error::ResponseError;
use poem::http::StatusCode;
use poem::{IntoResponse as _, Response};

use crate::answer::ClerkAnswer;

/// Error of [`ClerkEvent`](crate::ClerkEvent) and [`ClerkEndpoint`](crate::ClerkEndpoint).
///
/// The response is the [`Answer`] for the error. Its extensions contain the [`ReceiveError`] and the
/// [`Outcome`] for middleware, such as logging or metrics middleware.
///
/// Poem passes it to middleware within a [`poem::Error`]. `error.downcast_ref::<ClerkEventError>()` finds it
/// there.
#[derive(Clone, Debug)]
pub struct ClerkEventError {
    error: ReceiveError,
}

impl ClerkEventError {
    /// Returns the reason why the delivery was rejected.
    #[must_use]
    pub fn kind(&self) -> ReceiveErrorKind {
        self.error.kind()
    }

    /// Returns the outcome that appears in answers, logs and metrics.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Answer::from(&self.error).outcome()
    }
}

impl ResponseError for ClerkEventError {
    fn status(&self) -> StatusCode {
        self.as_response().status()
    }

    fn as_response(&self) -> Response {
        ClerkAnswer(Answer::from(&self.error)).into_response()
    }
}

/// Converts an error for Poem, which adds the data to the extensions of the response.
pub(crate) fn to_poem(error: ReceiveError) -> poem::Error {
    let outcome = Answer::from(&error).outcome();
    let mut poem_error = poem::Error::from(ClerkEventError::from(error.clone()));
    poem_error.set_data(outcome);
    poem_error.set_data(error);
    poem_error
}

impl From<ReceiveError> for ClerkEventError {
    fn from(error: ReceiveError) -> Self {
        Self { error }
    }
}

impl fmt::Display for ClerkEventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl Error for ClerkEventError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
