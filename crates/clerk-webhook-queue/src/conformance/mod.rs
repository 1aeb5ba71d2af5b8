//! The test suite for implementations of [`JobQueue`].
//!
//! A [`Harness`] creates clients of one queue, and [`Suite::run`] lets them compete. The suite tests
//! duplicates in every state, workers that fail, crash or finish after their lease has expired, and clients
//! that drop a call. It panics when it finds the first broken rule, and the message names the [`Rule`]. You
//! can also call each check individually.
//!
//! The suite takes a few seconds, because it waits for leases to expire. Run it on a multi-threaded Tokio
//! runtime with timers. On a single thread, calls do not run in parallel.
//!
//! ```no_run
//! use clerk_webhook_queue::conformance::{Harness, Suite};
//!
//! async fn check(harness: impl Harness) {
//!     Suite::new(&harness).run().await;
//! }
//! ```

mod client;
mod dead_letters;
mod enqueueing;
mod failures;
mod housekeeping;
mod leases;
mod objects;
mod races;
mod retries;
mod rule;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_store::internal::seed;
use clerk_webhook_store::{Owner, Scope};

use self::client::Client;
use crate::queue::job_queue::JobQueue;

pub use self::rule::Rule;

/// Creates clients of the queue under test.
pub trait Harness: Send + Sync {
    /// The queue under test.
    type Queue: JobQueue;

    /// Returns a new client of the queue with this scope, if possible with a separate connection.
    ///
    /// Each check uses new scopes, so the queue may already contain other data.
    fn client(&self, scope: Scope) -> impl Future<Output = Self::Queue> + Send;

    /// Returns a client of an unreachable queue, or `None` if the harness cannot simulate that.
    fn unreachable(&self) -> impl Future<Output = Option<Self::Queue>> + Send {
        async { None }
    }
}

/// The checks, one method for each. [`run`](Self::run) calls all of them.
///
/// # Panics
///
/// Every check panics if the queue breaks a rule or returns an error, or if a call does not return.
pub struct Suite<'a, H> {
    harness: &'a H,
    seed: u64,
    /// Is part of every scope and every message id, so that two suites do not use the same ones.
    run: Owner,
    names: AtomicU32,
}

impl<'a, H: Harness> Suite<'a, H> {
    /// Creates a suite with a random seed.
    pub fn new(harness: &'a H) -> Self {
        Self { harness, seed: seed(), run: Owner::random(), names: AtomicU32::new(0) }
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
        self.an_event_is_durable_before_the_answer().await;
        self.scopes_are_separate().await;
        self.a_duplicate_is_found_in_every_state().await;
        self.concurrent_duplicates_are_enqueued_once().await;
        self.message_ids_are_exact().await;
        self.an_abandoned_enqueue_loses_nothing().await;
        self.a_live_lease_is_exclusive().await;
        self.concurrent_takes_are_exclusive().await;
        self.an_expired_lease_is_free().await;
        self.a_stale_owner_changes_nothing().await;
        self.a_lease_is_used_up_in_the_end().await;
        self.renewal_moves_the_end().await;
        self.an_owner_that_is_late_can_still_complete().await;
        self.completing_twice_is_completing_once().await;
        self.burying_twice_is_burying_once().await;
        self.a_retry_waits_for_its_delay().await;
        self.giving_back_does_not_count_the_attempt().await;
        self.the_last_attempt_ends_dead().await;
        self.a_crash_loop_ends_dead().await;
        self.a_buried_job_is_a_dead_letter().await;
        self.a_dead_letter_can_be_retried().await;
        self.dead_letters_can_be_retried_by_type().await;
        self.a_dead_letter_can_be_discarded().await;
        self.one_object_at_a_time().await;
        self.stats_count_every_state().await;
        self.purge_forgets_only_old_done_messages().await;
        self.waiting_ends().await;
        self.an_unreachable_queue_is_an_error().await;
        self.races().await;
    }

    /// Returns two clients of an empty queue.
    async fn two_clients(&self) -> (Client<H::Queue>, Client<H::Queue>) {
        let scope = self.new_scope();
        (self.client(scope.clone()).await, self.client(scope).await)
    }

    async fn client(&self, scope: Scope) -> Client<H::Queue> {
        Client::new(self.harness.client(scope).await)
    }

    fn new_scope(&self) -> Scope {
        match format!("{}_{}", self.run, self.number()).parse() {
            Ok(scope) => scope,
            Err(error) => unreachable!("the suite created an invalid scope: {error}"),
        }
    }

    /// Returns an event about an object that no other event is about.
    fn new_event(&self) -> Event {
        self.event_of("user.updated")
    }

    fn event_of(&self, event_type: &str) -> Event {
        let data = format!(r#"{{"id":"user_{}_{}"}}"#, self.run, self.number());
        self.event_with(event_type, &data, "")
    }

    fn event_with(&self, event_type: &str, data: &str, end_of_id: &str) -> Event {
        let number = self.number();
        self.event(&format!("msg_{}_{number}{end_of_id}", self.run), event_type, data)
    }

    fn event(&self, id: &str, event_type: &str, data: &str) -> Event {
        let body = format!(r#"{{"data":{data},"object":"event","type":"{event_type}"}}"#);
        // In whole seconds, as in the timestamp header of a delivery.
        let attempted_at = Timestamp::from_secs(Timestamp::now().as_secs());
        match id.parse().map(|id| Event::from_trusted(id, attempted_at, body.into())) {
            Ok(Ok(event)) => event,
            _ => unreachable!("the suite created an invalid event"),
        }
    }

    fn number(&self) -> u32 {
        self.names.fetch_add(1, Ordering::Relaxed)
    }
}

impl<H> fmt::Debug for Suite<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("seed", &self.seed).finish_non_exhaustive()
    }
}
