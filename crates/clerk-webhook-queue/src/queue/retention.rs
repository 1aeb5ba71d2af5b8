//! How long a queue remembers handled messages.

use std::time::Duration;

use clerk_webhook_store::MIN_RETENTION;
use tokio::time::sleep;

use crate::queue::job_queue::JobQueue;

/// The number of messages that one statement deletes. Small, so that no other statement waits for long.
const BATCH: u32 = 1000;

/// The pause between two such statements, in which other processes can write to the queue.
const PAUSE: Duration = Duration::from_millis(10);

/// Deletes the ids of all messages that were handled, discarded or skipped as expired at least `retention`
/// ago.
///
/// Returns the number of deleted ids. It does not delete messages that are waiting or being handled, or dead
/// letters. Call this function once a day, with the
/// [`DEFAULT_RETENTION`](clerk_webhook_store::DEFAULT_RETENTION) of 30 days. A shorter retention than
/// [`MIN_RETENTION`] (7 days) is raised to that limit. If somebody resends a message after its id has been deleted,
/// the message is handled again.
///
/// # Errors
///
/// Returns the queue's error. The ids that were deleted before the error are not restored.
pub async fn purge<Q: JobQueue>(queue: &Q, retention: Duration) -> Result<u64, Q::Error> {
    let mut purged = 0;
    loop {
        let batch = queue.purge(retention.max(MIN_RETENTION), BATCH).await?;
        purged += batch;
        if batch < u64::from(BATCH) {
            return Ok(purged);
        }
        sleep(PAUSE).await;
    }
}
