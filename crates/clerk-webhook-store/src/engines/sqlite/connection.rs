//! Pool connections that are outside of any transaction.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection as _, SqlSafeStr as _, Sqlite, Transaction};

/// Acquires a connection that is outside of any transaction.
///
/// SQLite automatically rolls back a transaction if the disk is full or fails. The ROLLBACK that sqlx sends
/// then fails, because no transaction is open, and sqlx treats the transaction as open forever. The
/// connection returns to the pool and cannot begin another transaction. This function repairs or closes such
/// a connection, even if the pool belongs to the application.
///
/// # Errors
///
/// Returns an error if the pool has no connection in time, or cannot open one.
pub async fn acquire(pool: &SqlitePool) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
    loop {
        let mut connection = pool.acquire().await?;
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        // sqlx may have queued a ROLLBACK. The ping waits for it.
        connection.ping().await?;
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        end_transaction(&mut connection).await;
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        // Nested transactions are open. The pool opens another connection, even if closing this one fails.
        connection.close().await.ok();
    }
}

/// Begins a transaction that writes, on a connection that is outside of any transaction.
///
/// # Errors
///
/// Returns SQLite's error, for example if another transaction holds the lock for too long.
pub async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    // With IMMEDIATE, BEGIN waits for the write lock, and no later statement has to wait for it.
    // `Pool::begin_with` is not suitable, because it would acquire any connection.
    Transaction::begin(acquire(pool).await?, Some("BEGIN IMMEDIATE".into_sql_str())).await
}

/// Resets sqlx's transaction count after SQLite has rolled back the transaction.
///
/// Keeps the connection open, because closing it would delete a database in memory.
async fn end_transaction(connection: &mut SqliteConnection) {
    // Begin a transaction that the ROLLBACK can roll back. This fails if a transaction is already open.
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await.ok();
    // Because sqlx already counts a transaction, it rejects a custom BEGIN and sends a ROLLBACK, which now
    // succeeds and resets the count.
    drop(connection.begin_with("BEGIN IMMEDIATE").await);
    // Wait for the ROLLBACK.
    connection.ping().await.ok();
}
