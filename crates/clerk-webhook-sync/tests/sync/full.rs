//! A full disk: SQLite rolls back the transaction, and the connection can be used again.

use std::path::PathBuf;

use clerk_webhook_sync::{Applied, ClerkSync};
use serde_json::json;
use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

use crate::databases::{Engine as _, T, event, user};

#[tokio::test]
async fn a_file_is_written_again_after_space_was_freed() {
    let file = File(std::env::temp_dir().join(format!("clerk-webhook-sync-full-{}.db", std::process::id())));
    let _ = std::fs::remove_file(&file.0);
    written_again(SqliteConnectOptions::new().filename(&file.0).create_if_missing(true)).await;
}

/// A database in memory would be lost if its only connection were closed.
#[tokio::test]
async fn a_database_in_memory_keeps_its_rows_and_is_written_again() {
    written_again("sqlite::memory:".parse().unwrap()).await;
}

async fn written_again(options: SqliteConnectOptions) {
    let pool = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let sync = ClerkSync::new(pool.connect_with(options).await.unwrap());
    sync.migrate().await.unwrap();
    let before = event("user.created", T + 9, user("user_1", "Ada", T));
    assert_eq!(sync.apply(&before).await.unwrap(), Applied::Inserted);

    let mut data = user("user_2", "Grace", T);
    data["public_metadata"] = json!({ "plan": "x".repeat(1_000_000) });
    let large = event("user.created", T + 9, data);
    Sqlite::run(sync.pool(), "PRAGMA max_page_count = 1").await;
    for _ in 0..3 {
        let error = sync.apply(&large).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("database or disk is full"), "{source}");
    }
    Sqlite::run(sync.pool(), "PRAGMA max_page_count = 2147483647").await;

    assert_eq!(sync.apply(&large).await.unwrap(), Applied::Inserted);
    let users = Sqlite::texts(sync.pool(), "SELECT id FROM clerk_active_users ORDER BY id").await;
    assert_eq!(users, [Some("user_1".to_owned()), Some("user_2".to_owned())]);
}

/// A file that is deleted when this value is dropped.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
