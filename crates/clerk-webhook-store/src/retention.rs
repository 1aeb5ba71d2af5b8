//! How long deliveries are remembered.

use std::time::Duration;

use crate::store::DeliveryStore;

/// How long a delivery is remembered unless set otherwise: 30 days.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long a delivery is remembered at least: 7 days.
///
/// Svix tries for up to 66 hours by itself, and a replay by hand is possible for as long as it keeps the message.
pub const MIN_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many deliveries go at once, so that no other statement waits for long.
const BATCH: u32 = 1000;

/// Forgets all deliveries that have been done for so long, and returns how many those were.
///
/// It is a job for once a day. A retention below [`MIN_RETENTION`] is taken for that. What was forgotten and comes again,
/// by a replay of an old message, is handled again.
///
/// # Errors
///
/// Returns the error of the store; what has gone until then is gone.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use clerk_webhook_store::{DEFAULT_RETENTION, DeliveryStore, purge};
///
/// async fn purge_daily(store: impl DeliveryStore) {
///     loop {
///         if let Err(error) = purge(&store, DEFAULT_RETENTION).await {
///             eprintln!("could not purge: {error}");
///         }
///         tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;
///     }
/// }
/// ```
pub async fn purge<S: DeliveryStore>(store: &S, retention: Duration) -> Result<u64, S::Error> {
    let mut purged = 0;
    loop {
        let batch = store.purge(retention.max(MIN_RETENTION), BATCH).await?;
        purged += batch;
        if batch < u64::from(BATCH) {
            return Ok(purged);
        }
    }
}
