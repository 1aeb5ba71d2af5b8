//! Queues in a SQLite file.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_queue::SqliteQueue;

/// A file in the temporary folder, which is removed on drop.
pub(crate) struct File(PathBuf);

impl File {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("clerk-webhook-queue-{}-{number}.db", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    /// Opens the file with a separate pool, as another process would, and creates the table.
    pub(crate) async fn open(&self) -> SqliteQueue {
        let queue = SqliteQueue::open(&self.0).await.unwrap();
        queue.migrate().await.unwrap();
        queue
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for suffix in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(suffix);
            // SQLite removes the other files when the last connection is closed.
            let _ = fs::remove_file(name);
        }
    }
}

pub(crate) fn event(id: &str) -> Event {
    let body = format!(r#"{{"data":{{"id":"user_{id}","first_name":"Ada"}},"type":"user.created"}}"#);
    Event::from_trusted(id.parse().unwrap(), Timestamp::now(), body.into()).unwrap()
}
