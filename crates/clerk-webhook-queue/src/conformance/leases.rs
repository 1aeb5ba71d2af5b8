use std::sync::Arc;
use std::time::{Duration, Instant};

use clerk_webhook_core::Event;
use clerk_webhook_store::{Lease, LeaseState, Owner};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::client::{Client, LONG, SHORT, held, leased, lost};
use super::races::resume;
use super::rule::Rule;
use super::{Harness, Suite};
use crate::queue::dead_letters::DeadLetter;
use crate::queue::job_queue::JobQueue;

/// The number of concurrent calls to `take`.
const AT_ONCE: usize = 16;

impl<H: Harness> Suite<'_, H> {
    /// Another client cannot take a running job.
    pub async fn a_live_lease_is_exclusive(&self) {
        let (first, second) = self.two_clients().await;
        first.add(&self.new_event()).await;
        let job = first.job(&leased(LONG), "a new job").await;
        for client in [&first, &second] {
            client.nothing(&leased(LONG), Rule::OneOwner, "a running job").await;
        }
        held(first.complete(&job.lease).await, "an owner completed");
        second.nothing(&leased(LONG), Rule::Ended, "a job that is done").await;
    }

    /// Sixteen concurrent calls to `take` return each of eight jobs once.
    pub async fn concurrent_takes_are_exclusive(&self) {
        let (first, second) = self.two_clients().await;
        for _ in 0..8 {
            let mut events = Vec::new();
            while events.len() < AT_ONCE / 2 {
                events.push(self.new_event());
            }
            for event in &events {
                first.add(event).await;
            }
            let start = Arc::new(Barrier::new(AT_ONCE));
            let mut takes = JoinSet::new();
            for client in [&first, &second].into_iter().cycle().take(AT_ONCE) {
                let (client, start) = (client.clone(), Arc::clone(&start));
                takes.spawn(async move {
                    start.wait().await;
                    client.take(&leased(LONG)).await
                });
            }
            let mut jobs = Vec::new();
            while let Some(take) = takes.join_next().await {
                match take {
                    Ok(job) => jobs.extend(job),
                    Err(error) => resume(error),
                }
            }
            let (taken, expected) = (sorted_ids(jobs.iter().map(|job| &job.event)), sorted_ids(&events));
            let text = format!("the jobs {expected:?} were taken by concurrent clients as {taken:?}");
            Rule::OneOwner.check(taken == expected, text);
            for job in jobs {
                held(second.complete(&job.lease).await, "an owner completed");
            }
        }
    }

    /// A crashed worker's job can be taken after its lease has expired, and not earlier.
    pub async fn an_expired_lease_is_free(&self) {
        let (first, second) = self.two_clients().await;
        let event = self.new_event();
        first.add(&event).await;
        let mut asked = Instant::now();
        let mut job = first.job(&leased(SHORT), "a new job").await;
        for attempt in 2..5 {
            let asked_again = Instant::now();
            let what = "a job of a crashed worker";
            let next = second.job_after(asked, SHORT, &leased(SHORT), Rule::OneOwner, what).await;
            let text = format!("attempt {attempt} has the number {}", next.lease.attempt());
            Rule::Attempts.check(next.lease.attempt() == attempt, text);
            super::enqueueing::same_event(&next, &event);
            Rule::OneOwner.check(next.lease.owner() != job.lease.owner(), "two leases have the same owner");
            // The new lease began after `asked_again`, and after the previous lease had expired.
            (asked, job) = (asked_again.max(asked + SHORT), next);
        }
        held(second.complete(&job.lease).await, "an owner completed");
    }

    /// A worker cannot change its job after another worker has taken it.
    pub async fn a_stale_owner_changes_nothing(&self) {
        let (first, second) = self.two_clients().await;
        first.add(&self.new_event()).await;
        let asked = Instant::now();
        let stale = first.job(&leased(SHORT), "a new job").await;
        let what = "a job of a crashed worker";
        let job = second.job_after(asked, SHORT, &leased(LONG), Rule::OneOwner, what).await;
        let forged = Lease::new(job.lease.key().clone(), Owner::random(), job.lease.attempt());
        for lease in [&stale.lease, &forged] {
            changes_nothing(&first, lease, Rule::OnlyTheOwner, "a client that is not the owner").await;
        }
        first
            .nothing(&leased(LONG), Rule::OnlyTheOwner, "a running job, after other clients changed it,")
            .await;
        held(second.complete(&job.lease).await, "an owner completed");
        for lease in [&stale.lease, &forged] {
            changes_nothing(&first, lease, Rule::OnlyTheOwner, "a client that is not the owner").await;
        }
        let text = "a job that is done, after other clients changed it,";
        first.nothing(&leased(LONG), Rule::OnlyTheOwner, text).await;
    }

    /// A lease cannot be used after its attempt has ended, whether the job is waiting, running again or dead.
    pub async fn a_lease_is_used_up_in_the_end(&self) {
        let (first, second) = self.two_clients().await;
        let what = "a client that ended its attempt";

        first.add(&self.new_event()).await;
        let mut used = Vec::new();
        for attempt in 0..2 {
            let job = first.job(&leased(LONG), "a job that waits").await;
            let ended = match attempt {
                0 => first.give_back(&job.lease).await,
                _ => first.retry(&job.lease, Duration::ZERO, "a failure").await,
            };
            held(ended, "an owner ended its attempt");
            changes_nothing(&first, &job.lease, Rule::UsedUp, what).await;
            used.push(job.lease);
        }
        let job = second.job(&leased(LONG), "a job that waits").await;
        for lease in &used {
            changes_nothing(&first, lease, Rule::UsedUp, what).await;
        }
        held(second.bury(&job.lease, "a failure").await, "an owner buried");
        let text = "an owner ended the attempt of a dead letter";
        lost(Rule::UsedUp, second.renew(&job.lease, LONG).await, text);
        lost(Rule::UsedUp, second.retry(&job.lease, Duration::ZERO, "a failure").await, text);
        lost(Rule::UsedUp, second.give_back(&job.lease).await, text);
        lost(Rule::UsedUp, second.complete(&job.lease).await, text);
        let dead = second.dead_letters(9).await;
        Rule::UsedUp.check(dead.len() == 1, "a dead letter was changed by its last owner");

        first.add(&self.new_event()).await;
        let job = first.job(&leased(LONG), "a new job").await;
        held(first.complete(&job.lease).await, "an owner completed");
        let text = "an owner ended a job that is done";
        lost(Rule::UsedUp, first.renew(&job.lease, LONG).await, text);
        lost(Rule::UsedUp, first.retry(&job.lease, SHORT, "a failure").await, text);
        lost(Rule::UsedUp, first.give_back(&job.lease).await, text);
        lost(Rule::UsedUp, first.bury(&job.lease, "a failure").await, text);
        first.nothing(&leased(LONG), Rule::UsedUp, "a job that is done").await;
    }

    /// A renewed lease expires after the new duration, which may be shorter than the old one.
    pub async fn renewal_moves_the_end(&self) {
        let (first, second) = self.two_clients().await;
        first.add(&self.new_event()).await;
        let job = first.job(&leased(SHORT), "a new job").await;
        held(first.renew(&job.lease, LONG).await, "an owner renewed");
        tokio::time::sleep(SHORT * 2).await;
        second.nothing(&leased(LONG), Rule::Renewal, "a job whose lease was renewed").await;
        let asked = Instant::now();
        held(first.renew(&job.lease, SHORT).await, "an owner renewed");
        let what = "a job whose lease was shortened";
        let job = second.job_after(asked, SHORT, &leased(LONG), Rule::Renewal, what).await;
        held(second.complete(&job.lease).await, "an owner completed");
    }

    /// An owner whose lease has expired can renew it or end the attempt, if no other client has taken the
    /// job.
    pub async fn an_owner_that_is_late_can_still_complete(&self) {
        let (first, second) = self.two_clients().await;
        let events = [self.new_event(), self.new_event(), self.new_event(), self.new_event()];
        let mut jobs = Vec::new();
        for event in &events {
            first.add(event).await;
            jobs.push(first.job(&leased(LONG), "a new job").await.lease);
        }
        // Not earlier, because a slow client would take the first job again instead of the last one.
        for lease in &jobs {
            held(first.renew(lease, SHORT).await, "an owner renewed");
        }
        tokio::time::sleep(SHORT * 2).await;
        for (number, lease) in jobs.iter().enumerate() {
            let state = match number {
                0 => first.complete(lease).await,
                1 => first.renew(lease, LONG).await,
                2 => first.retry(lease, LONG, "a failure").await,
                _ => first.bury(lease, "a failure").await,
            };
            let text = "an owner lost its expired lease, but no other client took the job";
            Rule::OwnerUntilOvertaken.check(state == LeaseState::Held, text);
        }
        let text = "a job that its late owner has ended or renewed";
        second.nothing(&leased(LONG), Rule::OwnerUntilOvertaken, text).await;
    }

    /// A second completion with the same lease returns the same result as the first one.
    pub async fn completing_twice_is_completing_once(&self) {
        let (first, second) = self.two_clients().await;
        first.add(&self.new_event()).await;
        let job = first.job(&leased(LONG), "a new job").await;
        held(first.complete(&job.lease).await, "an owner completed");
        for client in [&first, &second] {
            let state = client.complete(&job.lease).await;
            Rule::CompleteAgain.check(state == LeaseState::Held, "a second completion was `Lost`");
        }
        second.nothing(&leased(LONG), Rule::Ended, "a job that is done").await;
    }

    /// A second burial with the same lease returns the same result as the first one, and changes nothing.
    ///
    /// When the dead letter has been retried or discarded, the lease cannot be used any more.
    pub async fn burying_twice_is_burying_once(&self) {
        let (first, second) = self.two_clients().await;
        let event = self.new_event();
        first.add(&event).await;
        for is_discarded in [false, true] {
            let job = first.job(&leased(LONG), "a job that is new or a retried dead letter").await;
            held(first.bury(&job.lease, "the first failure").await, "an owner buried");
            let what = |letter: DeadLetter| (letter.died_at, letter.attempts, letter.last_error);
            let before: Vec<_> = first.dead_letters(9).await.into_iter().map(what).collect();
            // The pause makes a changed time differ.
            tokio::time::sleep(Duration::from_millis(3)).await;
            for client in [&first, &second] {
                let state = client.bury(&job.lease, "the second failure").await;
                Rule::BuryAgain.check(state == LeaseState::Held, "a second burial was `Lost`");
            }
            let after: Vec<_> = first.dead_letters(9).await.into_iter().map(what).collect();
            let text = format!("a second burial changed the dead letter from {before:?} to {after:?}");
            Rule::BuryAgain.check(before == after, text);
            second.nothing(&leased(LONG), Rule::Ended, "a dead letter").await;

            let is_dead = if is_discarded {
                second.discard(event.message_id()).await
            } else {
                second.retry_dead(event.message_id()).await
            };
            Rule::DeadLetters.check(is_dead, "a dead letter was not retried or discarded");
            let who = "the last owner of a dead letter that was retried or discarded";
            changes_nothing(&first, &job.lease, Rule::UsedUp, who).await;
        }
        first.nothing(&leased(LONG), Rule::Ended, "a discarded dead letter").await;
    }
}

/// Checks that every method rejects a lease.
async fn changes_nothing<Q: JobQueue>(client: &Client<Q>, lease: &Lease, rule: Rule, who: &str) {
    lost(rule, client.renew(lease, SHORT).await, &format!("{who} renewed"));
    lost(rule, client.retry(lease, Duration::ZERO, "stale").await, &format!("{who} retried"));
    lost(rule, client.give_back(lease).await, &format!("{who} gave back"));
    lost(rule, client.bury(lease, "stale").await, &format!("{who} buried"));
    lost(rule, client.complete(lease).await, &format!("{who} completed"));
}

/// Returns the sorted ids of events.
pub(super) fn sorted_ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<String> {
    let mut ids: Vec<_> = events.into_iter().map(|event| event.message_id().to_string()).collect();
    ids.sort_unstable();
    ids
}
