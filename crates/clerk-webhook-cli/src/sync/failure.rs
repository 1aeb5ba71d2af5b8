//! Explains errors of imports and of the database.

use clerk_webhook_sync::{BackendApiErrorKind, ImportError, SyncError, SyncErrorKind};
use sqlx::error::DatabaseError;

use super::Prefix;
use crate::database::why;
use crate::failure::Failure;

/// Returns the failure for the error of an import, a comparison, or a refresh. `instance` is the instance in the settings.
pub(crate) fn explain(error: &ImportError, prefix: &Prefix, instance: Option<&str>) -> Failure {
    match error {
        ImportError::Api(error) => {
            let message = match std::error::Error::source(error) {
                Some(source) => format!("{error} ({source})"),
                None => error.to_string(),
            };
            match error.kind() {
                BackendApiErrorKind::Unauthorized => Failure::Usage(format!("CLERK_SECRET_KEY: {message}.")),
                BackendApiErrorKind::RateLimited | BackendApiErrorKind::Unavailable => Failure::Network(
                    format!("{message}. Rows that were written stay. Run the command again to continue."),
                ),
                _ => Failure::Network(format!("{message}.")),
            }
        }
        ImportError::Sync(error) => explain_sync(error, prefix),
        ImportError::OtherInstance { tables, key, .. } if instance == Some(tables.as_str()) => {
            Failure::Refused(format!(
                "CLERK_SECRET_KEY belongs to {key}, but --instance or CLERK_INSTANCE_ID is {tables}. Nothing was written. \
                 Use the key of {tables}, or remove this setting."
            ))
        }
        ImportError::OtherInstance { tables, key, .. } => Failure::Refused(format!(
            "CLERK_SECRET_KEY belongs to {key}, these tables hold {tables}. Nothing was written. Use the key of \
             {tables}, or other tables with --schema or --prefix."
        )),
        ImportError::UnrelatedInstance { key, .. } => Failure::Refused(format!(
            "CLERK_SECRET_KEY belongs to {key}, and no user or organization of these tables exists there. Nothing was \
             written. Use the key of the instance that sends the events, or other tables with --schema or --prefix. If {key} sends \
             the events, add --instance {key}."
        )),
        ImportError::EmptyList { resource, rows, .. } => Failure::Refused(format!(
            "Clerk lists no {resource}, but the table has {rows} rows. No row was deleted. Check CLERK_SECRET_KEY. If the \
             instance is really empty, add --force."
        )),
        ImportError::TooManyDeletions { resource, surplus, rows, .. } => Failure::Refused(format!(
            "Clerk no longer holds {surplus} of {rows} {resource}, more than --max-tombstones allows. No row of this \
             table was deleted. Check CLERK_SECRET_KEY and the list of --dry-run, then raise --max-tombstones or add --force."
        )),
        ImportError::AlreadyRunning => Failure::Network(
            "another import or comparison is writing to these tables. Wait until it ends, then run the command again."
                .to_owned(),
        ),
        ImportError::LeaseLost => Failure::Network(
            "another import or comparison has taken over, because this one was too slow. Wait until it ends, then run \
             the command again."
                .to_owned(),
        ),
        error => Failure::Usage(format!("{error}.")),
    }
}

/// Returns the failure for an error of the tables.
pub(crate) fn explain_sync(error: &SyncError, prefix: &Prefix) -> Failure {
    let source = std::error::Error::source(error);
    match source.and_then(|source| source.downcast_ref::<sqlx::Error>()) {
        Some(error) => explain_database(error),
        // Only the error for a missing table or column has no source.
        None if error.kind() == SyncErrorKind::Database => Failure::Schema(format!(
            "a table or a column is missing. Run: clerk-webhook db migrate{}",
            prefix.option()
        )),
        None => Failure::Network(error.to_string()),
    }
}

/// Returns the failure for an error of the database.
pub(crate) fn explain_database(error: &sqlx::Error) -> Failure {
    Failure::network(format_args!("cannot use the database: {}", why(error)))
}

/// Returns whether the error means that a table, a column, or a schema is missing.
fn is_absent(error: &dyn DatabaseError) -> bool {
    let message = error.message();
    // SQLite has only one code for all errors in a statement. The Postgres codes mean: no table, no column, no
    // schema.
    ["no such table", "no such column", "unknown database"].iter().any(|cause| message.starts_with(cause))
        || matches!(error.code().as_deref(), Some("42P01" | "42703" | "3F000"))
}

/// Returns whether a table is missing, as the store and the queue report it.
pub(crate) fn is_missing(error: &sqlx::Error) -> bool {
    match error {
        // The names of the tables were valid, so only a missing table has this kind.
        sqlx::Error::Configuration(_) => true,
        sqlx::Error::Database(error) => is_absent(&**error),
        _ => false,
    }
}
