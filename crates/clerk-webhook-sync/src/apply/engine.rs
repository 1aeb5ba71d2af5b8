//! Access to SQLite and Postgres.

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

/// A database that [`ClerkSync`](crate::ClerkSync) writes to: `sqlx::Sqlite` (`sqlite` feature) or
/// `sqlx::Postgres` (`postgres` feature).
pub trait SyncDatabase: Access {}

impl<DB: Access> SyncDatabase for DB {}

/// The sync's operations on a database. Other crates cannot implement this trait.
pub trait Access: Database {
    const DIALECT: Dialect;

    /// Begins a transaction for writing.
    fn begin(
        pool: &Pool<Self>,
    ) -> impl Future<Output = Result<Transaction<'static, Self>, sqlx::Error>> + Send;

    /// Begins a transaction that writes many rows of one table.
    #[cfg(feature = "backend-api")]
    fn begin_bulk(
        pool: &Pool<Self>,
    ) -> impl Future<Output = Result<Transaction<'static, Self>, sqlx::Error>> + Send;

    /// Returns whether the pool's connections keep prepared statements. If not, every statement must be
    /// unnamed and inside a transaction.
    fn keeps_statements(pool: &Pool<Self>) -> bool;

    /// Returns an error if the pool keeps prepared statements behind a pooler in transaction mode.
    fn refuse_pooler(
        pool: &Pool<Self>,
        keeps_statements: bool,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Prepares a transaction for the hook's statements, on a pool that keeps no prepared statements.
    fn prepare(transaction: &mut Self::Connection) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Binds a statement's parameters.
    fn query<'v>(
        statement: SqlStr,
        parameters: impl IntoIterator<Item = &'v Value>,
    ) -> Query<'static, Self, <Self as Database>::Arguments>;

