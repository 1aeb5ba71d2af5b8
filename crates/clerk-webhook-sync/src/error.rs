//! Why an event could not be applied.

use std::error::Error;
use std::fmt;

use clerk_webhook_core::event::Unrecognized;

/// The error of an event that could not be applied.
///
/// As the [`Failure`](clerk_webhook_core::Failure) of a handler it lets the sender try again.
#[derive(Debug)]
pub struct SyncError {
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Undecodable(String),
    Database(sqlx::Error),
}

/// What kept an event from being applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncErrorKind {
    /// The data is not what its type says: a later version may read it.
    Undecodable,
    /// The database has refused it, or cannot be reached.
    Database,
}

impl SyncError {
    pub(crate) fn undecodable(data: &Unrecognized) -> Self {
        // It names the place and nothing that stands there.
        Self { cause: Cause::Undecodable(data.reason().to_string()) }
    }

    /// Returns what kept the event from being applied.
    #[must_use]
    pub fn kind(&self) -> SyncErrorKind {
        match self.cause {
            Cause::Undecodable(_) => SyncErrorKind::Undecodable,
            Cause::Database(_) => SyncErrorKind::Database,
        }
    }
}

impl From<sqlx::Error> for SyncError {
    fn from(error: sqlx::Error) -> Self {
        Self { cause: Cause::Database(error) }
    }
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Undecodable(reason) => f.write_str(reason),
            Cause::Database(_) => f.write_str("the database could not keep what the event says"),
        }
    }
}

impl Error for SyncError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Undecodable(_) => None,
            Cause::Database(error) => Some(error),
        }
    }
}
