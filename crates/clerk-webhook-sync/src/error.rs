//! The error if an event could not be applied.

use std::error::Error;
use std::fmt;

use clerk_webhook_core::Failure;
use sqlx::error::DatabaseError;

/// The error if an event could not be applied.
///
/// If a handler returns this error with `?`, the sender retries the delivery. To keep the outcome that a hook
/// requested, return [`into_failure`](Self::into_failure) instead.
///
/// `Display` and `Debug` show the same text, which contains no event data. If a table or a column is missing,
/// the text contains the database's message and what to do, and [`source`](Error::source) returns `None`.
/// Otherwise the source is the unchanged error from sqlx or from the hook. A source from Postgres can contain
/// complete rows.
pub struct SyncError {
    cause: Cause,
}

enum Cause {
    Undecodable(String),
    Database(sqlx::Error),
    Hook(Failure),
}

/// The cause of a [`SyncError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncErrorKind {
    /// The data does not match the event's type. A later version of this crate may decode it.
    Undecodable,
    /// The database rejected a statement or cannot be reached.
    Database,
    /// The hook that was registered with [`on_change`](crate::ClerkSync::on_change) failed.
    Hook,
}

impl SyncError {
    /// Creates an error from a reason that contains the path of the mismatch, but never the value.
    pub(crate) fn undecodable(reason: String) -> Self {
        Self { cause: Cause::Undecodable(reason) }
    }

    pub(crate) fn hook(failure: Failure) -> Self {
        Self { cause: Cause::Hook(failure) }
    }

    /// Returns whether Postgres rejected a statement because of a concurrent transaction. A retry can
    /// succeed.
    pub(crate) fn is_conflict(&self) -> bool {
        match &self.cause {
            Cause::Database(sqlx::Error::Database(error)) => {
                // serialization_failure and deadlock_detected
                matches!(error.code().as_deref(), Some("40001" | "40P01"))
            }
            _ => false,
        }
    }

    /// Returns the cause.
    #[must_use]
    pub fn kind(&self) -> SyncErrorKind {
        match self.cause {
            Cause::Undecodable(_) => SyncErrorKind::Undecodable,
            Cause::Database(_) => SyncErrorKind::Database,
            Cause::Hook(_) => SyncErrorKind::Hook,
        }
    }

    /// Returns the failure that a handler should return.
    ///
    /// If a hook failed, this is the hook's failure. Otherwise it makes the sender retry the delivery.
    pub fn into_failure(self) -> Failure {
        match self.cause {
            Cause::Hook(failure) => failure,
            _ => Failure::retry(self),
        }
    }
}

impl From<sqlx::Error> for SyncError {
    fn from(error: sqlx::Error) -> Self {
        Self { cause: Cause::Database(advise(error)) }
    }
}

/// Adds the advice to migrate if a table or a column of this crate is missing.
pub(crate) fn advise(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Database(error) if is_missing(&*error) => {
            sqlx::Error::Configuration(Box::new(NotMigrated { message: error.message().to_owned() }))
        }
        error => error,
    }
}

/// Returns whether a table or a column is missing.
///
/// Also compares the message, because SQLite uses one code for most errors.
fn is_missing(error: &dyn DatabaseError) -> bool {
    // undefined_table and undefined_column
    let is_code = matches!(error.code().as_deref(), Some("42P01" | "42703"));
    is_code || ["no such table", "no such column"].iter().any(|text| error.message().starts_with(text))
}

/// The error if the database lacks this version's tables.
///
/// It has no source, because its text already contains the database's message.
struct NotMigrated {
    message: String,
}

impl fmt::Display for NotMigrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. Run `ClerkSync::migrate()` when the application starts", self.message)
    }
}

/// Shows the same text as `Display`, because a user sees it if `main` returns the error.
impl fmt::Debug for NotMigrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for NotMigrated {}

/// Shows the same text as `Display`, because a user sees it if `main` returns the error.
impl fmt::Debug for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows the name of an error that does not come from the database server, without its message.
struct Name<'a>(&'a sqlx::Error);

impl fmt::Display for Name<'_> {
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
            Cause::Database(sqlx::Error::Configuration(error)) if error.is::<NotMigrated>() => {
                fmt::Display::fmt(error, f)
            }
            Cause::Database(error) => {
                f.write_str("the database could not apply the event")?;
                match error.as_database_error().and_then(|error| error.code()) {
                    Some(code) => write!(f, " (code {code})"),
                    None => write!(f, " ({})", Name(error)),
                }
            }
            Cause::Hook(_) => {
                f.write_str("the function that you registered with `on_change` returned an error")
            }
        }
    }
}

impl Error for SyncError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Undecodable(_) => None,
            Cause::Database(sqlx::Error::Configuration(error)) if error.is::<NotMigrated>() => None,
            Cause::Database(error) => Some(error),
            Cause::Hook(failure) => Some(failure.error()),
        }
    }
}
