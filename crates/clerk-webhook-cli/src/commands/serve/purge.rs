//! Deletes the ids of old messages once a day.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, warn};

use super::storage::Storage;
use crate::database::why;

/// The first purge after the start, so that a process that restarts daily purges too.
const FIRST: Duration = Duration::from_secs(10 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Purges until the future is dropped.
pub(super) async fn run(storage: Arc<Storage>) {
    sleep(FIRST).await;
    loop {
        match storage.purge().await {
            Ok(deleted) => debug!(deleted, "deleted the ids of old messages"),
            Err(error) => warn!(
                error = why(&error),
                "cannot delete the ids of old messages; the next attempt is in a day"
            ),
        }
        sleep(DAY).await;
    }
}
