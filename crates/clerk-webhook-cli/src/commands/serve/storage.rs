//! The store of the deliveries and the queue of the forward, in either database.

use std::time::Duration;

use clerk_webhook_queue::{JobQueue as _, PostgresQueue, QueueStats, SqliteQueue};
use clerk_webhook_store::{DEFAULT_RETENTION, PostgresStore, SqliteStore};

use super::start::Opened;

/// How long handled messages are remembered.
const RETENTION: Duration = DEFAULT_RETENTION;

pub(super) enum Storage {
    Sqlite { store: SqliteStore, queue: Option<SqliteQueue> },
    Postgres { store: PostgresStore, queue: Option<PostgresQueue> },
}

impl Storage {
    pub(super) fn of(opened: &Opened) -> Self {
        match opened {
            Opened::Sqlite(open) => Self::Sqlite { store: open.store.clone(), queue: open.queue.clone() },
            Opened::Postgres(open) => Self::Postgres { store: open.store.clone(), queue: open.queue.clone() },
        }
    }

    /// Deletes the ids of old messages. Returns the number of deleted ids.
    pub(super) async fn purge(&self) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite { store, queue } => {
                let deliveries = clerk_webhook_store::purge(store, RETENTION).await?;
                let Some(queue) = queue else { return Ok(deliveries) };
                Ok(deliveries + clerk_webhook_queue::purge(queue, RETENTION).await?)
            }
            Self::Postgres { store, queue } => {
                let deliveries = clerk_webhook_store::purge(store, RETENTION).await?;
                let Some(queue) = queue else { return Ok(deliveries) };
                Ok(deliveries + clerk_webhook_queue::purge(queue, RETENTION).await?)
            }
        }
    }

    /// Returns the statistics of the queue; `None` without a forward.
    pub(super) async fn queue_stats(&self) -> Result<Option<QueueStats>, sqlx::Error> {
        match self {
            Self::Sqlite { queue: Some(queue), .. } => queue.stats().await.map(Some),
            Self::Postgres { queue: Some(queue), .. } => queue.stats().await.map(Some),
            _ => Ok(None),
        }
    }
}
