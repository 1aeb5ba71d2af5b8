use std::time::{Duration, Instant};

use clerk_webhook_core::Timestamp;
use tokio::task::JoinSet;

use super::client::{Client, LONG, ROUNDING, SHORT, longest_left};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::store::claim::{Claim, Lease, LeaseState, Owner};

impl<H: Harness> Suite<'_, H> {
    /// If many clients claim at the same time, one gets the lease.
    ///
    /// The others get a retry delay that is not longer than the lease.
    pub async fn a_live_lease_is_exclusive(&self) {
        let (first, second) = (self.client().await, self.client().await);
        for _ in 0..16 {
            let key = self.new_key();
            let mut claims = JoinSet::new();
            for client in [&first, &second].repeat(8) {
                let (client, key) = (client.clone(), key.clone());
                claims.spawn(async move {
                    let asked = Instant::now();
                    (client.claim(&key, LONG).await, longest_left(LONG, asked))
                });
            }
            let mut leases = Vec::new();
            for (claim, longest) in claims.join_all().await {
                match claim {
                    Claim::Acquired(lease) => leases.push(lease),
                    Claim::InProgress { retry_after } => {
                        let text = format!("retry after {retry_after:?}, with a lease of {LONG:?}");
                        Rule::RetryAfter.check(!retry_after.is_zero() && retry_after <= longest, text);
                    }
                    Claim::Duplicate { .. } => {
                        Rule::NeverLost.broken("a delivery is a duplicate, but no client completed it");
                    }
                }
            }
            let text = format!("{} of 16 concurrent claims got a lease", leases.len());
            Rule::OneOwner.check(leases.len() <= 1, text);
            Rule::NeverStuck.check(leases.len() == 1, "none of 16 concurrent claims got a lease");
            first.is_in_progress(&key, LONG, "a delivery in progress").await;
            second.is_in_progress(&key, LONG, "a delivery in progress").await;
        }
    }

    /// Any client can claim a released delivery immediately.
    pub async fn a_released_delivery_is_free_at_once(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();
        let lease = first.take(&key, LONG, "an unclaimed delivery").await;
        held(first.release(&lease).await, "an owner released");
        let lease = second.take(&key, LONG, "a released delivery").await;
        first.is_in_progress(&key, LONG, "a delivery that was claimed after a release").await;
        held(first.release(&lease).await, "another client released again with the same lease");
        let _lease = first.take(&key, LONG, "a delivery that was released twice").await;
    }

    /// A crashed handler blocks the delivery until its lease expires, and no longer.
    pub async fn a_lapsed_lease_is_free(&self) {
        let (first, second) = (self.client().await, self.client().await);
        for lease in [SHORT, Duration::from_millis(1)] {
            let (key, asked) = (self.new_key(), Instant::now());
            drop(first.take(&key, lease, "an unclaimed delivery").await);
            drop(second.take_over(&key, asked, lease, LONG).await);
            first.is_in_progress(&key, LONG, "a delivery that was taken over").await;
        }
    }

    /// A completed delivery stays a duplicate, even if its last owner tries to renew or release it.
    pub async fn a_completed_delivery_is_a_duplicate(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();
        let lease = first.take(&key, SHORT, "an unclaimed delivery").await;
        held(first.complete(&lease).await, "an owner completed");
        match second.claim(&key, SHORT).await {
            Claim::Duplicate { completed_at: Some(at) } => {
                let now = Timestamp::now();
                let off = now.checked_duration_since(at).or_else(|| at.checked_duration_since(now));
                // The completion time may come from the clock of a different machine.
                let near = off.is_some_and(|off| off < Duration::from_secs(600));
                Rule::CompletedAt.check(
                    near,
                    format_args!("a completion has the time {at} ms, but the clock shows {now} ms"),
                );
            }
            Claim::Duplicate { completed_at: None } => {}
            Claim::Acquired(_) => Rule::CompletedOnce.broken("a completed delivery was claimed again"),
            Claim::InProgress { .. } => Rule::CompletedOnce.broken("a completed delivery is in progress"),
        }
        let _either = first.renew(&lease, SHORT).await;
        second.is_duplicate(&key, "a delivery that was completed and then renewed").await;
        let _either = first.release(&lease).await;
        second.is_duplicate(&key, "a delivery that was completed and then released").await;
        tokio::time::sleep(SHORT + ROUNDING).await;
        second.is_duplicate(&key, "a completed delivery whose lease has expired").await;
    }

    /// An owner that did not receive the store's response can complete again.
    pub async fn completing_twice_is_completing_once(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();
        let lease = first.take(&key, SHORT, "an unclaimed delivery").await;
        held(first.complete(&lease).await, "an owner completed");
        let again = second.complete(&lease).await;
        Rule::CompleteAgain.check(again == LeaseState::Held, "the second call returned `Lost`");
        let completed_at = second.is_duplicate(&key, "a delivery that was completed twice").await;
        tokio::time::sleep(SHORT + ROUNDING).await;
        let again = first.complete(&lease).await;
        Rule::CompleteAgain
            .check(again == LeaseState::Held, "a call after the lease expired returned `Lost`");
        let still = second.is_duplicate(&key, "a delivery that was completed three times").await;
        Rule::CompletedAt.check(still == completed_at, "a second completion changed the completion time");
    }

    /// A lease cannot be used after it has completed or released its delivery.
    pub async fn a_lease_is_used_up_in_the_end(&self) {
        let client = self.client().await;
        let (completed, released) = (self.new_key(), self.new_key());
        let lease = client.take(&completed, LONG, "an unclaimed delivery").await;
        held(client.complete(&lease).await, "an owner completed");
        used_up(client.renew(&lease, LONG).await, "a completed delivery was renewed with the same lease");
        used_up(client.release(&lease).await, "a completed delivery was released with the same lease");
        client.is_duplicate(&completed, "a completed delivery").await;

        let lease = client.take(&released, LONG, "an unclaimed delivery").await;
        held(client.release(&lease).await, "an owner released");
        used_up(client.renew(&lease, LONG).await, "a released delivery was renewed with the same lease");
        used_up(client.complete(&lease).await, "a released delivery was completed with the same lease");
        let _lease = client.take(&released, LONG, "a released delivery").await;
    }

    /// A client changes nothing if another client has taken its delivery over, or if its lease is forged.
    pub async fn a_stale_owner_changes_nothing(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();

        let forged = Lease::new(key.clone(), Owner::random(), 1);
        if self.harness.expires_by_itself() {
            // A store that can lose entries cannot distinguish a forged lease from a lease whose entry is
            // lost.
            lost(first.release(&forged).await, "a client released with a forged lease");
        } else {
            try_everything(&first, &forged, "a forged lease").await;
        }
        let asked = Instant::now();
        let stale = first
            .take(&key, SHORT, "an unclaimed delivery that a client with a forged lease tried to change")
            .await;
        let current = second.take_over(&key, asked, SHORT, LONG).await;

        for lease in [&stale, &forged] {
            lost(first.renew(lease, SHORT).await, "a client without a live lease renewed");
            first.is_in_progress(&key, LONG, "a delivery that a stale owner tried to renew").await;
            lost(first.release(lease).await, "a client without a live lease released");
            is_still(&first, &current, "a delivery that a stale owner tried to release").await;
            lost(first.complete(lease).await, "a client without a live lease completed");
            is_still(&first, &current, "a delivery that a stale owner tried to complete").await;
        }
        // If a stale owner could shorten the lease, the lease would have expired by now.
        tokio::time::sleep(SHORT + ROUNDING).await;
        is_still(&first, &current, "a delivery that a stale owner tried to renew").await;

        held(second.release(&current).await, "the owner released after stale owners tried to");
        try_everything(&first, &stale, "a stale lease of a released delivery").await;
        let current = second.take(&key, LONG, "a released delivery").await;
        held(second.complete(&current).await, "the owner completed after stale owners tried to");
        for lease in [&stale, &forged] {
            try_everything(&first, lease, "a stale lease of a completed delivery").await;
            second.is_duplicate(&key, "a delivery that a stale owner tried to change").await;
        }
    }

    /// An owner can complete and renew after its lease has expired, if no other client has taken the delivery
    /// over.
    pub async fn late_is_not_lost(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let (completed, renewed, released) = (self.new_key(), self.new_key(), self.new_key());
        let late = first.take(&completed, SHORT, "an unclaimed delivery").await;
        let renewable = first.take(&renewed, SHORT, "an unclaimed delivery").await;
        let releasable = first.take(&released, SHORT, "an unclaimed delivery").await;
        tokio::time::sleep(SHORT + ROUNDING).await;

        held(first.complete(&late).await, "an owner completed with an expired lease that was not taken over");
        second.is_duplicate(&completed, "a delivery that was completed after its lease expired").await;
        held(
            first.renew(&renewable, LONG).await,
            "an owner renewed an expired lease that was not taken over",
        );
        second.is_in_progress(&renewed, LONG, "a delivery whose lease was renewed after it expired").await;
        held(
            first.complete(&renewable).await,
            "an owner completed with a lease that was renewed after it expired",
        );
        second
            .is_duplicate(&renewed, "a delivery that was renewed after its lease expired, and then completed")
            .await;
        let _either = first.release(&releasable).await;
        let _lease =
            second.take(&released, LONG, "a delivery that was released after its lease expired").await;
    }

    /// A renewal makes a lease expire later or earlier.
    pub async fn renewal_moves_the_end(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let (longer, shorter) = (self.new_key(), self.new_key());
        let lease = first.take(&longer, SHORT * 2, "an unclaimed delivery").await;
        held(first.renew(&lease, LONG).await, "an owner renewed a live lease");
        tokio::time::sleep(SHORT * 2 + ROUNDING).await;
        let asked = Instant::now();
        match second.claim(&longer, LONG).await {
            Claim::InProgress { retry_after } => {
                let text = format!("retry after {retry_after:?}, after a renewal for {LONG:?}");
                let fits = retry_after > LONG / 2 && retry_after <= longest_left(LONG, asked);
                Rule::RetryAfter.check(fits, text);
            }
            Claim::Acquired(_) => {
                Rule::Renewal.broken("a renewed delivery was claimed at the end of the first lease")
            }
            Claim::Duplicate { .. } => Rule::NeverLost.broken("a renewed delivery is a duplicate"),
        }
        held(first.complete(&lease).await, "an owner completed after a renewal");
        second.is_duplicate(&longer, "a delivery that was renewed and then completed").await;

        let lease = first.take(&shorter, LONG, "an unclaimed delivery").await;
        let asked = Instant::now();
        held(first.renew(&lease, SHORT).await, "an owner renewed a live lease");
        match second.claim(&shorter, LONG).await {
            Claim::InProgress { retry_after } if retry_after > longest_left(SHORT, asked) => {
                Rule::Renewal
                    .broken(format_args!("retry after {retry_after:?}, after a renewal for {SHORT:?}"));
            }
            Claim::Acquired(_) if asked.elapsed() + ROUNDING >= SHORT => {}
            Claim::InProgress { .. } => {
                let _lease = second.take_over(&shorter, asked, SHORT, LONG).await;
            }
            Claim::Acquired(_) => {
                Rule::OneOwner.broken("a delivery was claimed before its renewed lease expired")
            }
            Claim::Duplicate { .. } => Rule::NeverLost.broken("a renewed delivery is a duplicate"),
        }
    }

    /// The attempt number starts at 1, and rises after a release and after an expired lease.
    pub async fn attempts_rise(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let (key, mut asked) = (self.new_key(), Instant::now());
        let mut lease = first.take(&key, SHORT, "an unclaimed delivery").await;
        let text = format!("the first attempt has the number {}", lease.attempt());
        Rule::AttemptsRise.check(lease.attempt() == 1, text);
        for round in 0..4 {
            let next = if round % 2 == 0 {
                held(first.release(&lease).await, "an owner released");
                asked = Instant::now();
                second.take(&key, SHORT, "a released delivery").await
            } else {
                second.take_over(&key, asked, SHORT, LONG).await
            };
            let text = format!("attempt {} follows attempt {}", next.attempt(), lease.attempt());
            Rule::AttemptsRise.check(next.attempt() > lease.attempt(), text);
            Rule::OnlyTheOwner.check(next.owner() != lease.owner(), "two claims have the same owner");
            lease = next;
        }
    }
}

