use std::error::Error;
use std::fmt;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind};
use http::StatusCode;

/// Rejection of [`ClerkEvent`](crate::ClerkEvent).
///
/// The response is the [`Answer`] for the error. Its extensions contain the [`ReceiveError`] and the
/// [`Outcome`] for outer layers, such as a logging or metrics layer.
#[derive(Clone, Debug)]
pub struct ClerkEventRejection {
    error: ReceiveError,
}

impl ClerkEventRejection {
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

    /// Returns the response status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.response().status()
    }

    /// Returns the response body.
    #[must_use]
    pub fn body_text(&self) -> &'static str {
        Answer::from(&self.error).body()
    }

    fn response(&self) -> http::Response<Bytes> {
        Answer::from(&self.error).into()
    }
}

impl IntoResponse for ClerkEventRejection {
    fn into_response(self) -> Response {
        let mut response = self.response().map(Body::from);
        response.extensions_mut().insert(self.error);
        response
    }
}

impl From<ReceiveError> for ClerkEventRejection {
    fn from(error: ReceiveError) -> Self {
        Self { error }
    }
}

impl fmt::Display for ClerkEventRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl Error for ClerkEventRejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}
