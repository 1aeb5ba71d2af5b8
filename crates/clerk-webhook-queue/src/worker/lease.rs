//! Runs a job's handler under the job's lease.

use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Answer, Handlers, Outcome};
use clerk_webhook_store::{Claim, Deduplicator, DeliveryKey, DeliveryStore, Lease, LeaseState};

use crate::queue::job_queue::{Job, JobQueue};
use crate::worker::execute::{Boxed, Execute};
use crate::worker::note::Note;
use crate::worker::settings::{QUEUE_TIMEOUT, Settings};
use crate::worker::taken::{TakenAt, TakenJobs};

/// Runs handlers through a [`Deduplicator`], which renews the leases, catches panics and applies the timeout.
pub(super) struct UnderLease<Q, S> {
    handlers: Handlers<S>,
    state: S,
    deduplicator: Deduplicator<JobStore<Q>>,
}

impl<Q: JobQueue, S> UnderLease<Q, S> {
    pub(super) fn new(queue: Arc<Q>, handlers: Handlers<S>, state: S, settings: &Settings) -> Self {
        let scope = queue.scope().clone();
        let deduplicator = Deduplicator::new(JobStore { queue, taken: TakenJobs::default() })
            .scope(scope)
            .lease(settings.lease)
            .handler_timeout(settings.handler_timeout)
            .delivery_metrics(settings.delivery_metrics)
            .store_timeout(QUEUE_TIMEOUT);
        Self { handlers, state, deduplicator }
    }
}

impl<Q: JobQueue, S: Clone + Send + Sync + 'static> Execute for UnderLease<Q, S> {
    fn execute<'a>(&'a self, job: &'a Job, at: TakenAt, note: Note) -> Boxed<'a, Answer> {
        self.deduplicator.store().taken.add(&job.lease, at);
        let (handlers, state) = (self.handlers.clone(), self.state.clone());
        let observed = note.clone();
        let run = self.deduplicator.run(job.event.clone(), move |event, attempt| {
            observed.observe(handlers.handle_attempt(event, state, attempt))
        });
        Box::pin(async move {
            let answer = run.await;
            if answer.outcome() == Outcome::StoreUnavailable {
                note.unreachable();
            }
            answer
        })
    }

    fn shutdown(&self, limit: Duration) -> Boxed<'_, usize> {
        Box::pin(self.deduplicator.shutdown(limit))
    }
}

/// A worker's jobs as a delivery store, in which a claim returns the lease under which the job was taken.
struct JobStore<Q> {
    queue: Arc<Q>,
    taken: TakenJobs,
}

impl<Q: JobQueue> DeliveryStore for JobStore<Q> {
    type Error = Q::Error;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> Result<Claim, Q::Error> {
        let lost = Claim::InProgress { retry_after: Duration::ZERO };
        let Some((taken, must_renew)) = self.taken.remove(key) else { return Ok(lost) };
        if must_renew && self.queue.renew(&taken, lease).await? == LeaseState::Lost {
            return Ok(lost);
        }
        Ok(Claim::Acquired(taken))
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, Q::Error> {
        self.queue.renew(lease, by).await
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, Q::Error> {
        self.queue.complete(lease).await
    }

    /// Does nothing, because the worker decides what happens to the job when it knows the outcome.
    async fn release(&self, _lease: &Lease) -> Result<LeaseState, Q::Error> {
        Ok(LeaseState::Held)
    }

    async fn forget(&self, _key: &DeliveryKey) -> Result<bool, Q::Error> {
        Ok(false)
    }

    async fn purge(&self, _older_than: Duration, _limit: u32) -> Result<u64, Q::Error> {
        Ok(0)
    }
}
