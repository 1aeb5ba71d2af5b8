//! The commit of a transaction that marks a delivery.

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

/// Commits a transaction, and begins an empty one on the connection.
///
/// `id` is the result of `txid_current()` in the transaction.
///
/// # Errors
///
/// Returns the database's error, and an error if a statement in the transaction has failed or the application
/// has ended the transaction. In these two cases Postgres does not respond to COMMIT with an error, so sqlx would
/// report success.
pub async fn commit(connection: &mut PgConnection, id: i64) -> Result<(), sqlx::Error> {
    // One message, so that the check needs no separate round trip. If the check fails, the server ignores the rest
    // of the message. sqlx does not know of this commit, and sends ROLLBACK later. `AND CHAIN` opens an empty
    // transaction for it. Otherwise the server would write a warning to its log.
    let statements = format!(
        "SELECT pg_catalog.int4(CASE WHEN pg_catalog.txid_current_if_assigned() = {id} THEN '1' \
         ELSE 'the application has ended the transaction' END); COMMIT AND CHAIN"
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(drop)
}
