//! The trait that every store implements.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::store::claim::{Claim, Lease, LeaseState};
use crate::store::key::DeliveryKey;

/// Stores which deliveries are in progress and which are completed.
///
/// ```text
///  absent ──claim──▶ in progress (owner, attempt 1, lease)
///  in progress ──renew (owner)──▶ in progress (longer lease)
///  in progress ──complete (owner)──▶ completed
///  in progress ──release (owner)──▶ released ──claim──▶ in progress (new owner, attempt + 1)
///  in progress, lease expired ──claim──▶ in progress (new owner, attempt + 1)
///  any ──forget──▶ absent          any without a live lease ──purge──▶ absent
/// ```
///
/// Every method is atomic. The following rules apply to any number of concurrent clients on any number of
/// machines:
///
/// 1. At most one client owns a live lease on a delivery.
/// 2. A completed delivery cannot be claimed.
/// 3. Only the owner can complete, release or renew.
/// 4. A delivery can be claimed after it is released or its lease expires.
/// 5. Only a completed delivery is a duplicate.
///
/// A `SELECT` followed by an `INSERT` is not atomic. Test your implementation with the suite in the
/// `conformance` module (`conformance` feature), which finds such races.
pub trait DeliveryStore: Send + Sync + 'static {
    /// The error if the store fails or cannot be reached.
    type Error: Error + Send + Sync + 'static;

    /// Claims a delivery for `lease`, unless it is completed or another caller owns it.
    fn claim(
        &self,
        key: &DeliveryKey,
        lease: Duration,
    ) -> impl Future<Output = Result<Claim, Self::Error>> + Send;

    /// Renews a lease, so that it expires after `by`, counted from now.
    ///
    /// An expired lease can be renewed if no other caller has taken the delivery over. A store that can lose
    /// entries also renews a lease whose entry is missing.
    fn renew(
        &self,
        lease: &Lease,
        by: Duration,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Marks the delivery as completed.
    ///
    /// An expired lease can be completed if no other caller has taken the delivery over, because the work is
    /// done. A second call with the same lease, for example after the response was lost, returns
    /// [`LeaseState::Held`] again. A store that can lose entries also completes a lease whose entry is
    /// missing, unless [`forget`](Self::forget) was called.
    fn complete(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Releases the delivery, so that the next caller can claim it immediately.
    fn release(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Forgets a delivery in any state, and returns whether the store knew it.
    ///
    /// Call it for a completed delivery that must be handled again on the next resend. If the delivery is in
    /// progress, it can be claimed again immediately, and its current owner loses the lease.
    fn forget(&self, key: &DeliveryKey) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Removes up to `limit` deliveries without a live lease that have not changed for `older_than`.
    ///
    /// Returns the number of removed deliveries. A store whose entries expire automatically returns 0.
    fn purge(
        &self,
        older_than: Duration,
        limit: u32,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;
}

impl<S: DeliveryStore> DeliveryStore for Arc<S> {
    type Error = S::Error;

    fn claim(
        &self,
        key: &DeliveryKey,
        lease: Duration,
    ) -> impl Future<Output = Result<Claim, Self::Error>> + Send {
        S::claim(self, key, lease)
    }

    fn renew(
        &self,
        lease: &Lease,
        by: Duration,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send {
        S::renew(self, lease, by)
    }

    fn complete(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send {
        S::complete(self, lease)
    }

    fn release(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send {
        S::release(self, lease)
    }

    fn forget(&self, key: &DeliveryKey) -> impl Future<Output = Result<bool, Self::Error>> + Send {
        S::forget(self, key)
    }

    fn purge(
        &self,
        older_than: Duration,
        limit: u32,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send {
        S::purge(self, older_than, limit)
    }
}
