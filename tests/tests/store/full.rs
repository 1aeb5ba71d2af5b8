//! A disk that was full: SQLite has ended the transaction by itself, and the connection is used again.

use clerk_webhook_store::SqliteStore;
use sqlx::sqlite::{SqliteConnection, SqlitePoolOptions};
use sqlx::{Connection as _, Row as _};

use crate::databases::{SqliteDatabase, begin_new};

/// The number of SQLITE_FULL.
const FULL: &str = "13";

#[tokio::test]
async fn a_file_is_written_again_once_there_is_space() {
    let folder = SqliteDatabase::empty("full").await;
    written_again(SqliteStore::open(folder.file()).await.unwrap()).await;
}

/// To close its only connection would lose it.
#[tokio::test]
async fn a_database_in_memory_is_written_again_and_is_the_same() {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    written_again(SqliteStore::new(pool.connect("sqlite::memory:").await.unwrap())).await;
}

async fn written_again(store: SqliteStore) {
    prepare(&store).await;
    let mut transaction = begin_new(&store, "msg_before").await;
    write(&mut transaction, 1).await.unwrap();
    transaction.commit().await.unwrap();

    limit(&store, 1).await;
    for _ in 0..3 {
        let mut transaction = begin_new(&store, "msg_1").await;
        assert_full(write(&mut transaction, 1_000_000).await);
    }
    limit(&store, i32::MAX).await;

    let mut transaction = begin_new(&store, "msg_1").await;
    write(&mut transaction, 1_000_000).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(effects(&store).await, [1, 1_000_000]);
}

#[tokio::test]
async fn a_transaction_within_that_of_the_delivery_spoils_no_connection_either() {
    let folder = SqliteDatabase::empty("full_within").await;
    let store = SqliteStore::open(folder.file()).await.unwrap();
    prepare(&store).await;
    limit(&store, 1).await;
    let mut transaction = begin_new(&store, "msg_1").await;
    let mut within = transaction.begin().await.unwrap();
    assert_full(write(&mut within, 1_000_000).await);
    drop(within);
    drop(transaction);
    limit(&store, i32::MAX).await;

    let mut transaction = begin_new(&store, "msg_1").await;
    write(&mut transaction, 1_000_000).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(effects(&store).await, [1_000_000]);
}

async fn prepare(store: &SqliteStore) {
    store.migrate().await.unwrap();
    sqlx::query("CREATE TABLE effect (data BLOB NOT NULL)").execute(store.pool()).await.unwrap();
}

/// Sets how many pages the only connection lets the database have, which are at least those that it has.
async fn limit(store: &SqliteStore, pages: i32) {
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::raw_sql(limit).execute(store.pool()).await.unwrap();
}

async fn write(connection: &mut SqliteConnection, bytes: i32) -> Result<(), sqlx::Error> {
    let write = sqlx::query("INSERT INTO effect VALUES (zeroblob(?1))").bind(bytes);
    write.execute(connection).await.map(drop)
}

fn assert_full(result: Result<(), sqlx::Error>) {
    let error = result.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), FULL, "{error}");
}

async fn effects(store: &SqliteStore) -> Vec<i64> {
    let rows =
        sqlx::query("SELECT length(data) FROM effect ORDER BY 1").fetch_all(store.pool()).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
