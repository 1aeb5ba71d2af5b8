//! How long a store keeps deliveries.

use std::time::Duration;

use crate::store::delivery_store::DeliveryStore;

/// The default retention of deliveries: 30 days.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The minimum retention of deliveries: 7 days.
///
/// It is longer than the time in which the sender
/// [retries](clerk_webhook_core::sender::LONGEST_RETRY_PERIOD). Resends by hand are possible for longer:
/// until Svix deletes the message.
pub const MIN_RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const _: () = assert!(MIN_RETENTION.as_secs() > clerk_webhook_core::sender::LONGEST_RETRY_PERIOD.as_secs());

/// The number of deliveries that one statement removes; small, so that no other statement waits for long.
const BATCH: u32 = 1000;

/// Removes all deliveries without a live lease that have not changed for `retention`.
///
/// Returns the number of removed deliveries. Call this function once a day. A retention below
/// [`MIN_RETENTION`] is raised to that limit. If a message is resent after its delivery has been removed, the
/// handler runs again.
///
/// # Errors
///
/// Returns the store's error. Deliveries that were removed before the error stay removed.
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;
    use crate::store::claim::{Claim, Lease, LeaseState};
    use crate::store::key::DeliveryKey;

    /// A store that contains a number of old deliveries and supports only purges.
    struct Old {
        deliveries: Mutex<u64>,
        asked: Mutex<Vec<Duration>>,
    }

    impl DeliveryStore for Old {
        type Error = io::Error;

        async fn claim(&self, _key: &DeliveryKey, _lease: Duration) -> io::Result<Claim> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn renew(&self, _lease: &Lease, _by: Duration) -> io::Result<LeaseState> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn complete(&self, _lease: &Lease) -> io::Result<LeaseState> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn release(&self, _lease: &Lease) -> io::Result<LeaseState> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn forget(&self, _key: &DeliveryKey) -> io::Result<bool> {
            Err(io::ErrorKind::Unsupported.into())
        }

        async fn purge(&self, older_than: Duration, limit: u32) -> io::Result<u64> {
            self.asked.lock().unwrap().push(older_than);
            let mut deliveries = self.deliveries.lock().unwrap();
            let purged = u64::from(limit).min(*deliveries);
            *deliveries -= purged;
            Ok(purged)
        }
    }

    async fn purged(deliveries: u64, retention: Duration) -> (u64, Vec<Duration>) {
        let store = Old { deliveries: Mutex::new(deliveries), asked: Mutex::default() };
        let purged = purge(&store, retention).await.unwrap();
        assert_eq!(*store.deliveries.lock().unwrap(), 0, "the purge left old deliveries");
        (purged, store.asked.into_inner().unwrap())
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[tokio::test]
    async fn purges_all_old_deliveries_in_batches() {
        for (deliveries, batches) in [(0, 1), (3, 1), (1000, 2), (2345, 3)] {
            assert_eq!(purged(deliveries, DAY * 30).await, (deliveries, vec![DAY * 30; batches]));
        }
    }

    #[tokio::test]
    async fn does_not_purge_deliveries_younger_than_seven_days() {
        assert_eq!([MIN_RETENTION, DEFAULT_RETENTION], [DAY * 7, DAY * 30]);
        for retention in [Duration::ZERO, DAY * 7 - Duration::from_nanos(1), DAY * 7] {
            assert_eq!(purged(1, retention).await, (1, vec![DAY * 7]), "{retention:?}");
        }
        assert_eq!(purged(1, DAY * 8).await, (1, vec![DAY * 8]));
    }
}
