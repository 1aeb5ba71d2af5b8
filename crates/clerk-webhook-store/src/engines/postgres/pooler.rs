//! Poolers in transaction mode, such as PgBouncer, between the application and the server.
//!
//! Such a pooler gives a client another server connection for each transaction. sqlx prepares a statement in one exchange
//! and executes it in the next one, so outside of a transaction the two may reach different server connections: the
//! statement is missing there, or its name belongs to another statement, which then runs instead.
//!
//! [`Mode`] is how this crate avoids that, and [`refuse`] is what finds a pool that cannot avoid it.

use std::error::Error;
use std::fmt;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Row as _};

use crate::engines::sql::detach::DetachOnDrop;

/// How often the probe looks for a change of the server connection. On a pooler that nobody else uses the first look
/// finds it; on one with two server connections that others keep busy, every second one does.
const LOOKS: u32 = 10;

/// Identifies a server connection, also if several servers are behind one address.
const SERVER_CONNECTION: &str =
    "SELECT pg_catalog.pg_backend_pid()::text || ' ' || pg_catalog.pg_postmaster_start_time()::text";

/// Removes the statements that clients of sqlx have left on the server connection, and only those: newer versions of
/// PgBouncer keep others there.
const REMOVE_STATEMENTS: &str = "\
DO $$DECLARE statement text; BEGIN
    FOR statement IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE name LIKE 'sqlx\\_s\\_%' LOOP
        EXECUTE 'DEALLOCATE ' || pg_catalog.quote_ident(statement);
    END LOOP;
END$$";

/// How statements run on the connections of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The pool keeps prepared statements, so each connection has to be one connection to the server.
    KeepsStatements,
    /// The pool keeps none. Every statement is unnamed and inside a transaction, which works behind poolers in
    /// transaction mode and in session mode.
    PoolerSafe,
}

impl Mode {
    /// Reads the mode from the options of a pool.
    #[must_use]
    pub fn of(pool: &PgPool) -> Self {
        // sqlx has no getter for the capacity; and `to_url_lossy` panics if host or user cannot be part of a URL.
        let options = PgConnectOptions::clone(&pool.connect_options()).host("localhost").username("postgres");
        let url = options.to_url_lossy();
        let keeps_none =
            url.query_pairs().any(|(name, value)| name == "statement-cache-capacity" && value == "0");
        if keeps_none { Self::PoolerSafe } else { Self::KeepsStatements }
    }

    /// Returns whether statements are named, and kept for the next time.
    #[must_use]
    pub const fn keeps_statements(self) -> bool {
        matches!(self, Self::KeepsStatements)
    }

    /// Prepares a transaction for statements of the application, which is the first thing to do in it.
    ///
    /// They are named unless the application says `persistent(false)`. A pool that keeps none leaves them on the server,
    /// and the next client of the server connection could not use the same names.
    ///
    /// # Errors
    ///
    /// Returns an error if Postgres does not run it; then the transaction has failed.
    pub async fn prepare(self, transaction: &mut PgConnection) -> Result<(), sqlx::Error> {
        match self {
            Self::KeepsStatements => Ok(()),
            Self::PoolerSafe => sqlx::raw_sql(REMOVE_STATEMENTS).execute(transaction).await.map(drop),
        }
    }
}

/// Runs one statement, and returns how many rows it has changed.
pub(super) async fn execute(
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

/// Runs one statement, and returns all of its rows: an error can follow a row, when the statement is committed.
pub(super) async fn fetch(
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

/// Returns an error if the pool keeps statements and a pooler in transaction mode is in the way.
///
/// It uses a connection of the pool, and another one that it opens, for at most the `acquire_timeout` of the pool.
///
/// # Errors
///
/// Also if the server does not answer, or does not allow the other connection.
pub async fn refuse(mode: Mode, pool: &PgPool) -> Result<(), sqlx::Error> {
    if !mode.keeps_statements() {
        return Ok(());
    }
    // The pool waits for a server that is still starting.
    let mut one = pool.acquire().await?;
    let options = pool.connect_options();
    let probe = shares_connections(&mut one, &options);
    let probe = tokio::time::timeout(pool.options().get_acquire_timeout(), probe);
    if probe.await.map_err(|_| sqlx::Error::PoolTimedOut)?? {
        return Err(sqlx::Error::Configuration(Box::new(PoolerInTheWay)));
    }
    Ok(())
}

/// Returns whether two open connections use the same server connection, or one connection uses two.
async fn shares_connections(one: &mut PgConnection, options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut other = PgConnection::connect_with(options).await?;
    let first = server_connection(one).await?;
    let mut shares = false;
    for _ in 0..LOOKS {
        // The pooler cannot give the server connection of an open transaction to anybody else.
        let mut transaction = other.begin().await?;
        let of_other = server_connection(&mut transaction).await?;
        shares = of_other == first || server_connection(one).await? != first;
        transaction.rollback().await?;
        // Once more, or a pooler that takes two server connections in turns could always give the same one.
        shares = shares || server_connection(one).await? != first;
        if shares {
            break;
        }
    }
    Ok(shares)
}

/// Asks in a single exchange, which every pooler passes on as a whole.
async fn server_connection(connection: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::raw_sql(SERVER_CONNECTION).fetch_one(connection).await?.try_get(0)
}

/// The error of a pool that keeps prepared statements behind a pooler in transaction mode.
struct PoolerInTheWay;

impl fmt::Display for PoolerInTheWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the pool keeps prepared statements behind a pooler in transaction mode, such as PgBouncer, so a statement could \
             run on the wrong server connection. Set PgConnectOptions::statement_cache_capacity(0), or the parameter \
             statement-cache-capacity=0 in the URL. Or connect to Postgres directly, or to a pooler in session mode",
        )
    }
}

/// Shows the text: it is what a user sees if `main` returns the error.
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
    fn the_error_says_what_to_set() {
        let error = sqlx::Error::Configuration(Box::new(PoolerInTheWay));
        for text in [error.to_string(), format!("{error:?}")] {
            assert!(text.contains("statement_cache_capacity(0)"), "{text}");
        }
    }
}
