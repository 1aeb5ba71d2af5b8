//! Readiness: whether this crate can use the tables now.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use tokio::time::timeout;

use crate::apply::engine::SyncDatabase;
use crate::sync::{ClerkSync, SchemaVersion};

/// How long a check waits for the database.
const LIMIT: Duration = Duration::from_secs(1);

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Checks that the database answers within 1 s, and that the tables are not older than this crate needs.
    ///
    /// Use it for the readiness probe of your application:
    ///
    /// ```
    /// use clerk_webhook_sync::ClerkSync;
    ///
    /// /// Returns the status and the body of `/readyz`.
    /// async fn readyz(sync: &ClerkSync<sqlx::Sqlite>) -> (u16, String) {
    ///     match sync.check().await {
    ///         Ok(()) => (200, "ready".to_owned()),
    ///         Err(reason) => (503, reason.to_string()),
    ///     }
    /// }
    /// ```
    ///
    /// Newer tables pass the check: a rolling update migrates them before it replaces the last process. Each check
    /// reads the database. If anybody can request the probe, keep the result for a few seconds.
    ///
    /// # Errors
    ///
    /// Returns the reason why the sync is not ready.
    pub async fn check(&self) -> Result<(), NotReady> {
        let sync = self.clone();
        // The task completes the statement after the limit, so that its connection stays usable.
        let asking = tokio::spawn(async move { sync.schema_version().await });
        match timeout(LIMIT, asking).await {
            Ok(Ok(Ok(version))) if version.found < version.needed => Err(NotReady::OldTables(version)),
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(error))) => Err(NotReady::Database(error)),
            Ok(Err(_)) | Err(_) => Err(NotReady::NoAnswer { limit: LIMIT }),
        }
    }
}

/// Why a sync is not ready.
#[derive(Debug)]
#[non_exhaustive]
pub enum NotReady {
    /// The database did not answer in time.
    #[non_exhaustive]
    NoAnswer {
        /// How long the check waited.
        limit: Duration,
    },
    /// The database cannot be read.
    Database(sqlx::Error),
    /// The tables are missing (version 0), or older than this crate needs.
    OldTables(SchemaVersion),
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer { limit } => write!(f, "the database did not answer in {} s", limit.as_secs()),
            Self::Database(_) => f.write_str("the database cannot be read"),
            Self::OldTables(SchemaVersion { found, needed }) => write!(
                f,
                "the tables have version {found}, and this crate needs version {needed}. Call `ClerkSync::migrate()`"
            ),
        }
    }
}

impl Error for NotReady {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            _ => None,
        }
    }
}
