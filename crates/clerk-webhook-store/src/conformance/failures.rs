use std::time::{Duration, Instant};

use super::client::{Client, LONG, ROUNDING, SHORT, longest_left, refusal};
use super::leases::held;
use super::rule::Rule;
use super::{Harness, Skew, Suite};
use crate::store::claim::{Claim, Lease, Owner};
use crate::store::delivery_store::DeliveryStore;

const SKEW: Duration = Duration::from_secs(3600);

impl<H: Harness> Suite<'_, H> {
    /// A claim whose future is dropped blocks the delivery for at most the duration of the lease.
    ///
    /// The client still returns correct answers afterwards.
    pub async fn an_abandoned_claim_blocks_no_longer_than_its_lease(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let mut abandoned = Vec::new();
        for step in 0..20_u64 {
            let (key, asked) = (self.new_key(), Instant::now());
            // If the timeout is zero, the claim is polled only once.
            let time = Duration::from_micros(step * 100);
            let claim = tokio::time::timeout(time, first.store().claim(&key, SHORT)).await;
            if let Ok(Err(error)) = claim {
                Rule::Errors.broken(format_args!("claim failed: {error}"));
            }
            // The client must not mistake the answer to the abandoned claim for the answer to this one.
            let other = self.new_key();
            let lease = first.take(&other, LONG, "an unclaimed delivery, after an abandoned claim,").await;
            held(first.complete(&lease).await, "an owner completed after an abandoned claim");
            first.is_duplicate(&other, "a delivery that was completed after an abandoned claim").await;
            abandoned.push((key, asked));
        }
        for (key, asked) in abandoned {
            // It is unknown whether the store received the abandoned claim, so both results are correct.
            let claim = second.claim(&key, LONG).await;
            if let Claim::InProgress { .. } = claim {
                drop(second.take_over(&key, asked, SHORT, LONG).await);
            } else if let Claim::Duplicate { .. } = claim {
                Rule::NeverLost.broken("a delivery is a duplicate after an abandoned claim");
            }
        }
    }

    /// A client with a wrong clock does not take over a live lease and does not block a delivery.
    ///
    /// Checks nothing if [`Harness::skewed`] returns `None`.
    pub async fn clocks_may_differ(&self) {
        for skew in [Skew::Ahead(SKEW), Skew::Behind(SKEW)] {
            let Some(wrong) = self.harness.skewed(skew).await else { continue };
            let (right, wrong) = (self.client().await, Client::new(wrong));
            for (first, second) in [(&right, &wrong), (&wrong, &right)] {
                let key = self.new_key();
                let lease = first.take(&key, LONG, "an unclaimed delivery").await;
                let asked = Instant::now();
                match second.claim(&key, LONG).await {
                    Claim::InProgress { retry_after } => {
                        let text = format_args!(
                            "retry after {retry_after:?}, with a lease of {LONG:?} and the clock {skew:?}"
                        );
                        let fits = retry_after <= longest_left(LONG, asked);
                        Rule::Clocks.check(fits && !retry_after.is_zero(), text);
                    }
                    claim => {
                        let text = format!(
                            "a delivery in progress is {claim:?} for a client with the clock {skew:?}"
                        );
                        Rule::Clocks.broken(text);
                    }
                }
                held(first.complete(&lease).await, "an owner completed");
                second.is_duplicate(&key, "a completed delivery").await;

                let (key, asked) = (self.new_key(), Instant::now());
                drop(first.take(&key, SHORT, "an unclaimed delivery").await);
                loop {
                    match second.claim(&key, LONG).await {
                        Claim::InProgress { .. } if asked.elapsed() > SHORT * 40 => {
                            Rule::Clocks.broken(format_args!(
                                "a lease of {SHORT:?} does not expire for a client with the clock {skew:?}"
                            ));
                        }
                        Claim::InProgress { .. } => tokio::time::sleep(Duration::from_millis(10)).await,
                        Claim::Acquired(_) => {
                            let kept = asked.elapsed() + ROUNDING >= SHORT;
                            Rule::Clocks.check(
                                kept,
                                format_args!(
                                    "a lease expired too early for a client with the clock {skew:?}"
                                ),
                            );
                            break;
                        }
                        Claim::Duplicate { .. } => {
                            Rule::NeverLost.broken("a delivery is a duplicate, but no client completed it")
                        }
                    }
                }
            }
        }
    }

    /// An unreachable store returns an error from each method, in limited time.
    ///
    /// Checks nothing if [`Harness::unreachable`] returns `None`.
    pub async fn an_unreachable_store_is_an_error(&self) {
        let Some(store) = self.harness.unreachable().await else { return };
        let key = self.new_key();
        let lease = Lease::new(key.clone(), Owner::random(), 1);
        refusal("claim", store.claim(&key, LONG)).await;
        refusal("renew", store.renew(&lease, LONG)).await;
        refusal("complete", store.complete(&lease)).await;
        refusal("release", store.release(&lease)).await;
        refusal("forget", store.forget(&key)).await;
        if !self.harness.expires_by_itself() {
            refusal("purge", store.purge(Duration::ZERO, 9)).await;
        }
        refusal("claim", store.claim(&key, LONG)).await;
    }
}
