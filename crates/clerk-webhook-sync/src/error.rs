//! Why an event could not be applied.

use std::error::Error;
use std::fmt;

use clerk_webhook_core::Failure;
use sqlx::error::DatabaseError;

/// The error of an event that could not be applied.
///
/// As the [`Failure`] of a handler it lets the sender try again; [`into_failure`](Self::into_failure) keeps what else a hook
/// has asked for.
///
/// `Display` and `Debug` show the same text, which contains nothing of the event. If a table or a column is missing, the text
/// is that of the database and says what to do, and there is no [`source`](Error::source). Otherwise the source is the
/// unchanged error of sqlx or of the hook. That of Postgres can contain whole rows.
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
        Self { cause: Cause::Database(advise(error)) }
    }
}

/// Adds what to do to the error of a statement of this crate, if a table or a column is missing.
pub(crate) fn advise(error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::Database(error) if is_missing(&*error) => {
            sqlx::Error::Configuration(Box::new(NotMigrated { message: error.message().to_owned() }))
        }
        error => error,
    }
}

/// SQLite has one code for most errors, so its text decides.
fn is_missing(error: &dyn DatabaseError) -> bool {
    // undefined_table and undefined_column
    let is_code = matches!(error.code().as_deref(), Some("42P01" | "42703"));
    is_code || ["no such table", "no such column"].iter().any(|text| error.message().starts_with(text))
}

/// The error of a database without the tables of this version. It has no source, because its text contains that of the
/// database.
struct NotMigrated {
    message: String,
}

impl fmt::Display for NotMigrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. Run `ClerkSync::migrate()` at start", self.message)
    }
}

/// Shows the text: it is what a user sees if `main` returns the error.
impl fmt::Debug for NotMigrated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for NotMigrated {}

/// Shows the text: it is what a user sees if `main` returns the error.
impl fmt::Debug for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows the name of an error that is not the answer of a database, without what it says.
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
