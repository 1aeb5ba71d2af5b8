//! Support for poolers in transaction mode, such as PgBouncer, between the application and the server.
//!
//! A pooler in transaction mode may give a client a different server connection for each transaction. sqlx
//! prepares a statement in one exchange and executes it in the next one. Outside of a transaction, the two
//! exchanges may reach different server connections. The second connection might not know the statement, or
//! might know a different statement with the same name and run it.
//!
//! [`Mode`] selects how statements run, to avoid this. [`refuse`] returns an error for a pool that cannot
//! avoid it.

use std::error::Error;
use std::fmt;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Row as _};

use crate::engines::sql::detach::DetachOnDrop;

/// The number of times that the probe checks for a change of the server connection. On an idle pooler, the
/// first check finds a change. On a busy pooler with two server connections, about every second check does.
const LOOKS: u32 = 10;

/// Identifies a server connection, even if several servers share one address.
const SERVER_CONNECTION: &str =
    "SELECT pg_catalog.pg_backend_pid()::text || ' ' || pg_catalog.pg_postmaster_start_time()::text";

/// Removes sqlx's prepared statements from the server connection. Newer versions of PgBouncer keep other
/// statements there, which must stay.
const REMOVE_STATEMENTS: &str = "\
DO $$DECLARE statement text; BEGIN
    FOR statement IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE name LIKE 'sqlx\\_s\\_%' LOOP
        EXECUTE 'DEALLOCATE ' || pg_catalog.quote_ident(statement);
    END LOOP;
END$$";

/// How statements run on a pool's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The pool caches prepared statements. Each of its connections must always use the same server
    /// connection.
    KeepsStatements,
    /// The pool caches no statements. Every statement is unnamed and runs inside a transaction. This works
    /// with poolers in transaction mode and in session mode.
    PoolerSafe,
}

impl Mode {
    /// Reads the mode from a pool's options.
    #[must_use]
    pub fn of(pool: &PgPool) -> Self {
        // sqlx has no getter for the capacity, so this reads it from the URL. `to_url_lossy` panics if the
        // host or the user cannot be part of a URL.
        let options = PgConnectOptions::clone(&pool.connect_options()).host("localhost").username("postgres");
        let url = options.to_url_lossy();
        let keeps_none =
            url.query_pairs().any(|(name, value)| name == "statement-cache-capacity" && value == "0");
        if keeps_none { Self::PoolerSafe } else { Self::KeepsStatements }
    }

    /// Returns whether statements are named and cached.
    #[must_use]
    pub const fn keeps_statements(self) -> bool {
        matches!(self, Self::KeepsStatements)
    }

    /// Prepares a transaction for the application's statements.
    ///
    /// Call it before any other statement. The application's statements are named unless it sets
    /// `persistent(false)`. A pool without a cache leaves named statements on the server connection, where
    /// they would conflict with the names of the next client.
    ///
    /// # Errors
    ///
    /// Returns the database's error. The transaction has failed in this case.
    pub async fn prepare(self, transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::KeepsStatements => Ok(()),
            Self::PoolerSafe => sqlx::raw_sql(REMOVE_STATEMENTS).execute(transaction).await.map(drop),
        }
    }
}

/// Runs one statement, and returns the number of changed rows.
///
/// # Errors
///
/// Returns the database's error.
pub async fn execute(
    mode: Mode,
    pool: &PgPool,
    query: Query<'static, Postgres, PgArguments>,
) -> Result<u64, sqlx::Error> {
    if mode.keeps_statements() {
        return Ok(query.execute(pool).await?.rows_affected());
    }
    let pool = pool.clone();
    DetachOnDrop::new(async move {
        let mut transaction = pool.begin().await?;
        let done = query.persistent(false).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(done.rows_affected())
    })
    .await
}

