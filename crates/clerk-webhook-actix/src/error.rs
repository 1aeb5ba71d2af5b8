use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind};

use crate::answer::{response, status};

/// Error of [`ClerkEvent`](crate::ClerkEvent).
///
/// It answers as the [`Answer`] for the reason says, and leaves the [`ReceiveError`] and the [`Outcome`] in the
/// extensions of the response, for a middleware that logs or counts.
#[derive(Clone, Debug)]
pub struct ClerkEventError {
    error: ReceiveError,
}

impl ClerkEventError {
    /// Returns what was wrong with the delivery.
    #[must_use]
    pub fn kind(&self) -> ReceiveErrorKind {
        self.error.kind()
    }

    /// Returns the outcome, in the words of answers and logs.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Answer::from(&self.error).outcome()
    }
}

impl ResponseError for ClerkEventError {
    fn status_code(&self) -> StatusCode {
        status(Answer::from(&self.error))
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = response(Answer::from(&self.error));
        response.extensions_mut().insert(self.error.clone());
        response
    }
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
