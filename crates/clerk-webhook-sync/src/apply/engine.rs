//! The databases.

use std::future::Future;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use clerk_webhook_store::internal::DetachOnDrop;
#[cfg(feature = "sqlite")]
use clerk_webhook_store::internal::begin_sqlite;
#[cfg(feature = "postgres")]
use clerk_webhook_store::internal::{Mode, refuse};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use sqlx::Row as _;
use sqlx::query::Query;
use sqlx::{Database, Pool, SqlStr, Transaction};

use crate::schema::dialect::Dialect;
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

    /// Binds the parameters of a statement.
    fn query(statement: SqlStr, parameters: &[Value]) -> Query<'static, Self, <Self as Database>::Arguments>;

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
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Reads a column of a row.
    fn get(row: &Self::Row, column: &str, kind: Kind) -> Result<Value, sqlx::Error>;

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

/// The methods that differ only in the names of types.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! access {
    ($database:ty) => {
        fn query(
            statement: SqlStr,
            parameters: &[Value],
        ) -> Query<'static, Self, <Self as Database>::Arguments> {
            parameters.iter().fold(sqlx::query::<$database>(statement), |query, parameter| match parameter {
                Value::Text(text) | Value::Json(text) => query.bind(text.as_deref()),
                Value::Integer(number) => query.bind(*number),
                Value::Boolean(yes) => query.bind(*yes),
            })
        }

        async fn execute(
            connection: &mut Self::Connection,
            statement: SqlStr,
            kept: bool,
            parameters: &[Value],
        ) -> Result<u64, sqlx::Error> {
            let query = Self::query(statement, parameters).persistent(kept);
            Ok(query.execute(connection).await?.rows_affected())
        }

        async fn fetch(
            connection: &mut Self::Connection,
            statement: SqlStr,
            kept: bool,
            parameters: &[Value],
        ) -> Result<Vec<Self::Row>, sqlx::Error> {
            Self::query(statement, parameters).persistent(kept).fetch_all(connection).await
        }

        fn get(row: &Self::Row, column: &str, kind: Kind) -> Result<Value, sqlx::Error> {
            Ok(match kind {
                Kind::Text => Value::Text(row.try_get(column)?),
                Kind::Json => Value::Json(row.try_get(column)?),
                Kind::Integer => Value::Integer(row.try_get(column)?),
                Kind::Boolean => Value::Boolean(row.try_get(column)?),
            })
        }

        async fn run(connection: &mut Self::Connection, statements: SqlStr) -> Result<(), sqlx::Error> {
            sqlx::raw_sql(statements).execute(connection).await.map(drop)
        }
    };
}

#[cfg(feature = "sqlite")]
impl Access for sqlx::Sqlite {
    const DIALECT: Dialect = Dialect::Sqlite;

    async fn begin(pool: &Pool<Self>) -> Result<Transaction<'static, Self>, sqlx::Error> {
        let pool = pool.clone();
        DetachOnDrop::new(async move { begin_sqlite(&pool).await }).await
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

    access!(sqlx::Sqlite);
}

#[cfg(feature = "postgres")]
impl Access for sqlx::Postgres {
    const DIALECT: Dialect = Dialect::Postgres;

    async fn begin(pool: &Pool<Self>) -> Result<Transaction<'static, Self>, sqlx::Error> {
        let pool = pool.clone();
        // Whatever the server's default is: at the levels above this, who has waited for another one fails with an error.
        DetachOnDrop::new(async move { pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await }).await
    }

    fn keeps_statements(pool: &Pool<Self>) -> bool {
        Mode::of(pool).keeps_statements()
    }

    async fn refuse_pooler(pool: &Pool<Self>, keeps_statements: bool) -> Result<(), sqlx::Error> {
        let mode = if keeps_statements { Mode::KeepsStatements } else { Mode::PoolerSafe };
        refuse(mode, pool).await
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

    access!(sqlx::Postgres);
}