    /// Runs a statement and returns the number of changed rows. If `kept` is true, the connection keeps the
    /// prepared statement.
    fn execute(
        connection: &mut Self::Connection,
        statement: SqlStr,
        kept: bool,
        parameters: &[Value],
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Runs a statement and returns its rows. If `kept` is true, the connection keeps the prepared statement.
    fn fetch(
        connection: &mut Self::Connection,
        statement: SqlStr,
        kept: bool,
        parameters: &[Value],
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Binds a list of rows: in Postgres an array for each column, in SQLite each value. If `kept` is true, the
    /// connection keeps the prepared statement.
    #[cfg(feature = "backend-api")]
    fn query_list(
        statement: SqlStr,
        kept: bool,
        kinds: &[Kind],
        list: &[Vec<Value>],
    ) -> Query<'static, Self, <Self as Database>::Arguments>;

    /// Runs a query.
    #[cfg(feature = "backend-api")]
    fn execute_query(
        connection: &mut Self::Connection,
        query: Query<'static, Self, <Self as Database>::Arguments>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a query, and returns its rows.
    #[cfg(feature = "backend-api")]
    fn fetch_query(
        connection: &mut Self::Connection,
        query: Query<'static, Self, <Self as Database>::Arguments>,
    ) -> impl Future<Output = Result<Vec<Self::Row>, sqlx::Error>> + Send;

    /// Reads a column of a row.
    fn get(row: &Self::Row, column: &str, kind: Kind) -> Result<Value, sqlx::Error>;

    /// Runs several statements without parameters.
    fn run(
        connection: &mut Self::Connection,
        statements: SqlStr,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Returns an error if a statement in the transaction has failed, even if its error was ignored.
    fn ensure_alive(
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Blocks other migrations until the end of the transaction.
    fn take_turns(connection: &mut Self::Connection) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// The methods that differ only in the names of types.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
macro_rules! access {
    ($database:ty) => {
        fn query<'v>(
            statement: SqlStr,
            parameters: impl IntoIterator<Item = &'v Value>,
        ) -> Query<'static, Self, <Self as Database>::Arguments> {
            let query = sqlx::query::<$database>(statement);
            parameters.into_iter().fold(query, |query, parameter| match parameter {
                Value::Text(text) | Value::Json(text) => query.bind(text.as_deref()),
                Value::Integer(number) => query.bind(*number),
                Value::Boolean(yes) => query.bind(*yes),
            })
        }

        #[cfg(feature = "backend-api")]
        async fn execute_query(
            connection: &mut Self::Connection,
            query: Query<'static, Self, <Self as Database>::Arguments>,
        ) -> Result<(), sqlx::Error> {
            query.execute(connection).await.map(drop)
        }

        #[cfg(feature = "backend-api")]
        async fn fetch_query(
            connection: &mut Self::Connection,
            query: Query<'static, Self, <Self as Database>::Arguments>,
        ) -> Result<Vec<Self::Row>, sqlx::Error> {
            query.fetch_all(connection).await
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

    #[cfg(feature = "backend-api")]
    async fn begin_bulk(pool: &Pool<Self>) -> Result<Transaction<'static, Self>, sqlx::Error> {
        Self::begin(pool).await
    }

    fn keeps_statements(_pool: &Pool<Self>) -> bool {
        // No pooler exists for SQLite. Without a statement cache, SQLite finalizes each statement after use.
        true
    }

    async fn refuse_pooler(_pool: &Pool<Self>, _keeps_statements: bool) -> Result<(), sqlx::Error> {
        Ok(())
    }

    #[cfg(feature = "backend-api")]
    fn query_list(
        statement: SqlStr,
        kept: bool,
        _kinds: &[Kind],
        list: &[Vec<Value>],
    ) -> Query<'static, Self, <Self as Database>::Arguments> {
        Self::query(statement, list.iter().flatten()).persistent(kept)
    }

    async fn prepare(_transaction: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn ensure_alive(_connection: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
        // A failed statement undoes only itself. If SQLite has rolled back the transaction, for example
        // because the disk is full, COMMIT fails.
        Ok(())
    }

    async fn take_turns(_connection: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
        // The transaction holds the write lock already.
        Ok(())
    }

    access!(sqlx::Sqlite);
}

#[cfg(feature = "postgres")]
impl Access for sqlx::Postgres {
    const DIALECT: Dialect = Dialect::Postgres;

    async fn begin(pool: &Pool<Self>) -> Result<Transaction<'static, Self>, sqlx::Error> {
        let pool = pool.clone();
        // This overrides the server's default isolation level. At a higher level, a statement that has waited
        // for another transaction fails.
        DetachOnDrop::new(async move { pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await }).await
    }

    #[cfg(feature = "backend-api")]
    async fn begin_bulk(pool: &Pool<Self>) -> Result<Transaction<'static, Self>, sqlx::Error> {
        let pool = pool.clone();
        // In an empty table, Postgres reads all rows instead of the index, and keeps this plan while the table grows.
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL enable_seqscan = off";
        DetachOnDrop::new(async move { pool.begin_with(begin).await }).await
    }

    fn keeps_statements(pool: &Pool<Self>) -> bool {
        Mode::of(pool).keeps_statements()
    }

    async fn refuse_pooler(pool: &Pool<Self>, keeps_statements: bool) -> Result<(), sqlx::Error> {
        let mode = if keeps_statements { Mode::KeepsStatements } else { Mode::PoolerSafe };
        refuse(mode, pool).await
    }

    #[cfg(feature = "backend-api")]
    fn query_list(
        statement: SqlStr,
        kept: bool,
        kinds: &[Kind],
        list: &[Vec<Value>],
    ) -> Query<'static, Self, <Self as Database>::Arguments> {
        let query = sqlx::query::<Self>(statement).persistent(kept);
        kinds.iter().enumerate().fold(query, |query, (index, kind)| {
            let column = list.iter().filter_map(|row| row.get(index));
            match kind {
                Kind::Text | Kind::Json => query.bind(column.map(Value::as_text).collect::<Vec<_>>()),
                Kind::Integer => query.bind(column.map(Value::as_integer).collect::<Vec<_>>()),
                Kind::Boolean => query.bind(column.map(Value::as_boolean).collect::<Vec<_>>()),
            }
        })
    }

    async fn prepare(transaction: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
        Mode::PoolerSafe.prepare(transaction).await
    }

    async fn ensure_alive(connection: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
        // After an error, Postgres rejects every further statement in the transaction, but COMMIT rolls back
        // without an error.
        sqlx::raw_sql("SELECT").execute(connection).await.map(drop)
    }

    async fn take_turns(connection: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
        // `IF NOT EXISTS` alone fails if two migrations run at the same time. The lock's number is arbitrary,
        // so the application is unlikely to use it.
        let lock = sqlx::raw_sql("SELECT pg_catalog.pg_advisory_xact_lock(7164785587434629122)");
        lock.execute(connection).await.map(drop)
    }

    access!(sqlx::Postgres);
}
