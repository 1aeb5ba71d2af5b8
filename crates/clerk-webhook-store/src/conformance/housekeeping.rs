use std::time::{Duration, Instant};

use super::client::{Client, LONG, SHORT};
use super::leases::{held, lost};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::store::claim::Claim;
use crate::store::delivery_store::DeliveryStore;

const HOUR: Duration = Duration::from_secs(3600);

impl<H: Harness> Suite<'_, H> {
    /// What is forgotten in whatever state can be claimed, and its last owner has no part in that.
    pub async fn forget_works_in_every_state(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();
        Rule::Forget.check(!first.forget(&key).await, "there was nothing to forget");

        let in_progress = first.take(&key, LONG, "what nobody claimed").await;
        is_forgotten(&second, &key, "what is in progress").await;
        Rule::Forget.check(!second.forget(&key).await, "it was forgotten before");
        lost(first.complete(&in_progress).await, "an owner whose delivery was forgotten completed");
        let lease = claim_forgotten(&second, &key, "what was in progress").await;
        lost(
            first.complete(&in_progress).await,
            "an owner whose delivery was forgotten completed the next one",
        );
        lost(
            first.release(&in_progress).await,
            "an owner whose delivery was forgotten released the next one",
        );
        held(second.release(&lease).await, "an owner released");

        is_forgotten(&first, &key, "what was released").await;
        let lease = claim_forgotten(&first, &key, "what was released").await;
        held(first.complete(&lease).await, "an owner completed");
        second.is_duplicate(&key, "what was completed").await;

        is_forgotten(&second, &key, "what was completed").await;
        let lease = claim_forgotten(&first, &key, "what was completed").await;
        held(first.complete(&lease).await, "an owner completed");
        first.is_duplicate(&key, "what was completed").await;
    }

    /// What is old and free of a lease goes, so many at a time; what is in progress or new stays.
    ///
    /// It leaves nothing in the store but what is in progress.
    pub async fn purge_takes_what_is_old_and_free(&self) {
        let client = self.client().await;
        if self.harness.expires_by_itself() {
            let key = self.new_key();
            let lease = client.take(&key, LONG, "what nobody claimed").await;
            held(client.complete(&lease).await, "an owner completed");
            Rule::Purge.check(client.purge(Duration::ZERO, 9).await == 0, "there is nothing to do");
            client.is_duplicate(&key, "what was completed, in a store that has nothing to purge,").await;
            return;
        }

        let (live, abandoned) = (self.new_key(), self.new_key());
        let mut completed = Vec::new();
        while completed.len() < 5 {
            let key = self.new_key();
            let lease = client.take(&key, LONG, "what nobody claimed").await;
            held(client.complete(&lease).await, "an owner completed");
            completed.push(key);
        }
        let lease = client.take(&self.new_key(), LONG, "what nobody claimed").await;
        held(client.release(&lease).await, "an owner released");
        let owner = client.take(&live, LONG, "what nobody claimed").await;
        Rule::Purge.check(client.purge(HOUR, u32::MAX).await == 0, "nothing is an hour old");
        for key in &completed {
            client.is_duplicate(key, "what is too new to purge").await;
        }

        let asked = Instant::now();
        let lease = client.take(&abandoned, SHORT, "what nobody claimed").await;
        drop(client.take_over(&abandoned, asked, SHORT, SHORT).await);
        drop(lease);
        tokio::time::sleep(SHORT * 2).await;
        let removed = client.purge(Duration::ZERO, 3).await;
        Rule::Purge.check(removed == 3, format_args!("{removed} were removed with a limit of 3"));
        Rule::Purge.check(client.purge(Duration::ZERO, 0).await == 0, "the limit was 0");
        // There may be others from before; of ours five and the abandoned and the released one were there.
        let more = client.purge(Duration::ZERO, u32::MAX).await;
        Rule::Purge.check(more >= 4, format_args!("{more} more were removed, and at least 4 were there"));
        let more = client.purge(Duration::ZERO, u32::MAX).await;
        Rule::Purge.check(more == 0, format_args!("{more} were left over"));

        match client.claim(&live, LONG).await {
            Claim::InProgress { .. } => {}
            claim => Rule::Purge.broken(format_args!("what was in progress is {claim:?} after a purge")),
        }
        held(client.complete(&owner).await, "an owner completed after a purge");
        client.is_duplicate(&live, "what was completed after a purge").await;
        for key in completed.iter().chain([&abandoned]) {
            match client.claim(key, LONG).await {
                Claim::Acquired(_) => {}
                claim => Rule::Purge.broken(format_args!("what was purged is {claim:?}")),
            }
        }
    }
}

async fn is_forgotten<S: DeliveryStore>(client: &Client<S>, key: &crate::DeliveryKey, what: &str) {
    Rule::Forget.check(client.forget(key).await, format_args!("{what} was not there to forget"));
}

async fn claim_forgotten<S: DeliveryStore>(
    client: &Client<S>,
    key: &crate::DeliveryKey,
    what: &str,
) -> crate::Lease {
    match client.claim(key, LONG).await {
        Claim::Acquired(lease) => lease,
        claim => Rule::Forget.broken(format_args!("{what} was forgotten, and it is {claim:?}")),
    }
}
