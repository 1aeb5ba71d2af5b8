//! The databases.

use std::future::Future;

#[cfg(feature = "postgres")]
use clerk_webhook_store::internal::Mode;
#[cfg(feature = "sqlite")]
use sqlx::{Connection as _, SqlSafeStr as _};
use sqlx::{Database, Pool, SqlStr, Transaction};

use crate::schema::Dialect;
use crate::value::{Kind, Value};

/// A database that [`ClerkSync`](crate::ClerkSync) writes to: `sqlx::Sqlite` (feature `sqlite`) or `sqlx::Postgres`
/// (feature `postgres`).
pub trait SyncDatabase: Access {}

impl<DB: Access> SyncDatabase for DB {}

/// What is done with a database, in the same way with each. Nobody else can implement it.
pub trait Access: Database {
    const DIALECT: Dialect;

    /// Begins a transaction that writes.
    fn begin(
        pool: &Pool<Self>,
    ) -> impl Future<Output = Result<Transaction<'static, Self>, sqlx::Error>> + Send;

    /// Returns whether connections of the pool keep the statements that they have prepared. If not, every statement has
    /// to be unnamed and inside a transaction.
    fn keeps_statements(pool: &Pool<Self>) -> bool;

    /// Returns an error if the pool keeps statements, and a pooler in transaction mode makes that impossible.
    fn refuse_pooler(
        pool: &Pool<Self>,
        keeps_statements: bool,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Prepares a transaction for statements of the application, on a pool that keeps no statements.
    fn prepare(transaction: &mut Self::Connection) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement, which is kept for the next time or not, and returns how many rows it has changed.
    fn execute(
        connection: &mut Self::Connection,
        statement: SqlStr,
        kept: bool,
        parameters: &[Value],
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a statement, which is kept for the next time or not, and returns its rows.
    fn fetch(
        connection: &mut Self::Connection,
        statement: SqlStr,
        kept: bool,
        parameters: &[Value],
        kinds: &[Kind],
    ) -> impl Future<Output = Result<Vec<Vec<Value>>, sqlx::Error>> + Send;

    /// Runs several statements without parameters.
    fn run(
        connection: &mut Self::Connection,
        statements: SqlStr,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Fails where the transaction has failed already, whatever became of the error.
    fn ensure_alive(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Lets one at a time migrate, until the end of the transaction.
    fn take_turns(connection: &mut Self::Connection) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// Begins in a task of its own, which goes on when nobody waits for it any more.
///
/// Where sqlx is dropped while it waits for the answer to BEGIN, it gives a connection to Postgres back to its pool that is
/// inside a transaction and does not know it. Where it is dropped while it tries a connection, it closes that, and with it a
/// database in memory.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
async fn uncut<DB: Database>(
    begin: impl Future<Output = Result<Transaction<'static, DB>, sqlx::Error>> + Send + 'static,
) -> Result<Transaction<'static, DB>, sqlx::Error> {
    tokio::spawn(begin).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}

/// What differs in nothing but the names of types.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! access {
    ($database:ty, $connection:ty) => {
        async fn execute(
            connection: &mut $connection,
            statement: SqlStr,
            kept: bool,
            parameters: &[Value],
        ) -> Result<u64, sqlx::Error> {
            let mut query = sqlx::query::<$database>(statement).persistent(kept);
            for parameter in parameters {
                query = match parameter {
                    Value::Text(text) | Value::Json(text) => query.bind(text.as_deref()),
                    Value::Integer(number) => query.bind(*number),
                    Value::Boolean(yes) => query.bind(*yes),
                };
            }
            Ok(query.execute(connection).await?.rows_affected())
        }

        async fn fetch(
            connection: &mut $connection,
            statement: SqlStr,
            kept: bool,
            parameters: &[Value],
            kinds: &[Kind],
        ) -> Result<Vec<Vec<Value>>, sqlx::Error> {
            use sqlx::Row as _;

            let mut query = sqlx::query::<$database>(statement).persistent(kept);
            for parameter in parameters {
                query = match parameter {
                    Value::Text(text) | Value::Json(text) => query.bind(text.as_deref()),
                    Value::Integer(number) => query.bind(*number),
                    Value::Boolean(yes) => query.bind(*yes),
                };
            }
            let rows = query.fetch_all(connection).await?;
            let read = |row: &<$database as Database>::Row| {
                let columns = kinds.iter().enumerate().map(|(index, kind)| {
                    Ok(match kind {
                        Kind::Text => Value::Text(row.try_get(index)?),
                        Kind::Json => Value::Json(row.try_get(index)?),
                        Kind::Integer => Value::Integer(row.try_get(index)?),
                        Kind::Boolean => Value::Boolean(row.try_get(index)?),
                    })
                });
                columns.collect()
            };
            rows.iter().map(read).collect()
        }

        async fn run(connection: &mut $connection, statements: SqlStr) -> Result<(), sqlx::Error> {
            sqlx::raw_sql(statements).execute(connection).await.map(drop)
        }
    };
}

/// Acquires a connection that is outside of any transaction.
///
/// SQLite ends a transaction by itself where the disk is full or fails. The ROLLBACK of sqlx has nothing to roll back then
/// and fails, and sqlx counts that transaction as open for ever: such a connection begins none any more, and its pool keeps
/// it.
#[cfg(feature = "sqlite")]
async fn acquire_outside(
    pool: &Pool<sqlx::Sqlite>,
) -> Result<sqlx::pool::PoolConnection<sqlx::Sqlite>, sqlx::Error> {
    loop {
        let mut connection = pool.acquire().await?;
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        // A ROLLBACK may still be on its way, after which all is well.
        connection.ping().await?;
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        // What there is to roll back; an error says that there is something.
        sqlx::raw_sql("BEGIN").execute(&mut *connection).await.ok();
        // No statement of one's own begins a transaction within one: sqlx refuses it and sends a ROLLBACK, which counts
        // now. To close the connection would lose a database in memory.
        drop(connection.begin_with("BEGIN IMMEDIATE").await);
        // Comes after the ROLLBACK.
        connection.ping().await.ok();
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        // Transactions within one were open. Whatever closing it says, the pool opens another one.
        connection.close().await.ok();
    }
}

#[cfg(feature = "sqlite")]
impl Access for sqlx::Sqlite {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn begin(pool: &Pool<Self>) -> Result<Transaction<'static, Self>, sqlx::Error> {
        let pool = pool.clone();
        uncut(async move {
            let connection = acquire_outside(&pool).await?;
            // Immediate: one that reads first could not write any more once somebody else has. `Pool::begin_with` takes
            // any connection, so this calls what that calls.
            Transaction::begin(connection, Some("BEGIN IMMEDIATE".into_sql_str())).await
        })
        .await
    }

    fn keeps_statements(_pool: &Pool<Self>) -> bool {
        // And where it does not, nothing is left of them.
        true
    }

    async fn refuse_pooler(_pool: &Pool<Self>, _keeps_statements: bool) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn prepare(_transaction: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn ensure_alive(_connection: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
        // A statement that fails undoes itself and nothing else; where SQLite has ended the transaction with it, as on a full
        // disk, the COMMIT fails.
        Ok(())
    }

    async fn take_turns(_connection: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
        // As its transaction does already.
        Ok(())
    }

    access!(sqlx::Sqlite, sqlx::SqliteConnection);
}

#[cfg(feature = "postgres")]
impl Access for sqlx::Postgres {
    const DIALECT: Dialect = Dialect::Postgres;

    async fn begin(pool: &Pool<Self>) -> Result<Transaction<'static, Self>, sqlx::Error> {
        let pool = pool.clone();
        // Whatever the server's default is: at the levels above this, who has waited for another one fails with an error.
        uncut(async move { pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await }).await
    }

    fn keeps_statements(pool: &Pool<Self>) -> bool {
        Mode::of(pool).keeps_statements()
    }

    async fn refuse_pooler(pool: &Pool<Self>, keeps_statements: bool) -> Result<(), sqlx::Error> {
        let mode = if keeps_statements { Mode::KeepsStatements } else { Mode::PoolerSafe };
        clerk_webhook_store::internal::refuse(mode, pool).await
    }

    async fn prepare(transaction: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
        Mode::PoolerSafe.prepare(transaction).await
    }

    async fn ensure_alive(connection: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
        // After an error Postgres refuses all but the end of the transaction, and a COMMIT undoes it without a complaint.
        sqlx::raw_sql("SELECT").execute(connection).await.map(drop)
    }

    async fn take_turns(connection: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
        // `IF NOT EXISTS` alone fails where two run at once. The number is any that no application takes for something
        // else.
        let lock = sqlx::raw_sql("SELECT pg_catalog.pg_advisory_xact_lock(7164785587434629122)");
        lock.execute(connection).await.map(drop)
    }

    access!(sqlx::Postgres, sqlx::PgConnection);
}
