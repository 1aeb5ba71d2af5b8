use std::time::{Duration, Instant};

use super::client::{LONG, SHORT, held, leased};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::queue::delivery_queue::Enqueued;
use crate::queue::job_queue::JobQueue as _;

const HOUR: Duration = Duration::from_secs(3600);

/// How much longer than its limit `wait` may last, on a busy machine.
const GRACE: Duration = Duration::from_secs(5);

impl<H: Harness> Suite<'_, H> {
    /// The statistics count the jobs that are ready, running and dead, in total and for each event type.
    pub async fn stats_count_every_state(&self) {
        let (first, second) = self.two_clients().await;
        let stats = first.stats().await;
        let empty = stats.ready + stats.running + stats.dead == 0 && stats.oldest_ready.is_none();
        Rule::Stats.check(
            empty && stats.by_type.is_empty(),
            format_args!("the statistics of an empty queue are {stats:?}"),
        );

        // One job is done, one is dead, one is waiting for its retry, one has an expired lease, and one is
        // running.
        for event_type in ["user.created", "user.created", "session.ended", "session.ended", "user.created"] {
            first.add(&self.event_of(event_type)).await;
            // The pause makes the times of the jobs differ.
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        let mut jobs = Vec::new();
        for _ in 0..5 {
            jobs.push(first.job(&leased(LONG), "a new job").await);
        }
        jobs.sort_by_key(|job| job.event.event_type().as_str() != "user.created");
        held(first.complete(&jobs[0].lease).await, "an owner completed");
        held(first.bury(&jobs[1].lease, "a failure").await, "an owner buried");
        held(first.retry(&jobs[3].lease, LONG, "a failure").await, "an owner retried");
        held(first.renew(&jobs[4].lease, SHORT).await, "an owner renewed");
        tokio::time::sleep(SHORT * 2).await;
        first.add(&self.event_of("future.event")).await;

        let stats = second.stats().await;
        let total = (stats.ready, stats.running, stats.dead);
        let text = format!("the totals of 3 ready, 1 running and 1 dead jobs are {total:?}");
        Rule::Stats.check(total == (3, 1, 1), text);
        let types: Vec<_> = stats
            .by_type
            .iter()
            .map(|stats| (stats.event_type.as_str(), stats.ready, stats.running, stats.dead))
            .filter(|(_, ready, running, dead)| ready + running + dead > 0)
            .collect();
        let expected = [("future.event", 1, 0, 0), ("session.ended", 2, 0, 0), ("user.created", 0, 1, 1)];
        Rule::Stats.check(types == expected, format_args!("the statistics are {types:?}, not {expected:?}"));
        let oldest = jobs[3].enqueued_at.min(jobs[4].enqueued_at);
        let text = format!("`oldest_ready` is {:?} instead of {oldest}", stats.oldest_ready);
        Rule::Stats.check(stats.oldest_ready == Some(oldest), text);
        let future = stats.by_type.iter().find(|stats| stats.event_type == "future.event");
        let newest = future.and_then(|stats| stats.oldest_ready);
        Rule::Stats.check(newest > stats.oldest_ready, "the oldest waiting job is not the oldest one");
    }

    /// A purge forgets old messages that are done or were discarded, up to its limit.
    ///
    /// It keeps newer ones, and all messages that are waiting, running or dead.
    pub async fn purge_forgets_only_old_done_messages(&self) {
        let client = self.client(self.new_scope()).await;
        let mut done = Vec::new();
        for number in 0..5 {
            let event = self.new_event();
            client.add(&event).await;
            if number < 4 {
                client.completed().await;
            } else {
                client.buried("a failure").await;
                let discarded = client.discard(event.message_id()).await;
                Rule::DeadLetters.check(discarded, "a dead letter was not discarded");
            }
            done.push(event);
        }
        let (dead, expired, running, delayed, waiting) =
            (self.new_event(), self.new_event(), self.new_event(), self.new_event(), self.new_event());
        client.add(&dead).await;
        client.buried("a failure").await;
        client.add(&expired).await;
        drop(client.job(&leased(SHORT), "a new job").await);
        client.add(&running).await;
        let job = client.job(&leased(LONG), "a new job").await;
        client.add(&delayed).await;
        let retried = client.job(&leased(LONG), "a new job").await;
        held(client.retry(&retried.lease, LONG, "a failure").await, "an owner retried");
        client.add(&waiting).await;
        tokio::time::sleep(SHORT * 2).await;

        let purged = client.purge(HOUR, u32::MAX).await;
        Rule::Purge.check(purged == 0, format_args!("{purged} messages younger than an hour were purged"));
        for (limit, expected) in [(0, 0), (3, 3), (u32::MAX, 2), (u32::MAX, 0)] {
            let purged = client.purge(Duration::ZERO, limit).await;
            let text =
                format_args!("{purged} messages were purged instead of {expected}, with a limit of {limit}");
            Rule::Purge.check(purged == expected, text);
        }
        for (event, what) in [
            (&dead, "is a dead letter"),
            (&expired, "has an expired lease"),
            (&running, "runs"),
            (&delayed, "waits for its retry"),
            (&waiting, "waits"),
        ] {
            let text = format!("a message that {what} was purged");
            Rule::Purge.check(client.enqueue(event).await == Enqueued::Duplicate, text);
        }
        held(client.complete(&job.lease).await, "an owner completed after a purge");
        Rule::Purge.check(client.retry_dead(dead.message_id()).await, "a dead letter was purged");
        for event in &done {
            let text = "a purged message is a duplicate";
            Rule::Purge.check(client.enqueue(event).await == Enqueued::New, text);
        }
    }

    /// `wait` returns within its limit, whether or not a job is ready.
    pub async fn waiting_ends(&self) {
        let (first, second) = self.two_clients().await;
        for _ in 0..2 {
            for client in [&first, &second] {
                let asked = Instant::now();
                let waited = tokio::time::timeout(SHORT + GRACE, client.queue().wait(SHORT)).await;
                let text = format!("`wait` with a limit of {SHORT:?} took {:?}", asked.elapsed());
                Rule::Wait.check(waited.is_ok(), text);
            }
            first.add(&self.new_event()).await;
        }
    }
}
