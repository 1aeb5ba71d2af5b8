use std::time::Duration;

use clerk_webhook_core::Outcome;
use clerk_webhook_store::{DeliveryKey, Lease, Owner};

use super::client::{LONG, leased, refusal};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::queue::delivery_queue::DeliveryQueue as _;
use crate::queue::job_queue::JobQueue as _;

impl<H: Harness> Suite<'_, H> {
    /// Each method of an unreachable queue returns an error, and the answer to the sender has status 503.
    ///
    /// Checks nothing if [`Harness::unreachable`] returns `None`.
    pub async fn an_unreachable_queue_is_an_error(&self) {
        let Some(queue) = self.harness.unreachable().await else { return };
        let event = self.new_event();
        let id = event.message_id();
        let lease = Lease::new(DeliveryKey::of(&event, queue.scope().clone()), Owner::random(), 1);
        refusal("enqueue", queue.enqueue(&event)).await;
        let outcome = queue.answer(event.clone()).await.outcome();
        let text = format!("an unreachable queue is answered with {outcome}, not `store_unavailable`");
        Rule::Errors.check(outcome == Outcome::StoreUnavailable, text);
        refusal("take", queue.take(&leased(LONG))).await;
        refusal("renew", queue.renew(&lease, LONG)).await;
        refusal("complete", queue.complete(&lease)).await;
        refusal("retry", queue.retry(&lease, LONG, "a failure")).await;
        refusal("give_back", queue.give_back(&lease)).await;
        refusal("bury", queue.bury(&lease, "a failure")).await;
        refusal("stats", queue.stats()).await;
        refusal("dead_letters", queue.dead_letters(9)).await;
        refusal("dead_letter", queue.dead_letter(id)).await;
        refusal("retry_dead", queue.retry_dead(id)).await;
        refusal("retry_all_dead", queue.retry_all_dead(None)).await;
        refusal("discard", queue.discard(id)).await;
        refusal("purge", queue.purge(Duration::ZERO, 9)).await;
        refusal("enqueue", queue.enqueue(&event)).await;
    }
}
