//! Why an event could not be applied.

use std::error::Error;
use std::fmt;

use clerk_webhook_core::Failure;

/// The error of an event that could not be applied.
///
/// As the [`Failure`] of a handler it lets the sender try again; [`into_failure`](Self::into_failure) keeps what else a hook
/// has asked for.
///
/// What it shows of itself, also by `{:?}` and as a [`Failure`], has nothing of the event. Its
/// [`source`](Error::source) is what sqlx or the hook has returned, unchanged: Postgres puts whole rows in there at times.
pub struct SyncError {
    cause: Cause,
}

enum Cause {
    Undecodable(String),
    Database(sqlx::Error),
    Hook(Failure),
}

/// What kept an event from being applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncErrorKind {
    /// The data is not what its type says: a later version may read it.
    Undecodable,
    /// The database has refused it, or cannot be reached.
    Database,
    /// The function of [`on_change`](crate::ClerkSync::on_change) has failed.
    Hook,
}

impl SyncError {
    /// The reason names the place and never what was found there.
    pub(crate) fn undecodable(reason: String) -> Self {
        Self { cause: Cause::Undecodable(reason) }
    }

    pub(crate) fn hook(failure: Failure) -> Self {
        Self { cause: Cause::Hook(failure) }
    }

    /// Returns whether Postgres has refused it for what others did at the same time, and might not do so again.
    pub(crate) fn is_conflict(&self) -> bool {
        match &self.cause {
            Cause::Database(sqlx::Error::Database(error)) => {
                // serialization_failure and deadlock_detected
                matches!(error.code().as_deref(), Some("40001" | "40P01"))
            }
            _ => false,
        }
    }

    /// Returns what kept the event from being applied.
    #[must_use]
    pub fn kind(&self) -> SyncErrorKind {
        match self.cause {
            Cause::Undecodable(_) => SyncErrorKind::Undecodable,
            Cause::Database(_) => SyncErrorKind::Database,
            Cause::Hook(_) => SyncErrorKind::Hook,
        }
    }

    /// Returns the failure with which a handler should end: that of the hook itself, where one has failed, and else one that
    /// lets the sender try again.
    pub fn into_failure(self) -> Failure {
        match self.cause {
            Cause::Hook(failure) => failure,
            _ => Failure::retry(self),
        }
    }
}

impl From<sqlx::Error> for SyncError {
    fn from(error: sqlx::Error) -> Self {
        Self { cause: Cause::Database(error) }
    }
}

/// Shows of an error of the database its code, or what kind of error it is.
impl fmt::Debug for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SyncError");
        shown.field("kind", &self.kind());
        match &self.cause {
            Cause::Undecodable(reason) => shown.field("reason", reason).finish(),
            Cause::Database(sqlx::Error::Database(error)) => shown.field("code", &error.code()).finish(),
            Cause::Database(error) => shown.field("error", &Name(error)).finish_non_exhaustive(),
            Cause::Hook(failure) => shown.field("outcome", &failure.outcome()).finish_non_exhaustive(),
        }
    }
}

/// Shows the name of an error that is not the answer of a database, without what it says.
struct Name<'a>(&'a sqlx::Error);

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            sqlx::Error::Configuration(_) => "Configuration",
            sqlx::Error::Io(error) => return write!(f, "Io({:?})", error.kind()),
            sqlx::Error::Tls(_) => "Tls",
            sqlx::Error::Protocol(_) => "Protocol",
            sqlx::Error::RowNotFound => "RowNotFound",
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => "Decode",
            sqlx::Error::Encode(_) => "Encode",
            sqlx::Error::PoolTimedOut => "PoolTimedOut",
            sqlx::Error::PoolClosed => "PoolClosed",
            sqlx::Error::WorkerCrashed => "WorkerCrashed",
            sqlx::Error::BeginFailed => "BeginFailed",
            _ => "Other",
        })
    }
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Undecodable(reason) => f.write_str(reason),
            Cause::Database(error) => {
                f.write_str("the database could not keep what the event says")?;
                match error.as_database_error().and_then(|error| error.code()) {
                    Some(code) => write!(f, " (code {code})"),
                    None => Ok(()),
                }
            }
            Cause::Hook(_) => f.write_str("what the application does about a change has failed"),
        }
    }
}

impl Error for SyncError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Undecodable(_) => None,
            Cause::Database(error) => Some(error),
            Cause::Hook(failure) => Some(failure.error()),
        }
    }
}
