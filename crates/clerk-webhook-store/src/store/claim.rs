//! What a store answers.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clerk_webhook_core::Timestamp;

use crate::store::key::DeliveryKey;

/// What came of an attempt to claim a delivery.
#[derive(Debug)]
#[must_use]
pub enum Claim {
    /// It is the caller's to handle, and nobody else's while the lease lasts.
    Acquired(Lease),
    /// It was handled before.
    Duplicate {
        /// When that was completed, where the store knows.
        completed_at: Option<Timestamp>,
    },
    /// Somebody else has it.
    InProgress {
        /// How long their lease lasts if they do not renew it.
        retry_after: Duration,
    },
}

/// The right to handle a delivery, for a time.
///
/// Whoever holds one that has lapsed, and that somebody else has taken over since, changes nothing with it any more:
/// a store compares the [`Owner`].
#[derive(Debug)]
#[must_use = "a delivery that is neither completed nor released cannot be handled until the lease ends"]
pub struct Lease {
    key: DeliveryKey,
    owner: Owner,
    attempt: u32,
}

impl Lease {
    /// Creates a lease, for a store that has just made the claim.
    pub fn new(key: DeliveryKey, owner: Owner, attempt: u32) -> Self {
        Self { key, owner, attempt }
    }

    /// Returns what is claimed.
    #[must_use]
    pub fn key(&self) -> &DeliveryKey {
        &self.key
    }

    /// Returns who has claimed it.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Returns how often the delivery has been claimed, counted from 1.
    ///
    /// It rises with every claim until the delivery is forgotten or purged, and then begins anew. While it rises, a system that
    /// is given it with each write can refuse those of a run that was overtaken: it is a fencing token.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

/// The one who has claimed a delivery: 128 bits, made anew for each claim.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(u128);

/// How many owners this process has made.
static CLAIMS: AtomicU64 = AtomicU64::new(0);

impl Owner {
    /// Returns an owner that no other process and no other claim has.
    ///
    /// It asks the operating system for random bytes each time, so that two copies of one process image, after a `fork` or
    /// from a snapshot of a virtual machine, do not make the same owners.
    #[must_use]
    pub fn random() -> Self {
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
        let mut seed = [0; 16];
        // If the system has no random bytes, the keys and the counter still make a different owner for each claim here.
        let _ = getrandom::fill(&mut seed);
        let claim = CLAIMS.fetch_add(1, Ordering::Relaxed);
        let [high, low] = KEYS.each_ref().map(|key| u128::from(key.hash_one((claim, seed))));
        Self(high << 64 | low)
    }

    /// Returns the number, for a store to keep.
    #[must_use]
    pub fn as_u128(self) -> u128 {
        self.0
    }

    /// Makes an owner of a number that a store has kept.
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

/// 32 hexadecimal digits.
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

/// Whether the caller still had the lease when it changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum LeaseState {
    /// The lease was the caller's, and what it asked for is done.
    Held,
    /// Somebody else has taken the delivery over, it was forgotten, or this lease has already ended it in the other way:
    /// nothing is changed.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A copy of a process has the same keys and the same counter as its original.
    #[test]
    fn a_copy_of_a_process_makes_other_owners() {
        for _ in 0..100 {
            let counter = CLAIMS.load(Ordering::Relaxed);
            let original = Owner::random();
            CLAIMS.store(counter, Ordering::Relaxed);
            assert_ne!(Owner::random(), original);
        }
    }

    #[test]
    fn owners_are_different_and_read_as_digits() {
        let owners: std::collections::HashSet<_> = std::iter::repeat_with(Owner::random).take(1000).collect();
        assert_eq!(owners.len(), 1000);
        let owner = Owner::from_u128(255);
        assert_eq!(owner.as_u128(), 255);
        assert_eq!(format!("{owner} {owner:?}"), format!("{0:0>32} Owner({0:0>32})", "ff"));
    }
}
