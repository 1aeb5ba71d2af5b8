use std::error::Error;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind};

use crate::answer::{response, status};

/// Error of [`ClerkEvent`](crate::ClerkEvent).
///
/// The response is the [`Answer`] for the error. Its extensions contain the [`ReceiveError`] and the
/// [`Outcome`] for middleware, such as logging or metrics middleware.
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
