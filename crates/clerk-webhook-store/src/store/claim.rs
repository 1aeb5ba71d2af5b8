//! Claims and leases, which a store returns.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clerk_webhook_core::Timestamp;

use crate::store::key::DeliveryKey;

/// The result of an attempt to claim a delivery.
#[derive(Debug)]
#[must_use]
pub enum Claim {
    /// The caller owns the delivery until the lease expires.
    Acquired(Lease),
    /// The delivery is completed.
    Duplicate {
        /// The completion time, if the store knows it.
        completed_at: Option<Timestamp>,
    },
    /// Another caller owns the delivery.
    InProgress {
        /// The time until the other caller's lease expires, unless that caller renews it.
        retry_after: Duration,
    },
}

/// The right to handle a delivery for a limited time.
///
/// After the lease expires, another caller can take the delivery over. From then on, the store rejects every
/// operation with the old lease, because its [`Owner`] is different.
#[derive(Debug)]
#[must_use = "a delivery that is neither completed nor released cannot be handled until the lease expires"]
pub struct Lease {
    key: DeliveryKey,
    owner: Owner,
    attempt: u32,
}

impl Lease {
    /// Creates a lease. A store calls this function after it has recorded the claim.
    pub fn new(key: DeliveryKey, owner: Owner, attempt: u32) -> Self {
        Self { key, owner, attempt }
    }

    /// Returns the delivery's key.
    #[must_use]
    pub fn key(&self) -> &DeliveryKey {
        &self.key
    }

    /// Returns the lease's owner.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Returns the attempt number, counted from 1.
    ///
    /// The number rises with every claim of the delivery. It restarts at 1 after the delivery has been
    /// forgotten or purged. You can use it as a fencing token: pass it with each write, and let the other
    /// system reject writes with a lower number.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// The identity of a claim: 128 random bits, different for each claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(u128);

/// The number of owners that this process has created.
static CLAIMS: AtomicU64 = AtomicU64::new(0);

impl Owner {
    /// Creates an owner that differs from every other owner, in this process and in others.
    ///
    /// Each call reads random bytes from the operating system. So two copies of one process, created by a
    /// `fork` or a virtual machine snapshot, do not create the same owners.
    #[must_use]
    pub fn random() -> Self {
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
        let mut seed = [0; 16];
        // If the system has no random bytes, the keys and the counter still make this process's owners
        // unique.
        let _ = getrandom::fill(&mut seed);
        let claim = CLAIMS.fetch_add(1, Ordering::Relaxed);
        let [high, low] = KEYS.each_ref().map(|key| u128::from(key.hash_one((claim, seed))));
        Self(high << 64 | low)
    }

    /// Returns the owner as a number that a store can save.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// Creates an owner from a number that a store has saved.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

/// Writes 32 hexadecimal digits.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({self})")
    }
}

/// Whether the caller owned the delivery when it used its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum LeaseState {
    /// The caller owned the delivery, and the operation succeeded.
    Held,
    /// The store changed nothing: another caller has taken the delivery over, the delivery was forgotten, or
    /// this lease was already used to complete or release it.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of a process has the same keys and the same counter as its original.
    #[test]
    fn a_copy_of_a_process_creates_different_owners() {
        for _ in 0..100 {
            let counter = CLAIMS.load(Ordering::Relaxed);
            let original = Owner::random();
            CLAIMS.store(counter, Ordering::Relaxed);
            assert_ne!(Owner::random(), original);
        }
    }

    #[test]
    fn owners_are_unique_and_shown_as_hexadecimal_digits() {
        let owners: std::collections::HashSet<_> = std::iter::repeat_with(Owner::random).take(1000).collect();
        assert_eq!(owners.len(), 1000);
        assert!(owners.iter().any(|owner| owner.as_u128() >> 64 != 0), "half of the bits are unused");
        let owner = Owner::from_u128(255);
        assert_eq!(owner.as_u128(), 255);
        assert_eq!(format!("{owner} {owner:?}"), format!("{0:0>32} Owner({0:0>32})", "ff"));
    }
}
