//! What a store has to do.

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::store::claim::{Claim, Lease, LeaseState};
use crate::store::key::DeliveryKey;

/// Remembers which deliveries are being handled and which have been.
///
/// ```text
///  absent ──claim──▶ in progress (owner, attempt 1, lease)
///  in progress ──complete (owner)──▶ completed
///  in progress ──release (owner)──▶ released ──claim──▶ in progress (another owner, attempt + 1)
///  in progress, lease over ──claim──▶ in progress (another owner, attempt + 1)
///  any ──forget──▶ absent          any without a lease ──purge──▶ absent
/// ```
///
/// Every method is one atomic step: of any number of concurrent callers, on any number of machines,
///
/// 1. at most one holds a lease that has not ended;
/// 2. nobody claims what is completed;
/// 3. nobody but the owner completes, releases or renews;
/// 4. what was released, or whose lease has ended, is there for the next one to claim;
/// 5. nothing is a duplicate that was not completed.
///
/// A SELECT that decides about an INSERT is not atomic. The `conformance` suite (feature `conformance`) finds out.
pub trait DeliveryStore: Send + Sync + 'static {
    /// Why the store could not be asked.
    type Error: Error + Send + Sync + 'static;

    /// Claims a delivery for so long, unless it is completed or somebody has it.
    fn claim(
        &self,
        key: &DeliveryKey,
        lease: Duration,
    ) -> impl Future<Output = Result<Claim, Self::Error>> + Send;

    /// Lets a lease end so long from now, even one that has lapsed if nobody has taken the delivery over.
    ///
    /// A store that can lose entries also renews a lease whose entry is missing.
    fn renew(
        &self,
        lease: &Lease,
        by: Duration,
    ) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Says that the delivery is handled, even if the lease has lapsed and nobody has taken it over: the work is done.
    ///
    /// A second call with the same lease, for example after the response was lost, returns [`LeaseState::Held`] again.
    /// A store that can lose entries also completes a lease whose entry is missing, unless [`forget`](Self::forget) was called.
    fn complete(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Gives the delivery back, so that the next one can claim it at once.
    fn release(&self, lease: &Lease) -> impl Future<Output = Result<LeaseState, Self::Error>> + Send;

    /// Forgets a delivery in whatever state it is, so that it is handled when it comes again, and returns whether
    /// there was something to forget.
    ///
    /// It is meant for what is completed. One that is in progress can be claimed at once after it, while whoever had it finds
    /// out with the next renewal.
    fn forget(&self, key: &DeliveryKey) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Removes up to `limit` deliveries that nobody has a lease for and that have not changed for so long, and returns
    /// how many those were.
    ///
    /// A store in which they end by themselves returns 0.
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
