use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use clerk_webhook_core::{Event, Outcome};
use clerk_webhook_store::Owner;
use tokio::task::JoinSet;

use super::client::{LONG, SHORT, held, leased};
use super::rule::Rule;
use super::{Harness, Suite};
use crate::queue::delivery_queue::{DeliveryQueue as _, Enqueued};
use crate::queue::job_queue::Job;

/// The number of concurrent deliveries of a message.
const AT_ONCE: usize = 16;

impl<H: Harness> Suite<'_, H> {
    /// Another client can take an event as soon as `enqueue` or `answer` has returned.
    pub async fn an_event_is_durable_before_the_answer(&self) {
        let (first, second) = self.two_clients().await;
        for _ in 0..20 {
            let event = self.new_event();
            first.add(&event).await;
            let Some(job) = second.take(&leased(LONG)).await else {
                Rule::Durable.broken("another client cannot take an event after `enqueue` returned")
            };
            same_event(&job, &event);
            held(second.complete(&job.lease).await, "an owner completed");
            first.nothing(&leased(LONG), Rule::Ended, "a job that is done").await;
        }

        let event = self.new_event();
        for expected in [Outcome::Queued, Outcome::Duplicate] {
            let outcome = first.queue().answer(event.clone()).await.outcome();
            Rule::Answers
                .check(outcome == expected, format_args!("the answer was {outcome}, not {expected}"));
        }
        match second.take(&leased(LONG)).await {
            Some(job) => same_event(&job, &event),
            None => Rule::Durable.broken("another client cannot take an event after the answer `queued`"),
        }
    }

    /// A known message is a duplicate whether it is waiting, running, waiting for a retry, done or dead.
    pub async fn a_duplicate_is_found_in_every_state(&self) {
        let (first, second) = self.two_clients().await;
        let event = self.new_event();
        first.add(&event).await;
        second.is_duplicate(&event, "waits").await;
        let job = first.job(&leased(LONG), "a new job").await;
        second.is_duplicate(&event, "runs").await;
        held(first.retry(&job.lease, LONG, "a failure").await, "an owner retried");
        second.is_duplicate(&event, "waits for its retry").await;
        first.nothing(&leased(LONG), Rule::Delays, "a job with a delay of 60 s").await;

        let event = self.new_event();
        first.add(&event).await;
        let job = first.job(&leased(LONG), "a new job").await;
        held(first.give_back(&job.lease).await, "an owner gave back");
        second.is_duplicate(&event, "was given back").await;
        drop(first.job(&leased(SHORT), "a job that was given back").await);
        tokio::time::sleep(SHORT * 2).await;
        second.is_duplicate(&event, "has an expired lease").await;
        let job = first.job(&leased(LONG), "a job with an expired lease").await;
        held(first.complete(&job.lease).await, "an owner completed");
        second.is_duplicate(&event, "is done").await;
        first.nothing(&leased(LONG), Rule::Ended, "a job that has ended").await;

        let event = self.new_event();
        first.add(&event).await;
        first.buried("a failure").await;
        second.is_duplicate(&event, "is a dead letter").await;
        first.nothing(&leased(LONG), Rule::Ended, "a job that has ended").await;
        Rule::DeadLetters.check(first.discard(event.message_id()).await, "a dead letter was not discarded");
        second.is_duplicate(&event, "was discarded").await;
        first.nothing(&leased(LONG), Rule::Ended, "a job that has ended").await;
    }

    /// A message with sixteen concurrent deliveries is enqueued and taken once.
    pub async fn concurrent_duplicates_are_enqueued_once(&self) {
        let (first, second) = self.two_clients().await;
        for _ in 0..8 {
            let event = self.new_event();
            let mut deliveries = JoinSet::new();
            for client in [&first, &second].into_iter().cycle().take(AT_ONCE) {
                let (client, event) = (client.clone(), event.clone());
                deliveries.spawn(async move { client.enqueue(&event).await });
            }
            let mut new = 0;
            while let Some(delivery) = deliveries.join_next().await {
                match delivery {
                    Ok(enqueued) => new += u32::from(enqueued == Enqueued::New),
                    Err(error) => super::races::resume(error),
                }
            }
            Rule::Duplicates.check(new == 1, format_args!("{new} of {AT_ONCE} deliveries were new"));
            held(
                first.complete(&first.job(&leased(LONG), "a new job").await.lease).await,
                "an owner completed",
            );
            let text = "a job that was enqueued by concurrent deliveries, a second time,";
            first.nothing(&leased(LONG), Rule::Duplicates, text).await;
        }
    }

    /// Message ids that differ only in the case of a letter, or in the last character, are different
    /// messages.
    pub async fn message_ids_are_exact(&self) {
        let (first, second) = self.two_clients().await;
        let base = format!("msg_{}", Owner::random());
        let long = "x".repeat(256 - base.len() - 1);
        let ids = ["a", "A", "a_", "a-"].map(str::to_owned).into_iter();
        let ids: Vec<_> = ids.chain([format!("{long}a"), format!("{long}b")]).collect();
        for end in &ids {
            let event = self.event(&format!("{base}{end}"), "user.updated", "{}");
            let text = format!("the message id {} is a duplicate", event.message_id());
            Rule::Keys.check(first.enqueue(&event).await == Enqueued::New, text);
        }
        let mut taken = Vec::new();
        for _ in &ids {
            taken.push(second.completed().await.message_id().to_string());
        }
        taken.sort_unstable();
        let mut expected: Vec<_> = ids.iter().map(|end| format!("{base}{end}")).collect();
        expected.sort_unstable();
        Rule::Keys.check(taken == expected, format_args!("the taken ids are {taken:?}"));
    }

    /// If a call to `enqueue` is dropped, the event is either unknown or can be taken.
    ///
    /// Later calls with the same client still return correct results.
    pub async fn an_abandoned_enqueue_loses_nothing(&self) {
        let (first, second) = self.two_clients().await;
        let mut events = Vec::new();
        for step in 0..20_u64 {
            let event = self.new_event();
            if step % 2 == 0 {
                let mut call = pin!(first.queue().enqueue(&event));
                // Polls the call once.
                poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
            } else {
                let time = Duration::from_micros(step * 100);
                let enqueued = tokio::time::timeout(time, first.queue().enqueue(&event)).await;
                if let Ok(Err(error)) = enqueued {
                    Rule::Errors.broken(format_args!("enqueue failed: {error}"));
                }
            }
            // The sender's retry. The queue may or may not have stored the first delivery.
            let _ = first.enqueue(&event).await;
            second.is_duplicate(&event, "was abandoned and enqueued again").await;
            events.push(event);
        }
        let mut taken = Vec::new();
        while let Some(job) = second.take(&leased(LONG)).await {
            taken.push(job.event.message_id().clone());
            held(second.complete(&job.lease).await, "an owner completed");
        }
        taken.sort();
        let mut expected: Vec<_> = events.iter().map(|event| event.message_id().clone()).collect();
        expected.sort();
        let text = "not all events whose `enqueue` was dropped and repeated were taken once";
        Rule::Durable.check(taken == expected, text);
    }

    /// A queue does not return jobs from a different scope, and both scopes can contain the same message.
    pub async fn scopes_are_separate(&self) {
        let (one, other) = (self.client(self.new_scope()).await, self.client(self.new_scope()).await);
        let event = self.new_event();
        one.add(&event).await;
        other.nothing(&leased(LONG), Rule::Scopes, "a job of another scope").await;
        let text = "a message of another scope is a duplicate";
        Rule::Scopes.check(other.enqueue(&event).await == Enqueued::New, text);
        let stats = other.stats().await;
        Rule::Scopes.check(stats.ready == 1, format_args!("the numbers count other scopes: {stats:?}"));
        other.completed().await;
        one.buried("a failure").await;
        let text = "a dead letter of another scope was";
        let id = event.message_id();
        Rule::Scopes.check(other.dead_letters(9).await.is_empty(), format_args!("{text} listed"));
        Rule::Scopes.check(!other.retry_dead(id).await, format_args!("{text} retried"));
        Rule::Scopes.check(other.retry_all_dead(None).await == 0, format_args!("{text} retried"));
        Rule::Scopes.check(!other.discard(id).await, format_args!("{text} discarded"));
        Rule::DeadLetters.check(one.discard(id).await, "a dead letter was not discarded");
        let purged = other.purge(Duration::ZERO, u32::MAX).await;
        Rule::Scopes.check(purged <= 1, "a message of another scope was purged");
    }
}

pub(super) fn same_event(job: &Job, event: &Event) {
    let same = job.event.message_id() == event.message_id()
        && job.event.event_type() == event.event_type()
        && job.event.attempted_at() == event.attempted_at()
        && job.event.raw_body() == event.raw_body();
    let text = "the id, the time, the type or the body of an event has changed";
    Rule::Contents.check(same, text);
    let late = job.enqueued_at.as_millis() - event.attempted_at().as_millis();
    let text = format!("`enqueued_at` is {late} ms after the event was signed");
    Rule::Contents.check((-5..60_000).contains(&late), text);
}
