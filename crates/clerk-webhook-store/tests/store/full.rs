//! Recovery from a full disk: SQLite has rolled back the transaction, and the store uses the connection
//! again.

use clerk_webhook_store::SqliteStore;
use sqlx::sqlite::{SqliteConnection, SqlitePoolOptions};
use sqlx::{Connection as _, Row as _};

use crate::databases::{SqliteDatabase, begin_new};

/// The code of SQLITE_FULL.
const FULL: &str = "13";

#[tokio::test]
async fn writes_to_a_file_again_after_the_disk_was_full() {
    let folder = SqliteDatabase::empty("full").await;
    recovers(SqliteStore::open(folder.file()).await.unwrap()).await;
}

/// Closing the only connection would delete the database.
#[tokio::test]
async fn keeps_a_database_in_memory_after_it_was_full() {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    recovers(SqliteStore::new(pool.connect("sqlite::memory:").await.unwrap())).await;
}

async fn recovers(store: SqliteStore) {
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
async fn recovers_after_a_nested_transaction_failed_because_the_disk_was_full() {
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

/// Limits the database to a number of pages, but not below its current number.
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
