//! The error of a run.

use std::error::Error;
use std::fmt;

use crate::backend_api::{BackendApiError, Resource};
use crate::error::SyncError;

/// The error if an import, a comparison or a refresh failed.
///
/// Rows that were written before the error stay, because each of them is right without the others. The run is
/// not complete.
#[non_exhaustive]
pub enum ImportError {
    /// Clerk's API did not answer, or refused the request.
    Api(BackendApiError),
    /// The database rejected a statement or cannot be reached, or a hook failed.
    Sync(SyncError),
    /// The secret key belongs to another instance than the tables. Nothing was written.
    #[non_exhaustive]
    OtherInstance {
        /// The instance whose objects the tables contain.
        tables: String,
        /// The instance of the secret key.
        key: String,
    },
    /// The tables contain users or organizations, but none of them exists in the instance of the secret key.
    /// Nothing was written.
    ///
    /// If this instance sends the events, set it with [`ClerkSync::instance_id`](crate::ClerkSync::instance_id).
    #[non_exhaustive]
    UnrelatedInstance {
        /// The instance of the secret key.
        key: String,
    },
    /// Another run is writing to these tables.
    AlreadyRunning,
    /// The future of `until` has stopped the run.
    Stopped,
    /// Another run has taken over, because this one did not renew its lease in time.
    LeaseLost,
    /// Clerk lists no object, but the table has rows: users, or more rows than
    /// [`max_tombstones`](crate::ReconcileOptions::max_tombstones) allows to delete. The secret key may belong to
    /// an empty instance.
    #[non_exhaustive]
    EmptyList {
        /// What was listed.
        resource: Resource,
        /// The number of rows.
        rows: u64,
    },
    /// More objects seem to be deleted than [`ReconcileOptions`](crate::ReconcileOptions) allows. The run
    /// stopped before the first tombstone of the table.
    #[non_exhaustive]
    TooManyDeletions {
        /// What was listed.
        resource: Resource,
        /// The number of rows that would become tombstones.
        surplus: u64,
        /// The number of rows.
        rows: u64,
    },
    /// The id does not belong to an object that the API can be asked for.
    UnknownId,
}

impl ImportError {
    /// Returns whether the run refused to continue to protect the tables.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::OtherInstance { .. }
                | Self::UnrelatedInstance { .. }
                | Self::EmptyList { .. }
                | Self::TooManyDeletions { .. }
        )
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => error.fmt(f),
            Self::Sync(error) => error.fmt(f),
            Self::OtherInstance { tables, key } => write!(
                f,
                "the secret key belongs to {key}, but the tables contain {tables}. Use the secret key of {tables}, \
                 or other tables"
            ),
            Self::UnrelatedInstance { key } => write!(
                f,
                "the secret key belongs to {key}, and no user or organization of the tables exists there. Use the \
                 secret key of the instance that sends the events. If it is {key}, set this id as the instance of \
                 the sync"
            ),
            Self::Stopped => f.write_str("the run was stopped. Rows that were written stay"),
            Self::AlreadyRunning => f.write_str("another import or comparison is writing to these tables"),
            Self::LeaseLost => {
                f.write_str("another import or comparison has taken over, because this one was too slow")
            }
            Self::EmptyList { resource, rows } => write!(
                f,
                "Clerk lists no {resource}, but the table has {rows} rows. Check the secret key; if the instance \
                 is really empty, force the run"
            ),
            Self::TooManyDeletions { resource, surplus, rows } => write!(
                f,
                "{surplus} of {rows} {resource} seem to be deleted in Clerk, which is more than the run may \
                 remove. No row of this table was removed. Check the secret key and the list of a dry run, then allow more or \
                 force the run"
            ),
            Self::UnknownId => f.write_str(
                "the id is not the id of a user, organization, membership, invitation, domain, role, \
                 permission or waitlist entry",
            ),
        }
    }
}

/// Shows the same text as `Display`, because a user sees it if `main` returns the error.
impl fmt::Debug for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ImportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Api(error) => error.source(),
            Self::Sync(error) => error.source(),
            _ => None,
        }
    }
}

impl From<BackendApiError> for ImportError {
    fn from(error: BackendApiError) -> Self {
        Self::Api(error)
    }
}

impl From<SyncError> for ImportError {
    fn from(error: SyncError) -> Self {
        Self::Sync(error)
    }
}

impl From<sqlx::Error> for ImportError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sync(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_is_the_source_of_the_error_that_stopped_the_run() {
        let source = |error: ImportError| error.source().map(ToString::to_string);
        let database = sqlx::Error::PoolTimedOut.to_string();
        assert_eq!(source(sqlx::Error::PoolTimedOut.into()), Some(database));
        assert_eq!(source(ImportError::Stopped), None);
        assert_eq!(format!("{:?}", ImportError::Stopped), "the run was stopped. Rows that were written stay");
    }
}
