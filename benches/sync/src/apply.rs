//! Applies events, for all measurements.

use std::error::Error;

use clerk_webhook_core::Event;
use clerk_webhook_sync::{ClerkSync, SyncDatabase};

pub(crate) type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Applies events with `batch` events per transaction, and returns the number of events that changed a row.
///
/// A batch of one event is applied as a handler applies it.
pub(crate) async fn apply<DB: SyncDatabase>(
    sync: &ClerkSync<DB>,
    events: &[Event],
    batch: usize,
) -> Fallible<usize> {
    let mut changes = 0;
    for events in events.chunks(batch) {
        if let [event] = events {
            changes += usize::from(sync.apply(event).await?.is_change());
            continue;
        }
        let mut transaction = sync.pool().begin().await?;
        for event in events {
            changes += usize::from(sync.apply_in(&mut *transaction, event).await?.is_change());
        }
        transaction.commit().await?;
    }
    Ok(changes)
}