/// Runs one statement, and returns all rows. It reads the response to the end, because the commit can fail
/// after the first row.
///
/// # Errors
///
/// Returns the database's error.
pub async fn fetch(
    mode: Mode,
    pool: &PgPool,
    query: Query<'static, Postgres, PgArguments>,
) -> Result<Vec<PgRow>, sqlx::Error> {
    if mode.keeps_statements() {
        return query.fetch_all(pool).await;
    }
    let pool = pool.clone();
    DetachOnDrop::new(async move {
        let mut transaction = pool.begin().await?;
        let rows = query.persistent(false).fetch_all(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(rows)
    })
    .await
}

/// Checks that no pooler in transaction mode is between the pool and the server, if the pool caches
/// statements.
///
/// The check uses one connection from the pool and opens another one. It takes at most the pool's
/// `acquire_timeout`.
///
/// # Errors
///
/// Returns an error if the check finds such a pooler, if the server does not answer, or if it rejects the
/// second connection.
pub async fn refuse(mode: Mode, pool: &PgPool) -> Result<(), sqlx::Error> {
    if !mode.keeps_statements() {
        return Ok(());
    }
    // Acquires the pool's connection first, because the pool waits for a server that is still starting.
    let mut one = pool.acquire().await?;
    let options = pool.connect_options();
    let probe = shares_connections(&mut one, &options);
    let probe = tokio::time::timeout(pool.options().get_acquire_timeout(), probe);
    if probe.await.map_err(|_| sqlx::Error::PoolTimedOut)?? {
        return Err(sqlx::Error::Configuration(Box::new(PoolerInTheWay)));
    }
    Ok(())
}

/// Returns whether two client connections share a server connection, or one client connection uses two.
async fn shares_connections(one: &mut PgConnection, options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut other = PgConnection::connect_with(options).await?;
    let first = server_connection(one).await?;
    let mut shares = false;
    for _ in 0..LOOKS {
        // While a transaction is open, the pooler cannot give its server connection to another client.
        let mut transaction = other.begin().await?;
        let of_other = server_connection(&mut transaction).await?;
        shares = of_other == first || server_connection(one).await? != first;
        transaction.rollback().await?;
        // Compare a second time, because a pooler that alternates between two server connections could return
        // the first one again.
        shares = shares || server_connection(one).await? != first;
        if shares {
            break;
        }
    }
    Ok(shares)
}

/// Returns the server connection's identity. A raw query is a single exchange, which no pooler splits.
async fn server_connection(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::raw_sql(SERVER_CONNECTION).fetch_one(connection).await?.try_get(0)
}

/// The error if a pool caches prepared statements and connects to a pooler in transaction mode.
struct PoolerInTheWay;

impl fmt::Display for PoolerInTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the pool caches prepared statements, but connects to a pooler in transaction mode, such as \
             PgBouncer, so a statement could run on a different server connection. Set \
             PgConnectOptions::statement_cache_capacity(0), or the parameter statement-cache-capacity=0 in the \
             URL. Or connect to Postgres directly, or to a pooler in session mode",
        )
    }
}

/// Shows the text, because a `main` that returns the error prints its `Debug` form.
impl fmt::Debug for PoolerInTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PoolerInTheWay {}

#[cfg(test)]
mod tests {
    use sqlx::postgres::PgPoolOptions;

    use super::*;

    #[tokio::test]
    async fn reads_the_mode_from_any_options() {
        let options = PgConnectOptions::new_without_pgpass;
        for options in [
            options(),
            options().host("::1").password("#?").database("é"),
            options().host("two words"),
            options().username("a:b@c/d e"),
            options().socket("/var/run/post gresql"),
        ] {
            for (capacity, mode) in
                [(0, Mode::PoolerSafe), (1, Mode::KeepsStatements), (100, Mode::KeepsStatements)]
            {
                let pool = PgPoolOptions::new()
                    .connect_lazy_with(options.clone().statement_cache_capacity(capacity));
                assert_eq!(Mode::of(&pool), mode, "{capacity}");
            }
        }
    }

    #[test]
    fn the_error_names_the_setting() {
        let error = sqlx::Error::Configuration(Box::new(PoolerInTheWay));
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.contains("statement_cache_capacity(0)"), "{text}");
        }
    }
}
