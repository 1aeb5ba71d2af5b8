//! How long a queue remembers handled messages.

use std::time::Duration;

use clerk_webhook_store::MIN_RETENTION;

use crate::queue::job_queue::JobQueue;

/// The number of messages that one statement forgets. Small, so that no other statement waits for long.
const BATCH: u32 = 1000;

/// Forgets all messages that were handled, expired or discarded at least `retention` ago.
///
/// Returns the number of forgotten messages. Messages that wait, run or are dead letters stay. Call this
/// function once a day, with [`DEFAULT_RETENTION`](clerk_webhook_store::DEFAULT_RETENTION) of 30 days. A
/// retention below [`MIN_RETENTION`] counts as that limit. If somebody resends a message after the queue has
/// forgotten it, the message is handled again.
///
/// # Errors
///
/// Returns the error of the queue. Messages that were forgotten before the error stay forgotten.
pub async fn purge<Q: JobQueue>(queue: &Q, retention: Duration) -> Result<u64, Q::Error> {
    let mut purged = 0;
    loop {
        let batch = queue.purge(retention.max(MIN_RETENTION), BATCH).await?;
        purged += batch;
        if batch < u64::from(BATCH) {
            return Ok(purged);
        }
    }
}
