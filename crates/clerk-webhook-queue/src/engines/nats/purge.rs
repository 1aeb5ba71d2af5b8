//! Deletes the ids of messages that have ended.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::access::{Access, record_of};
use super::error::NatsQueueError;
use super::follower::Records;
use super::record::State;

/// The number of requests that a purge sends at the same time.
const AT_ONCE: usize = 16;

/// Deletes up to `limit` records of messages that ended at least `older_than` ago, and returns how many.
///
/// Records that another process deletes at the same time do not count.
pub(super) async fn purge(access: &Access, older_than: Duration, limit: u32) -> Result<u64, NatsQueueError> {
    let limit = u64::from(limit);
    // Clients wait until they have seen the last message of the stream, so a purge must not delete it. All
    // records that the purge deletes precede the mark.
    let mark = access.mark().await?;
    let mut ended = Ended { records: Records::read(access).await?, older_than, mark, is_complete: false };
    let mut purged = 0;
    while purged < limit && !ended.is_complete {
        let sequences = ended.next(access, limit - purged).await?;
        let deleted = stream::iter(sequences)
            .map(async |sequence| access.delete(sequence).await)
            .buffer_unordered(AT_ONCE)
            .try_fold(0, async |sum, is_deleted| Ok(sum + u64::from(is_deleted)));
        purged += deleted.await?;
    }
    Ok(purged)
}

/// The records of messages that ended at least `older_than` ago.
struct Ended {
    records: Records,
    older_than: Duration,
    mark: u64,
    is_complete: bool,
}

impl Ended {
    /// Returns the sequences of the next records, at most `limit`.
    async fn next(&mut self, access: &Access, limit: u64) -> Result<Vec<u64>, NatsQueueError> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut sequences = Vec::new();
        while sequences.len() < limit {
            let next = async { self.records.next().await.unwrap_or_else(|| Err(access.missing_stream())) };
            let found = access.bounded(next).await?;
            // The records are in the order in which they were written. A newer mark may have replaced this
            // one.
            if found.sequence >= self.mark || found.age < self.older_than {
                self.is_complete = true;
                break;
            }
            let record = found.message.headers.as_ref().and_then(record_of);
            if record.is_some_and(|record| record.state == State::Done) {
                sequences.push(found.sequence);
            }
        }
        Ok(sequences)
    }
}
