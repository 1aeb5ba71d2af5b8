//! The test suite for implementations of [`DeliveryStore`].
//!
//! A [`Harness`] creates clients of one store, and [`Suite::run`] lets them compete. The suite tests
//! concurrent claims, handlers that fail, crash or finish after their lease has expired, and clients that
//! drop a call. It panics at the first broken rule, and the message names the [`Rule`]. You can also call
//! each check individually.
//!
//! The suite takes some seconds, because it waits for leases to expire. Run it on a multi-threaded Tokio
//! runtime with a timer. On a single thread, calls do not run in parallel.
//!
//! ```
//! use clerk_webhook_store::MemoryStore;
//! use clerk_webhook_store::conformance::{Clones, Suite};
//!
//! # tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?.block_on(async {
//! let harness = Clones(MemoryStore::new());
//! let suite = Suite::new(&harness);
//! suite.scopes_are_separate().await;
//! suite.races().await;
//! // In a test, run all checks: suite.run().await
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod client;
mod failures;
mod housekeeping;
mod keys;
mod leases;
mod races;
pub(crate) mod random;
mod rule;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use self::client::Client;
use crate::store::claim::Owner;
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::{DeliveryKey, Scope};

pub use self::rule::Rule;

/// The clients of the store under test, and its properties.
///
/// Use a store that contains no other data: [`Suite::purge_takes_what_is_old_and_free`] removes deliveries.
pub trait Harness: Send + Sync {
    /// The store under test.
    type Store: DeliveryStore;

    /// Returns a new client of the store, if possible with a separate connection.
    fn client(&self) -> impl Future<Output = Self::Store> + Send;

    /// Returns a client on a machine whose clock is wrong by `skew`, or `None` if the harness cannot simulate
    /// that.
    ///
    /// A store that uses its server's clock passes with any skew. A store that uses its clients' clocks does
    /// not.
    fn skewed(&self, _skew: Skew) -> impl Future<Output = Option<Self::Store>> + Send {
        async { None }
    }

    /// Returns a client of an unreachable store, or `None` if the harness cannot simulate that.
    fn unreachable(&self) -> impl Future<Output = Option<Self::Store>> + Send {
        async { None }
    }

    /// Returns whether the store's entries expire automatically, `false` by default.
    ///
    /// [`DeliveryStore::purge`] removes nothing from such a store. The store may complete or renew a lease
    /// whose entry is missing, because it cannot distinguish a lost entry from a forged lease.
    fn expires_by_itself(&self) -> bool {
        false
    }
}

/// How far a clock is from the correct time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// The clock is ahead by this duration.
    Ahead(Duration),
    /// The clock is behind by this duration.
    Behind(Duration),
}

/// The harness of a store whose clones share their data.
#[derive(Clone, Debug)]
pub struct Clones<S>(pub S);

impl<S: DeliveryStore + Clone> Harness for Clones<S> {
    type Store = S;

    async fn client(&self) -> S {
        self.0.clone()
    }
}

/// The checks, one method for each. [`run`](Self::run) calls all of them.
///
/// # Panics
///
/// Every check panics if the store breaks a rule, returns an error, or does not answer.
pub struct Suite<'a, H> {
    harness: &'a H,
    seed: u64,
    /// The identity of this run. It is part of every key, so that two suites do not use the same keys.
    run: Owner,
    keys: AtomicU32,
}

impl<'a, H: Harness> Suite<'a, H> {
    /// Creates a suite with a random seed.
    pub fn new(harness: &'a H) -> Self {
        let (seed, run) = (random::seed(), Owner::random());
        Self { harness, seed, run, keys: AtomicU32::new(0) }
    }

    /// Sets the seed of the random decisions.
    ///
    /// To repeat a failed run, use the seed from its message.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs all checks, one after the other.
    pub async fn run(&self) {
        self.a_live_lease_is_exclusive().await;
        self.a_released_delivery_is_free_at_once().await;
        self.a_lapsed_lease_is_free().await;
        self.a_completed_delivery_is_a_duplicate().await;
        self.a_stale_owner_changes_nothing().await;
        self.a_lease_is_used_up_in_the_end().await;
        self.renewal_moves_the_end().await;
        self.late_is_not_lost().await;
        self.completing_twice_is_completing_once().await;
        self.attempts_rise().await;
        self.scopes_are_separate().await;
        self.keys_are_exact().await;
        self.forget_works_in_every_state().await;
        self.purge_takes_what_is_old_and_free().await;
        self.an_abandoned_claim_blocks_no_longer_than_its_lease().await;
        self.clocks_may_differ().await;
        self.an_unreachable_store_is_an_error().await;
        self.races().await;
    }

    async fn client(&self) -> Client<H::Store> {
        Client::new(self.harness.client().await)
    }

    /// Returns the key of an unclaimed delivery.
    fn new_key(&self) -> DeliveryKey {
        self.key_in(Scope::default(), "")
    }

    fn key_in(&self, scope: Scope, end_of_id: &str) -> DeliveryKey {
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        self.key(scope, format_args!("{number}_{end_of_id}"))
    }

    /// Returns a key that no other run uses. Within a run, keys with different id endings differ.
    fn key(&self, scope: Scope, end_of_id: impl fmt::Display) -> DeliveryKey {
        match format!("msg_{}_{end_of_id}", self.run).parse() {
            Ok(id) => DeliveryKey::new(scope, id),
            Err(error) => unreachable!("the suite created an invalid key: {error}"),
        }
    }
}

impl<H> fmt::Debug for Suite<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("seed", &self.seed).finish_non_exhaustive()
    }
}