#[track_caller]
pub(super) fn held(answer: LeaseState, what: &str) {
    Rule::OwnerUntilOvertaken
        .check(answer == LeaseState::Held, format_args!("{what}, but the store returned `Lost`"));
}

#[track_caller]
fn used_up(answer: LeaseState, what: &str) {
    Rule::UsedUp.check(answer == LeaseState::Lost, what);
}

#[track_caller]
pub(super) fn lost(answer: LeaseState, what: &str) {
    Rule::OnlyTheOwner.check(answer == LeaseState::Lost, what);
}

async fn try_everything<S: crate::DeliveryStore>(client: &Client<S>, lease: &Lease, what: &str) {
    lost(client.renew(lease, LONG).await, &format!("{what} was used to renew"));
    lost(client.complete(lease).await, &format!("{what} was used to complete"));
    lost(client.release(lease).await, &format!("{what} was used to release"));
}

/// Checks that the delivery is still in progress.
async fn is_still<S: crate::DeliveryStore>(client: &Client<S>, current: &Lease, what: &str) {
    match client.claim(current.key(), LONG).await {
        Claim::InProgress { .. } => {}
        Claim::Acquired(_) => {
            Rule::OnlyTheOwner.broken(format_args!("{what} was claimed although it has an owner"))
        }
        Claim::Duplicate { .. } => Rule::OnlyTheOwner.broken(format_args!("{what} is completed")),
    }
}
