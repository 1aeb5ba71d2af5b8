use std::time::{Duration, Instant};

use clerk_webhook_core::Timestamp;
use tokio::task::JoinSet;

use super::client::{Client, LONG, ROUNDING, SHORT, longest_left};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::store::claim::{Claim, Lease, LeaseState, Owner};

impl<H: Harness> Suite<'_, H> {
    /// Of many who claim at once, one gets the lease; the others are told to come back before it ends.
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
                        let text = format!("{retry_after:?} with a lease of {LONG:?}");
                        Rule::RetryAfter.check(!retry_after.is_zero() && retry_after <= longest, text);
                    }
                    Claim::Duplicate { .. } => {
                        Rule::NeverLost.broken("what nobody completed yet is a duplicate");
                    }
                }
            }
            let text = format!("{} of 16 concurrent claims got a lease", leases.len());
            Rule::OneOwner.check(leases.len() <= 1, text);
            Rule::NeverStuck.check(leases.len() == 1, "none of 16 concurrent claims got a lease");
            first.is_in_progress(&key, LONG, "what is in progress").await;
            second.is_in_progress(&key, LONG, "what is in progress").await;
        }
    }

    /// What was released can be claimed at once, by anybody.
    pub async fn a_released_delivery_is_free_at_once(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();
        let lease = first.take(&key, LONG, "what nobody claimed").await;
        held(first.release(&lease).await, "a live lease was released");
        let lease = second.take(&key, LONG, "what was released").await;
        first.is_in_progress(&key, LONG, "what was claimed after a release").await;
        held(first.release(&lease).await, "another client released with the same lease");
        let _lease = first.take(&key, LONG, "what was released twice").await;
    }

    /// A handler that crashed blocks the delivery until its lease ends, and not for longer.
    pub async fn a_lapsed_lease_is_free(&self) {
        let (first, second) = (self.client().await, self.client().await);
        for lease in [SHORT, Duration::from_millis(1)] {
            let (key, asked) = (self.new_key(), Instant::now());
            drop(first.take(&key, lease, "what nobody claimed").await);
            drop(second.take_over(&key, asked, lease, LONG).await);
            first.is_in_progress(&key, LONG, "what was taken over").await;
        }
    }

    /// What is completed is a duplicate from then on, whatever its last owner does.
    pub async fn a_completed_delivery_is_a_duplicate(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();
        let lease = first.take(&key, SHORT, "what nobody claimed").await;
        held(first.complete(&lease).await, "a lease was used to complete");
        match second.claim(&key, SHORT).await {
            Claim::Duplicate { completed_at: Some(at) } => {
                let now = Timestamp::now();
                let off = now.checked_duration_since(at).or_else(|| at.checked_duration_since(now));
                // The clock may be another machine's.
                let near = off.is_some_and(|off| off < Duration::from_secs(600));
                Rule::CompletedAt
                    .check(near, format_args!("just now is {at} ms, and the clock shows {now} ms"));
            }
            Claim::Duplicate { completed_at: None } => {}
            Claim::Acquired(_) => Rule::CompletedOnce.broken("a completed delivery was claimed again"),
            Claim::InProgress { .. } => Rule::CompletedOnce.broken("what was completed is in progress"),
        }
        let _either = first.renew(&lease, SHORT).await;
        second.is_duplicate(&key, "what was completed and then renewed").await;
        let _either = first.release(&lease).await;
        second.is_duplicate(&key, "what was completed and then released").await;
        tokio::time::sleep(SHORT + ROUNDING).await;
        second.is_duplicate(&key, "what was completed, and whose lease is over,").await;
    }

    /// An owner that did not hear the answer completes once more.
    pub async fn completing_twice_is_completing_once(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();
        let lease = first.take(&key, SHORT, "what nobody claimed").await;
        held(first.complete(&lease).await, "a lease was used to complete");
        let again = second.complete(&lease).await;
        Rule::CompleteAgain.check(again == LeaseState::Held, "the second call returned `Lost`");
        let completed_at = second.is_duplicate(&key, "what was completed twice").await;
        tokio::time::sleep(SHORT + ROUNDING).await;
        let again = first.complete(&lease).await;
        Rule::CompleteAgain
            .check(again == LeaseState::Held, "a call after the lease expired returned `Lost`");
        let still = second.is_duplicate(&key, "what was completed three times").await;
        Rule::CompletedAt.check(still == completed_at, "completing once more changes when it was completed");
    }

    /// Whoever has completed can neither release nor renew, and whoever has released can neither complete nor renew.
    pub async fn a_lease_is_used_up_in_the_end(&self) {
        let client = self.client().await;
        let (completed, released) = (self.new_key(), self.new_key());
        let lease = client.take(&completed, LONG, "what nobody claimed").await;
        held(client.complete(&lease).await, "a lease was used to complete");
        used_up(client.renew(&lease, LONG).await, "what was completed was renewed");
        used_up(client.release(&lease).await, "what was completed was released");
        client.is_duplicate(&completed, "what was completed").await;

        let lease = client.take(&released, LONG, "what nobody claimed").await;
        held(client.release(&lease).await, "a lease was used to release");
        used_up(client.renew(&lease, LONG).await, "what was released was renewed");
        used_up(client.complete(&lease).await, "what was released was completed");
        let _lease = client.take(&released, LONG, "what was released").await;
    }

    /// Whoever comes back after somebody else has taken over, or holds what was never a lease, changes nothing.
    pub async fn a_stale_owner_changes_nothing(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let key = self.new_key();

        let forged = Lease::new(key.clone(), Owner::random(), 1);
        if self.harness.expires_by_itself() {
            // A store that loses entries cannot tell a forged lease from one whose entry is lost.
            lost(first.release(&forged).await, "a lease that is none was used to release");
        } else {
            try_everything(&first, &forged, "a lease that is none").await;
        }
        let asked = Instant::now();
        let stale = first.take(&key, SHORT, "what somebody without a lease tried to change").await;
        let current = second.take_over(&key, asked, SHORT, LONG).await;

        for lease in [&stale, &forged] {
            lost(first.renew(lease, SHORT).await, "somebody without a lease renewed");
            first.is_in_progress(&key, LONG, "what a stale owner tried to renew").await;
            lost(first.release(lease).await, "somebody without a lease released");
            is_still(&first, &current, "what a stale owner tried to release").await;
            lost(first.complete(lease).await, "somebody without a lease completed");
            is_still(&first, &current, "what a stale owner tried to complete").await;
        }
        // A lease that a stale owner could shorten would be over by now.
        tokio::time::sleep(SHORT + ROUNDING).await;
        is_still(&first, &current, "what a stale owner tried to renew").await;

        held(second.release(&current).await, "the owner released after stale ones had tried");
        try_everything(&first, &stale, "a stale lease of what was released").await;
        let current = second.take(&key, LONG, "what was released").await;
        held(second.complete(&current).await, "the owner completed after stale ones had tried");
        for lease in [&stale, &forged] {
            try_everything(&first, lease, "a stale lease of what was completed").await;
            second.is_duplicate(&key, "what a stale owner tried to change").await;
        }
    }

    /// A lease that is over, of a delivery that nobody has taken over, can be completed and renewed.
    pub async fn late_is_not_lost(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let (completed, renewed, released) = (self.new_key(), self.new_key(), self.new_key());
        let late = first.take(&completed, SHORT, "what nobody claimed").await;
        let renewable = first.take(&renewed, SHORT, "what nobody claimed").await;
        let releasable = first.take(&released, SHORT, "what nobody claimed").await;
        tokio::time::sleep(SHORT + ROUNDING).await;

        held(first.complete(&late).await, "a lease was used to complete that was over and not taken over");
        second.is_duplicate(&completed, "what was completed late").await;
        held(first.renew(&renewable, LONG).await, "a lease was renewed that was over and not taken over");
        second.is_in_progress(&renewed, LONG, "what was renewed late").await;
        held(first.complete(&renewable).await, "a lease was used to complete that was renewed late");
        second.is_duplicate(&renewed, "what was renewed late and completed").await;
        let _either = first.release(&releasable).await;
        let _lease = second.take(&released, LONG, "what was released late").await;
    }

    /// A renewed lease lasts so long from then on, whether that is longer or shorter than before.
    pub async fn renewal_moves_the_end(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let (longer, shorter) = (self.new_key(), self.new_key());
        let lease = first.take(&longer, SHORT * 2, "what nobody claimed").await;
        held(first.renew(&lease, LONG).await, "a live lease was renewed");
        tokio::time::sleep(SHORT * 2 + ROUNDING).await;
        let asked = Instant::now();
        match second.claim(&longer, LONG).await {
            Claim::InProgress { retry_after } => {
                let text = format!("{retry_after:?} after a renewal for {LONG:?}");
                let fits = retry_after > LONG / 2 && retry_after <= longest_left(LONG, asked);
                Rule::RetryAfter.check(fits, text);
            }
            Claim::Acquired(_) => {
                Rule::Renewal.broken("what was renewed was claimed at the end of the first lease")
            }
            Claim::Duplicate { .. } => Rule::NeverLost.broken("what was renewed is a duplicate"),
        }
        held(first.complete(&lease).await, "a renewed lease was used to complete");
        second.is_duplicate(&longer, "what was renewed and completed").await;

        let lease = first.take(&shorter, LONG, "what nobody claimed").await;
        let asked = Instant::now();
        held(first.renew(&lease, SHORT).await, "a live lease was renewed");
        match second.claim(&shorter, LONG).await {
            Claim::InProgress { retry_after } if retry_after > longest_left(SHORT, asked) => {
                Rule::Renewal.broken(format_args!("{retry_after:?} are left after a renewal for {SHORT:?}"));
            }
            Claim::Acquired(_) if asked.elapsed() + ROUNDING >= SHORT => {}
            Claim::InProgress { .. } => {
                let _lease = second.take_over(&shorter, asked, SHORT, LONG).await;
            }
            Claim::Acquired(_) => {
                Rule::OneOwner.broken("a delivery was claimed before its renewed lease expired")
            }
            Claim::Duplicate { .. } => Rule::NeverLost.broken("what was renewed is a duplicate"),
        }
    }

    /// The number of the attempt starts with 1 and rises, over releases and over leases that ended.
    pub async fn attempts_rise(&self) {
        let (first, second) = (self.client().await, self.client().await);
        let (key, mut asked) = (self.new_key(), Instant::now());
        let mut lease = first.take(&key, SHORT, "what nobody claimed").await;
        let text = format!("the first attempt is number {}", lease.attempt());
        Rule::AttemptsRise.check(lease.attempt() == 1, text);
        for round in 0..4 {
            let next = if round % 2 == 0 {
                held(first.release(&lease).await, "an owner released");
                asked = Instant::now();
                second.take(&key, SHORT, "what was released").await
            } else {
                second.take_over(&key, asked, SHORT, LONG).await
            };
            let text = format!("attempt {} comes after attempt {}", next.attempt(), lease.attempt());
            Rule::AttemptsRise.check(next.attempt() > lease.attempt(), text);
            Rule::OnlyTheOwner.check(next.owner() != lease.owner(), "two claims have the same owner");
            lease = next;
        }
    }
}

#[track_caller]
pub(super) fn held(answer: LeaseState, what: &str) {
    Rule::OwnerUntilOvertaken
        .check(answer == LeaseState::Held, format_args!("{what}, and the store returned `Lost`"));
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
    lost(client.renew(lease, LONG).await, &format!("{what} was renewed"));
    lost(client.complete(lease).await, &format!("{what} was used to complete"));
    lost(client.release(lease).await, &format!("{what} was used to release"));
}

/// Checks that nothing but the owner's lease is there.
async fn is_still<S: crate::DeliveryStore>(client: &Client<S>, current: &Lease, what: &str) {
    match client.claim(current.key(), LONG).await {
        Claim::InProgress { .. } => {}
        Claim::Acquired(_) => {
            Rule::OnlyTheOwner.broken(format_args!("{what} was claimed while it had an owner"))
        }
        Claim::Duplicate { .. } => Rule::OnlyTheOwner.broken(format_args!("{what} is completed")),
    }
}
