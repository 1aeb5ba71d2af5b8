use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clerk_webhook_core::{Event, EventType, MessageId};
use clerk_webhook_store::{Lease, LeaseState};

use super::rule::Rule;
use crate::queue::dead_letters::{DeadLetter, QueueStats};
use crate::queue::delivery_queue::Enqueued;
use crate::queue::job_queue::{Job, JobQueue, TakeOptions};

/// The duration of a lease that does not expire during a check.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The duration of a lease that expires soon, or of a delay that is soon over.
pub(super) const SHORT: Duration = Duration::from_millis(150);

/// The maximum time by which a queue may shorten a lease or a delay when it rounds.
pub(super) const ROUNDING: Duration = Duration::from_millis(5);

/// How long a call to the queue may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How late a lease may be found to have expired, on a busy machine.
const GRACE: Duration = Duration::from_secs(5);

/// Returns options with the given lease and enough attempts, which allow several jobs about one object.
pub(super) fn leased(lease: Duration) -> TakeOptions {
    TakeOptions { lease, max_attempts: u32::MAX, one_object_at_a_time: false, ..TakeOptions::default() }
}

/// A client of the queue that panics if the queue returns an error.
pub(super) struct Client<Q>(Arc<Q>);

impl<Q> Clone for Client<Q> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q: JobQueue> Client<Q> {
    pub(super) fn new(queue: Q) -> Self {
        Self(Arc::new(queue))
    }

    pub(super) fn queue(&self) -> &Q {
        &self.0
    }

    pub(super) async fn enqueue(&self, event: &Event) -> Enqueued {
        answer("enqueue", self.0.enqueue(event)).await
    }

    /// Enqueues an event, and checks that the queue did not know it.
    pub(super) async fn add(&self, event: &Event) {
        let text = "a new message is a duplicate";
        Rule::Durable.check(self.enqueue(event).await == Enqueued::New, text);
    }

    /// Enqueues an event, and checks that the queue already knew it.
    pub(super) async fn is_duplicate(&self, event: &Event, what: impl fmt::Display) {
        let text = format!("a message that {what} was enqueued again");
        Rule::Duplicates.check(self.enqueue(event).await == Enqueued::Duplicate, text);
    }

    pub(super) async fn take(&self, options: &TakeOptions) -> Option<Job> {
        let job = answer("take", self.0.take(options)).await?;
        let key = job.lease.key();
        let text = format!("a queue of the scope {} returned a job of {}", self.0.scope(), key.scope());
        Rule::Scopes.check(key.scope() == self.0.scope(), text);
        let text = "the lease of a job is for another message than its event";
        Rule::Contents.check(key.message_id() == job.event.message_id(), text);
        Some(job)
    }

    /// Takes a job, and checks that one is ready.
    pub(super) async fn job(&self, options: &TakeOptions, what: impl fmt::Display) -> Job {
        match self.take(options).await {
            Some(job) => job,
            None => Rule::RunsAgain.broken(format_args!("{what} cannot be taken")),
        }
    }

    /// Tries to take a job, and checks that none is ready.
    pub(super) async fn nothing(&self, options: &TakeOptions, rule: Rule, what: impl fmt::Display) {
        rule.check(self.take(options).await.is_none(), format_args!("{what} was taken"));
    }

    /// Tries to take a job until one is ready, and checks that `wait` has then passed since `asked`.
    pub(super) async fn job_after(
        &self,
        asked: Instant,
        wait: Duration,
        options: &TakeOptions,
        rule: Rule,
        what: impl fmt::Display,
    ) -> Job {
        loop {
            if let Some(job) = self.take(options).await {
                let waited = asked.elapsed();
                let text = format!("{what} was taken after {waited:?} instead of {wait:?}");
                rule.check(waited + ROUNDING >= wait, text);
                return job;
            }
            let text = format!("{what} cannot be taken after {:?} instead of {wait:?}", asked.elapsed());
            Rule::RunsAgain.check(asked.elapsed() < wait + GRACE, text);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) async fn renew(&self, lease: &Lease, by: Duration) -> LeaseState {
        answer("renew", self.0.renew(lease, by)).await
    }

    pub(super) async fn complete(&self, lease: &Lease) -> LeaseState {
        answer("complete", self.0.complete(lease)).await
    }

    pub(super) async fn retry(&self, lease: &Lease, after: Duration, error: &str) -> LeaseState {
        answer("retry", self.0.retry(lease, after, error)).await
    }

    pub(super) async fn give_back(&self, lease: &Lease) -> LeaseState {
        answer("give_back", self.0.give_back(lease)).await
    }

    pub(super) async fn bury(&self, lease: &Lease, error: &str) -> LeaseState {
        answer("bury", self.0.bury(lease, error)).await
    }

    pub(super) async fn stats(&self) -> QueueStats {
        answer("stats", self.0.stats()).await
    }

    pub(super) async fn dead_letters(&self, limit: u32) -> Vec<DeadLetter> {
        answer("dead_letters", self.0.dead_letters(limit)).await
    }

    pub(super) async fn dead_letter(&self, message_id: &MessageId) -> Option<DeadLetter> {
        answer("dead_letter", self.0.dead_letter(message_id)).await
    }

    pub(super) async fn retry_dead(&self, message_id: &MessageId) -> bool {
        answer("retry_dead", self.0.retry_dead(message_id)).await
    }

    pub(super) async fn retry_all_dead(&self, event_type: Option<&EventType>) -> u64 {
        answer("retry_all_dead", self.0.retry_all_dead(event_type)).await
    }

    pub(super) async fn discard(&self, message_id: &MessageId) -> bool {
        answer("discard", self.0.discard(message_id)).await
    }

    pub(super) async fn purge(&self, older_than: Duration, limit: u32) -> u64 {
        answer("purge", self.0.purge(older_than, limit)).await
    }

    /// Takes a job, which must be ready, buries it, and returns its event.
    pub(super) async fn buried(&self, error: &str) -> Event {
        let job = self.job(&leased(LONG), "a new job").await;
        held(self.bury(&job.lease, error).await, "an owner buried");
        job.event
    }

    /// Takes a job, which must be ready, completes it, and returns its event.
    pub(super) async fn completed(&self) -> Event {
        let job = self.job(&leased(LONG), "a new job").await;
        held(self.complete(&job.lease).await, "an owner completed");
        job.event
    }
}

pub(super) fn held(state: LeaseState, what: &str) {
    Rule::OnlyTheOwner.check(state == LeaseState::Held, format_args!("{what}, and the result was `Lost`"));
}

pub(super) fn lost(rule: Rule, state: LeaseState, what: &str) {
    rule.check(state == LeaseState::Lost, format_args!("{what}, and the result was `Held`"));
}

/// Waits for a call to the queue, and panics if it returns an error.
async fn answer<T, E: Error>(name: &str, question: impl Future<Output = Result<T, E>>) -> T {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => Rule::Errors.broken(format_args!("{name} failed: {error}")),
        Err(_) => Rule::Errors.broken(format_args!("{name} did not finish within {PATIENCE:?}")),
    }
}

/// Waits for a call to the queue, and panics if it succeeds.
pub(super) async fn refusal<T, E>(name: &str, question: impl Future<Output = Result<T, E>>) {
    match tokio::time::timeout(PATIENCE, question).await {
        Ok(Err(_)) => {}
        Ok(Ok(_)) => Rule::Errors.broken(format_args!("{name} succeeded although the queue is unreachable")),
        Err(_) => Rule::Errors.broken(format_args!("{name} did not finish within {PATIENCE:?}")),
    }
}
