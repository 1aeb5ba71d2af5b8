//! Connections that are outside of any transaction.

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnection, SqlitePool};
use sqlx::{Connection as _, SqlSafeStr as _, Sqlite, Transaction};

/// Acquires a connection that is outside of any transaction.
///
/// SQLite ends a transaction by itself where the disk is full or fails. The ROLLBACK of sqlx has nothing to roll back then
/// and fails, and sqlx counts that transaction as open for ever: such a connection begins none any more, and its pool keeps
/// it. So it is made whole here, which is done for pools of the application too.
pub(super) async fn acquire(pool: &SqlitePool) -> Result<PoolConnection<Sqlite>, sqlx::Error> {
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
        end_transaction(&mut connection).await;
        if !connection.is_in_transaction() {
            return Ok(connection);
        }
        // Transactions within one were open. Whatever closing it says, the pool opens another one.
        connection.close().await.ok();
    }
}

/// Begins a transaction that writes, on a connection that is outside of any transaction.
///
/// # Errors
///
/// Returns an error if SQLite does not begin one, such as when another transaction keeps the lock for too long.
pub async fn begin(pool: &SqlitePool) -> Result<Transaction<'static, Sqlite>, sqlx::Error> {
    // Immediate: what waits for the lock is this, and the time is that of whoever has it. `Pool::begin_with` takes any
    // connection, so this calls what that calls.
    Transaction::begin(acquire(pool).await?, Some("BEGIN IMMEDIATE".into_sql_str())).await
}

/// Ends the transaction that sqlx counts and SQLite has ended, without closing the connection, and with it a database in
/// memory.
async fn end_transaction(connection: &mut SqliteConnection) {
    // What there is to roll back; an error says that there is something.
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await.ok();
    // No statement of one's own begins a transaction within one: sqlx refuses it and sends a ROLLBACK, which counts now.
    drop(connection.begin_with("BEGIN IMMEDIATE").await);
    // Comes after the ROLLBACK.
    connection.ping().await.ok();
}
