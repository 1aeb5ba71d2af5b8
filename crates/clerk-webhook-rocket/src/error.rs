use std::error::Error;
use std::fmt;

use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind};

/// Error of [`ClerkEvent`](crate::ClerkEvent).
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
