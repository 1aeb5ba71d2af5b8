//! Runs graphile_worker's statements on this crate's connection.

use std::any::Any;
use std::collections::HashMap;

use graphile_worker::sqlx::SqlxDatabase;
use graphile_worker::{
    BoxFuture, Database, DatabaseDriver, DbCell, DbError, DbExecutor, DbExecutorArg, DbParams, DbRow,
    DbTransaction, DbValue, NotificationStream,
};
use sqlx::postgres::{PgArguments, PgConnection, PgPool, PgRow};
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, Column as _, Postgres, Row as _, TypeInfo as _};

/// A connection that names the statements of graphile_worker only if the pool caches them.
///
/// graphile_worker's own executor always names them, even if the pool has no cache. Behind a pooler, their
/// names would then conflict with the names of another client.
pub(super) struct Executor<'c> {
    connection: &'c mut PgConnection,
    keeps_statements: bool,
    /// The error of the last statement, because graphile_worker keeps only its text.
    error: Option<sqlx::Error>,
}

impl<'c> Executor<'c> {
    pub(super) fn new(connection: &'c mut PgConnection, keeps_statements: bool) -> Self {
        Self { connection, keeps_statements, error: None }
    }

    /// Returns sqlx's error if there is one, and otherwise graphile_worker's error.
    pub(super) fn error(self, error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
        self.error.unwrap_or_else(|| sqlx::Error::Decode(Box::new(error)))
    }

    fn failed(&mut self, error: sqlx::Error) -> DbError {
        let text = DbError::new(error.to_string());
        self.error = Some(error);
        text
    }

    fn query(&self, sql: &str, params: &DbParams) -> Query<'static, Postgres, PgArguments> {
        let query = sqlx::query(AssertSqlSafe(sql.to_owned()));
        params.values().iter().fold(query, bind).persistent(self.keeps_statements)
    }
}

impl DbExecutorArg for Executor<'_> {
    fn execute<'a>(&'a mut self, sql: &'a str, params: DbParams) -> BoxFuture<'a, Result<u64, DbError>> {
        Box::pin(async move {
            let query = self.query(sql, &params);
            match query.execute(&mut *self.connection).await {
                Ok(done) => Ok(done.rows_affected()),
                Err(error) => Err(self.failed(error)),
            }
        })
    }

    fn fetch_all<'a>(
        &'a mut self,
        sql: &'a str,
        params: DbParams,
    ) -> BoxFuture<'a, Result<Vec<DbRow>, DbError>> {
        Box::pin(async move {
            let query = self.query(sql, &params);
            let rows = query.fetch_all(&mut *self.connection).await;
            let rows = rows.and_then(|rows| rows.iter().map(db_row).collect());
            rows.map_err(|error| self.failed(error))
        })
    }
}

/// A database for graphile_worker's migrations that runs each statement unnamed and inside a transaction.
///
/// graphile_worker's own database runs some statements outside of a transaction. A pooler may then prepare and
/// execute such a statement on different server connections.
#[derive(Debug)]
pub(super) struct PoolerSafe(SqlxDatabase);

impl PoolerSafe {
    pub(super) fn database(pool: &PgPool) -> Database {
        Database::new(Self(SqlxDatabase::new(pool.clone()).with_prepared_statements(false)))
    }
}

impl DbExecutor for PoolerSafe {
    fn execute<'a>(&'a self, sql: &'a str, params: DbParams) -> BoxFuture<'a, Result<u64, DbError>> {
        Box::pin(async move {
            let transaction = self.0.begin().await?;
            let rows = transaction.execute(sql, params).await?;
            transaction.commit().await?;
            Ok(rows)
        })
    }

    fn fetch_all<'a>(&'a self, sql: &'a str, params: DbParams) -> BoxFuture<'a, Result<Vec<DbRow>, DbError>> {
        Box::pin(async move {
            let transaction = self.0.begin().await?;
            let rows = transaction.fetch_all(sql, params).await?;
            transaction.commit().await?;
            Ok(rows)
        })
    }
}

