use std::time::{Duration, Instant};

use super::client::{Client, LONG, SHORT};
use super::leases::{held, lost};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::store::claim::Claim;
use crate::store::delivery_store::DeliveryStore;

const HOUR: Duration = Duration::from_secs(3600);

impl<H: Harness> Suite<'_, H> {
    /// A delivery can be forgotten in any state. It can then be claimed, and its previous owner has lost its
    /// lease.
    pub async fn forget_works_in_every_state(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();
        Rule::Forget.check(!first.forget(&key).await, "`forget` returned true for an unknown delivery");

        let in_progress = first.take(&key, LONG, "an unclaimed delivery").await;
        is_forgotten(&second, &key, "a delivery in progress").await;
        Rule::Forget.check(!second.forget(&key).await, "`forget` returned true for a forgotten delivery");
        lost(first.complete(&in_progress).await, "an owner completed a forgotten delivery");
        let lease = claim_forgotten(&second, &key, "a delivery in progress").await;
        lost(
            first.complete(&in_progress).await,
            "an owner completed a forgotten delivery that another client has claimed",
        );
        lost(
            first.release(&in_progress).await,
            "an owner released a forgotten delivery that another client has claimed",
        );
        held(second.release(&lease).await, "an owner released");

        is_forgotten(&first, &key, "a released delivery").await;
        let lease = claim_forgotten(&first, &key, "a released delivery").await;
        held(first.complete(&lease).await, "an owner completed");
        second.is_duplicate(&key, "a completed delivery").await;

        is_forgotten(&second, &key, "a completed delivery").await;
        let lease = claim_forgotten(&first, &key, "a completed delivery").await;
        held(first.complete(&lease).await, "an owner completed");
        first.is_duplicate(&key, "a completed delivery").await;
    }

    /// A purge removes old deliveries without a live lease, up to its limit.
    ///
    /// It does not remove new deliveries or deliveries in progress. This check removes everything from the
    /// store except deliveries in progress.
    pub async fn purge_takes_what_is_old_and_free(&self) {
        let client = self.client().await;
        if self.harness.expires_by_itself() {
            let key = self.new_key();
            let lease = client.take(&key, LONG, "an unclaimed delivery").await;
            held(client.complete(&lease).await, "an owner completed");
            Rule::Purge.check(
                client.purge(Duration::ZERO, 9).await == 0,
                "a store whose entries expire purged a delivery",
            );
            client.is_duplicate(&key, "a completed delivery, after a purge that has nothing to do,").await;
            return;
        }

        let (live, abandoned) = (self.new_key(), self.new_key());
        let mut completed = Vec::new();
        while completed.len() < 5 {
            let key = self.new_key();
            let lease = client.take(&key, LONG, "an unclaimed delivery").await;
            held(client.complete(&lease).await, "an owner completed");
            completed.push(key);
        }
        let lease = client.take(&self.new_key(), LONG, "an unclaimed delivery").await;
        held(client.release(&lease).await, "an owner released");
        let owner = client.take(&live, LONG, "an unclaimed delivery").await;
        Rule::Purge
            .check(client.purge(HOUR, u32::MAX).await == 0, "a delivery younger than an hour was purged");
        for key in &completed {
            client.is_duplicate(key, "a delivery that is too new to purge").await;
        }

        let asked = Instant::now();
        let lease = client.take(&abandoned, SHORT, "an unclaimed delivery").await;
        drop(client.take_over(&abandoned, asked, SHORT, SHORT).await);
        drop(lease);
        tokio::time::sleep(SHORT * 2).await;
        let removed = client.purge(Duration::ZERO, 3).await;
        Rule::Purge.check(removed == 3, format_args!("{removed} deliveries were purged with a limit of 3"));
        Rule::Purge
            .check(client.purge(Duration::ZERO, 0).await == 0, "a delivery was purged with a limit of 0");
        // This check has created seven old deliveries: five completed, one released, one abandoned. Earlier
        // checks may have left more.
        let more = client.purge(Duration::ZERO, u32::MAX).await;
        Rule::Purge.check(
            more >= 4,
            format_args!("the second purge removed {more} deliveries, but at least 4 were left"),
        );
        let more = client.purge(Duration::ZERO, u32::MAX).await;
        Rule::Purge
            .check(more == 0, format_args!("{more} deliveries were left after a purge without a limit"));

        match client.claim(&live, LONG).await {
            Claim::InProgress { .. } => {}
            claim => Rule::Purge.broken(format_args!("a delivery in progress is {claim:?} after a purge")),
        }
        held(client.complete(&owner).await, "an owner completed after a purge");
        client.is_duplicate(&live, "a delivery that was completed after a purge").await;
        for key in completed.iter().chain([&abandoned]) {
            match client.claim(key, LONG).await {
                Claim::Acquired(_) => {}
                claim => Rule::Purge.broken(format_args!("a purged delivery is {claim:?}")),
            }
        }
    }
}

async fn is_forgotten<S: DeliveryStore>(client: &Client<S>, key: &crate::DeliveryKey, what: &str) {
    Rule::Forget.check(client.forget(key).await, format_args!("`forget` did not find {what}"));
}

async fn claim_forgotten<S: DeliveryStore>(
    client: &Client<S>,
    key: &crate::DeliveryKey,
    what: &str,
) -> crate::Lease {
    match client.claim(key, LONG).await {
        Claim::Acquired(lease) => lease,
        claim => Rule::Forget.broken(format_args!("{what} was forgotten, but the claim returned {claim:?}")),
    }
}
