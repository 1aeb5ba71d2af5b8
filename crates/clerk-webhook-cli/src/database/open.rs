//! Opens a SQL database. URLs are never printed, because they can contain a password.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
#[cfg(feature = "sync")]
use sqlx::sqlite::SqliteJournalMode;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::error::why;
use crate::failure::Failure;

/// How long a connection to Postgres may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The kind of a SQL database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DatabaseKind {
    Sqlite,
    Postgres,
}

/// A SQL database that is not open yet.
pub(crate) enum SqlDatabase {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl SqlDatabase {
    #[cfg(feature = "sync")]
    pub(crate) fn kind(&self) -> DatabaseKind {
        match self {
            Self::Sqlite(_) => DatabaseKind::Sqlite,
            Self::Postgres(_) => DatabaseKind::Postgres,
        }
    }

    /// Parses the path of a SQLite file, or a URL. Returns `None` if the database is of another kind.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let options = match scheme(text) {
            None => SqliteConnectOptions::new().filename(text),
            Some("sqlite") => text.parse().ok()?,
            Some("postgres" | "postgresql") => {
                // A pooler in transaction mode rejects cached statements.
                let options: PgConnectOptions = text.parse().ok()?;
                return Some(Self::Postgres(Box::new(options.statement_cache_capacity(0))));
            }
            Some(_) => return None,
        };
        // A missing file is an error: it is probably a wrong path.
        let options = options.create_if_missing(false).synchronous(SqliteSynchronous::Full);
        Some(Self::Sqlite(Box::new(options)))
    }
}

/// Returns the scheme of a URL, or `None` if the text is a path. A single letter is a drive of Windows.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some(scheme)
}

/// Opens a SQLite file. `source` is the argument or the variable that names the file.
pub(crate) async fn open_sqlite(options: SqliteConnectOptions, source: &str) -> Result<SqlitePool, Failure> {
    if options.get_filename().is_dir() {
        return Err(Failure::usage(format_args!("{source} is a folder: pass the path of the SQLite file")));
    }
    if !options.get_filename().exists() {
        return Err(Failure::network(format_args!(
            "the SQLite file of {source} does not exist: check its path"
        )));
    }
    connect_sqlite(options, source).await
}

/// Opens a SQLite file, or creates it in WAL mode if it does not exist.
#[cfg(feature = "sync")]
pub(crate) async fn open_or_create_sqlite(
    options: SqliteConnectOptions,
    source: &str,
) -> Result<SqlitePool, Failure> {
    if options.get_filename().exists() {
        return open_sqlite(options, source).await;
    }
    connect_sqlite(options.create_if_missing(true).journal_mode(SqliteJournalMode::Wal), source).await
}

async fn connect_sqlite(options: SqliteConnectOptions, source: &str) -> Result<SqlitePool, Failure> {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
    pool.map_err(|error| {
        Failure::network(format_args!("cannot open the SQLite file of {source}: {}", why(&error)))
    })
}

/// Connects to Postgres. `source` is the argument or the variable that contains the URL.
pub(crate) async fn open_postgres(options: PgConnectOptions, source: &str) -> Result<PgPool, Failure> {
    let pool = PgPoolOptions::new().max_connections(2).acquire_timeout(CONNECT_TIMEOUT);
    pool.connect_with(options).await.map_err(|error| {
        let reason = match error {
            // The client repeats refused connections until the timeout.
            sqlx::Error::PoolTimedOut => format!(
                "no connection within {} s. Check that the server is running, and the host and port in the URL",
                CONNECT_TIMEOUT.as_secs()
            ),
            error => why(&error),
        };
        Failure::network(format_args!("cannot connect to the Postgres server of {source}: {reason}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_paths_and_urls_of_known_databases() {
        for text in ["app.db", "./a/app.db", "/tmp/a:b.db", r"C:\app.db", "sqlite:app.db", "sqlite:///a.db"] {
            assert!(matches!(SqlDatabase::of(text), Some(SqlDatabase::Sqlite(_))), "{text}");
        }
        for text in ["postgres://user:hidden@host/app", "postgresql://host"] {
            assert!(matches!(SqlDatabase::of(text), Some(SqlDatabase::Postgres(_))), "{text}");
        }
        for text in
            ["postgres://user:hidden@host:port/app", "mysql:app", "sqlite:a?mode=wrong", "file:app.db"]
        {
            assert!(SqlDatabase::of(text).is_none(), "{text}");
        }
    }

    #[test]
    fn never_creates_the_file() {
        let Some(SqlDatabase::Sqlite(options)) = SqlDatabase::of("sqlite:app.db?mode=rwc") else { panic!() };
        assert!(format!("{options:?}").contains("create_if_missing: false"), "{options:?}");
    }
}