impl DatabaseDriver for PoolerSafe {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn begin(&self) -> BoxFuture<'_, Result<DbTransaction, DbError>> {
        self.0.begin()
    }

    fn listen<'a>(&'a self, _channel: &'a str) -> BoxFuture<'a, Result<Option<NotificationStream>, DbError>> {
        Box::pin(async { Ok(None) })
    }
}

fn bind(
    query: Query<'static, Postgres, PgArguments>,
    value: &DbValue,
) -> Query<'static, Postgres, PgArguments> {
    match value {
        DbValue::Bool(value) => query.bind(*value),
        DbValue::BoolOpt(value) => query.bind(*value),
        DbValue::I16(value) => query.bind(*value),
        DbValue::I16Opt(value) => query.bind(*value),
        DbValue::I32(value) => query.bind(*value),
        DbValue::I32Opt(value) => query.bind(*value),
        DbValue::I64(value) => query.bind(*value),
        DbValue::I64Opt(value) => query.bind(*value),
        DbValue::Json(value) => query.bind(value.clone()),
        DbValue::JsonOpt(value) => query.bind(value.clone()),
        DbValue::Text(value) => query.bind(value.clone()),
        DbValue::TextOpt(value) => query.bind(value.clone()),
        DbValue::TextArray(value) => query.bind(value.clone()),
        DbValue::TextArrayOpt(value) => query.bind(value.clone()),
        DbValue::I32Array(value) => query.bind(value.clone()),
        DbValue::I64Array(value) => query.bind(value.clone()),
        DbValue::TimestampTz(value) => query.bind(*value),
        DbValue::TimestampTzOpt(value) => query.bind(*value),
    }
}

fn db_row(row: &PgRow) -> Result<DbRow, sqlx::Error> {
    let mut cells = HashMap::with_capacity(row.columns().len());
    for (index, column) in row.columns().iter().enumerate() {
        let cell = match column.type_info().name() {
            "BOOL" => row.try_get::<Option<_>, _>(index)?.map(DbCell::Bool),
            "INT2" => row.try_get::<Option<_>, _>(index)?.map(DbCell::I16),
            "INT4" => row.try_get::<Option<_>, _>(index)?.map(DbCell::I32),
            "INT8" => row.try_get::<Option<_>, _>(index)?.map(DbCell::I64),
            "JSON" | "JSONB" => row.try_get::<Option<_>, _>(index)?.map(DbCell::Json),
            "TEXT" => row.try_get::<Option<_>, _>(index)?.map(DbCell::Text),
            "TIMESTAMPTZ" => row.try_get::<Option<_>, _>(index)?.map(DbCell::TimestampTz),
            // The result of a function that returns nothing.
            _ => None,
        };
        cells.insert(column.name().to_owned(), cell.unwrap_or(DbCell::Null));
    }
    Ok(DbRow::new(cells))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sqlx::Connection as _;

    use super::*;

    #[tokio::test]
    async fn reads_the_columns_of_each_type() {
        let Ok(url) = std::env::var("TEST_POSTGRES_URL") else {
            assert!(std::env::var_os("CI").is_none(), "the test of the columns needs TEST_POSTGRES_URL");
            return;
        };
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let mut executor = Executor::new(&mut connection, false);
        let sql = "SELECT true AS bool, 2::int2 AS int2, 4 AS int4, 8::int8 AS int8, '{}'::json AS json,
                          '[]'::jsonb AS jsonb, 'a'::text AS text, NULL::text AS missing";
        let rows = executor.fetch_all(sql, DbParams::new()).await.unwrap();
        let row = &rows[0];
        assert!(row.try_get::<bool>("bool").unwrap());
        assert_eq!(row.try_get::<i16>("int2").unwrap(), 2);
        assert_eq!(row.try_get::<i32>("int4").unwrap(), 4);
        assert_eq!(row.try_get::<i64>("int8").unwrap(), 8);
        assert_eq!(row.try_get::<serde_json::Value>("json").unwrap(), json!({}));
        assert_eq!(row.try_get::<serde_json::Value>("jsonb").unwrap(), json!([]));
        assert_eq!(row.try_get::<String>("text").unwrap(), "a");
        assert_eq!(row.try_get::<Option<String>>("missing").unwrap(), None);
    }
}
