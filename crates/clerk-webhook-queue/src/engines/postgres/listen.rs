//! Wakes the workers of this process when another process enqueues an event.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::queue::PostgresQueue;

/// The channel on which graphile_worker announces new jobs.
const CHANNEL: &str = "jobs:insert";

/// The pause between attempts to connect again.
const PAUSE: Duration = Duration::from_secs(1);

impl PostgresQueue {
    /// Listens for events from other processes, so that a worker need not wait for its next poll.
    ///
    /// The listener uses one additional connection, and connects again if it is lost. It needs a direct
    /// connection to the server: it receives nothing through a pooler in transaction mode. It stops when the
    /// last clone of the returned queue is dropped. Call this method after the other settings, and pass the
    /// returned queue, or a clone of it, to the worker.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached or rejects the connection.
    ///
    /// # Panics
    ///
    /// Panics outside of a Tokio runtime.
    pub async fn listen(mut self) -> Result<Self, sqlx::Error> {
        let options = (*self.pool.connect_options()).clone();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(self.pool.options().get_acquire_timeout())
            .connect_with(options)
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        let (stop, changed) = (CancellationToken::new(), Arc::clone(&self.changed));
        let stopped = stop.clone();
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            loop {
                match listener.try_recv().await {
                    // After a reconnection, the result is `None`. Notifications may have been lost before.
                    Ok(_) => changed.notify_one(),
                    Err(_) => sleep(PAUSE).await,
                }
            }
        }));
        self.listening = Some(Arc::new(stop.drop_guard()));
        Ok(self)
    }
}
