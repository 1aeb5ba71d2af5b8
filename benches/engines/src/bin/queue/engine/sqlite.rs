//! SQLite.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use clerk_webhook_core::Event;
use clerk_webhook_queue::SqliteQueue;

use super::{Engine, new_event};
use crate::Fallible;

/// The number of events that are enqueued in one transaction.
const BATCH: usize = 1000;

#[derive(Clone)]
pub struct Sqlite {
    name: &'static str,
    folder: PathBuf,
    /// A queue in the same file as the table of the bare writes.
    main: SqliteQueue,
}

impl Sqlite {
    pub async fn start(name: &'static str, folder: &Path) -> Fallible<Self> {
        let folder = folder.join(format!("clerk-webhook-bench-queue-{}", process::id()));
        fs::create_dir(&folder)?;
        let main = SqliteQueue::open(folder.join("main.db")).await?;
        let bare = "CREATE TABLE bare (message_id TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT";
        sqlx::query(bare).execute(main.pool()).await?;
        Ok(Self { name, folder, main })
    }
}

impl Engine for Sqlite {
    type Queue = SqliteQueue;

    fn name(&self) -> &'static str {
        self.name
    }

    async fn settings(&self) -> Fallible<String> {
        let pool = self.main.pool();
        let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await?;
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await?;
        Ok(format!("journal_mode {journal}, synchronous {synchronous} (2 is FULL), one connection."))
    }

    fn jobs_per_second(&self) -> Option<f64> {
        self.folder.starts_with("/dev/shm").then_some(1000.0)
    }

    async fn new_queue(&self, name: &str) -> Fallible<SqliteQueue> {
        let queue = self.main.clone().table(&format!("queue_{name}"))?;
        queue.migrate().await?;
        Ok(queue)
    }

    async fn write(&self, event: &Event) {
        let insert = sqlx::query("INSERT INTO bare (message_id, body) VALUES (?, ?)")
            .bind(event.message_id().as_str().to_owned())
            .bind(event.raw_body().to_vec());
        insert.execute(self.main.pool()).await.expect("SQLite stores the row");
    }

    async fn fill(&self, queue: &SqliteQueue, count: usize) -> Fallible<()> {
        for first in (0..count).step_by(BATCH) {
            let mut transaction = queue.pool().begin_with("BEGIN IMMEDIATE").await?;
            for _ in first..count.min(first + BATCH) {
                let _ = queue.enqueue_in(&mut transaction, &new_event()).await?;
            }
            transaction.commit().await?;
        }
        Ok(())
    }

    async fn clean(&self) -> Fallible<()> {
        self.main.pool().close().await;
        Ok(fs::remove_dir_all(&self.folder)?)
    }
}
