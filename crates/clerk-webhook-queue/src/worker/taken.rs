//! The jobs that the worker has taken, but whose handlers have not started yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use clerk_webhook_store::internal::wall_clock;
use clerk_webhook_store::{DeliveryKey, Lease, Owner};
use tokio::time::Instant;

use crate::worker::settings::HANDOVER;

/// The leases of the jobs that the worker has taken, until their handlers start.
#[derive(Default)]
pub(super) struct TakenJobs(Mutex<HashMap<DeliveryKey, Taken>>);

struct Taken {
    owner: Owner,
    attempt: u32,
    at: TakenAt,
}

/// The time just before a job was taken, according to two clocks, because Linux's monotonic clock stops while
/// the machine is suspended.
#[derive(Clone, Copy, Debug)]
pub(super) struct TakenAt {
    monotonic: Instant,
    wall: SystemTime,
}

impl TakenAt {
    pub(super) fn now() -> Self {
        Self { monotonic: Instant::now(), wall: wall_clock() }
    }

    /// Returns whether so much time has passed that the lease must be renewed before the handler starts.
    fn is_long_ago(&self) -> bool {
        // If the wall clock has been set back, only the monotonic clock counts.
        let wall = wall_clock().duration_since(self.wall).unwrap_or_default();
        self.monotonic.elapsed().max(wall) >= HANDOVER
    }
}

impl TakenJobs {
    pub(super) fn add(&self, lease: &Lease, at: TakenAt) {
        let taken = Taken { owner: lease.owner(), attempt: lease.attempt(), at };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(lease.key().clone(), taken);
    }

    /// Removes a job, and returns its lease, and whether the lease must be renewed before the handler starts.
    pub(super) fn remove(&self, key: &DeliveryKey) -> Option<(Lease, bool)> {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key)?;
        Some((Lease::new(key.clone(), taken.owner, taken.attempt), taken.at.is_long_ago()))
    }
}
