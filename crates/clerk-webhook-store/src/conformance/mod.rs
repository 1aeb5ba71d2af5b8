//! The tests that every store has to pass, for stores of your own too.
//!
//! A [`Harness`] hands out clients of one store, and [`Suite::run`] makes them compete: concurrent claims, handlers that
//! fail, crash, or come back after their lease, clients that go away in the middle of a question. The first broken rule
//! ends it with a panic whose message names the [`Rule`]. Every check can also be called alone.
//!
//! It takes some seconds of real time, since leases have to end. Call it in a multi-threaded runtime of Tokio with
//! timers, or else nothing really happens at once.
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
//! // Or all at once, in a test: suite.run().await
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod client;
mod failures;
mod housekeeping;
mod keys;
mod leases;
mod races;
mod random;
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

/// The clients of a store, and what else it takes to test it.
///
/// The store is for the suite alone: [`Suite::purge_takes_what_is_old_and_free`] empties it.
pub trait Harness: Send + Sync {
    /// The store under test.
    type Store: DeliveryStore;

    /// Returns a client of the store; another one each time, with a connection of its own, where that is possible.
    fn client(&self) -> impl Future<Output = Self::Store> + Send;

    /// Returns a client on a machine whose clock is wrong by so much, unless that cannot be simulated.
    ///
    /// A store that measures time by the clock of its clients cannot pass with any skew that matters; one that asks the
    /// server for the time passes with every skew.
    fn skewed(&self, _skew: Skew) -> impl Future<Output = Option<Self::Store>> + Send {
        async { None }
    }

    /// Returns a client of a store that is down, unless that cannot be simulated.
    fn unreachable(&self) -> impl Future<Output = Option<Self::Store>> + Send {
        async { None }
    }

    /// Returns whether deliveries end by themselves, so that [`DeliveryStore::purge`] has nothing to do.
    ///
    /// Such a store may complete or renew a lease whose entry is missing: it cannot distinguish a lost entry from a lease that
    /// it never gave.
    fn expires_by_itself(&self) -> bool {
        false
    }
}

/// How wrong a clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// It shows what will be so much later.
    Ahead(Duration),
    /// It shows what was so much earlier.
    Behind(Duration),
}

/// The harness of a store whose clones are the same store.
#[derive(Clone, Debug)]
pub struct Clones<S>(pub S);

impl<S: DeliveryStore + Clone> Harness for Clones<S> {
    type Store = S;

    async fn client(&self) -> S {
        self.0.clone()
    }
}

/// The checks, each a method; [`run`](Self::run) calls all.
///
/// # Panics
///
/// Every check panics where the store breaks a rule, and where it answers with an error or not at all.
pub struct Suite<'a, H> {
    harness: &'a H,
    seed: u64,
    /// What makes the keys of this suite different from those of any other.
    run: Owner,
    keys: AtomicU32,
}

impl<'a, H: Harness> Suite<'a, H> {
    /// Creates a suite whose random decisions differ from run to run.
    pub fn new(harness: &'a H) -> Self {
        let (seed, run) = (random::seed(), Owner::random());
        Self { harness, seed, run, keys: AtomicU32::new(0) }
    }

    /// Takes the random decisions of a run that failed; its message names the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs every check, one after the other.
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

    /// Returns the key of a delivery that nobody has claimed.
    fn new_key(&self) -> DeliveryKey {
        self.key_in(Scope::default(), "")
    }

    fn key_in(&self, scope: Scope, end_of_id: &str) -> DeliveryKey {
        let number = self.keys.fetch_add(1, Ordering::Relaxed);
        self.key(scope, format_args!("{number}_{end_of_id}"))
    }

    /// Returns a key that is different for every run, and within a run for every end.
    fn key(&self, scope: Scope, end_of_id: impl fmt::Display) -> DeliveryKey {
        match format!("msg_{}_{end_of_id}", self.run).parse() {
            Ok(id) => DeliveryKey::new(scope, id),
            Err(error) => unreachable!("a mistake in the suite: {error}"),
        }
    }
}

impl<H> fmt::Debug for Suite<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("seed", &self.seed).finish_non_exhaustive()
    }
}
