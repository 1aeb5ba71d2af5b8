//! Runs a job's handler in a transaction that also marks the job as done.

use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Answer, Handlers};
use clerk_webhook_store::{Begin, DeliveryKey, ExactlyOnce, SharedTransaction, TransactionalStore};

use crate::queue::job_queue::{Job, TakeOptions};
use crate::queue::transactional::TransactionalQueue;
use crate::worker::execute::{Boxed, Execute};
use crate::worker::note::Note;
use crate::worker::settings::{QUEUE_TIMEOUT, Settings};
use crate::worker::taken::{TakenAt, TakenJobs};

/// Runs handlers through [`ExactlyOnce`], which commits, rolls back, catches panics and applies the timeout.
pub(super) struct InTransaction<Q, S, F> {
    handlers: Handlers<S>,
    state_with: Arc<F>,
    exactly_once: ExactlyOnce<JobTransactions<Q>>,
}

impl<Q: TransactionalQueue, S, F> InTransaction<Q, S, F> {
    pub(super) fn new(queue: Arc<Q>, handlers: Handlers<S>, state_with: F, settings: &Settings) -> Self {
        let scope = queue.scope().clone();
        let jobs = JobTransactions { queue, options: settings.take_options(), taken: TakenJobs::default() };
        let exactly_once = ExactlyOnce::new(jobs)
            .scope(scope)
            .handler_timeout(settings.handler_timeout)
            .delivery_metrics(settings.delivery_metrics)
            .store_timeout(QUEUE_TIMEOUT);
        Self { handlers, state_with: Arc::new(state_with), exactly_once }
    }
}

impl<Q, S, F> Execute for InTransaction<Q, S, F>
where
    Q: TransactionalQueue,
    S: Send + 'static,
    F: Fn(SharedTransaction<Q::Transaction>) -> S + Send + Sync + 'static,
{
    fn execute<'a>(&'a self, job: &'a Job, at: TakenAt, note: Note) -> Boxed<'a, Answer> {
        self.exactly_once.store().taken.add(&job.lease, at);
        let (handlers, state_with) = (self.handlers.clone(), Arc::clone(&self.state_with));
        let attempt = job.lease.attempt();
        Box::pin(self.exactly_once.run(job.event.clone(), move |event, transaction| {
            note.observe(
                async move { handlers.handle_attempt(event, state_with(transaction), attempt).await },
            )
        }))
    }

    fn shutdown(&self, limit: Duration) -> Boxed<'_, usize> {
        Box::pin(self.exactly_once.shutdown(limit))
    }
}

/// A worker's jobs as a transactional store.
struct JobTransactions<Q> {
    queue: Arc<Q>,
    options: TakeOptions,
    taken: TakenJobs,
}

impl<Q: TransactionalQueue> TransactionalStore for JobTransactions<Q> {
    type Error = Q::Error;
    type Transaction = Q::Transaction;

    async fn begin(&self, key: &DeliveryKey) -> Result<Begin<Self::Transaction>, Q::Error> {
        let lost = Begin::InProgress { retry_after: Duration::ZERO };
        let Some((lease, _)) = self.taken.remove(key) else { return Ok(lost) };
        Ok(self.queue.begin(&lease, &self.options).await?.map_or(lost, Begin::Acquired))
    }

    async fn commit(&self, transaction: Self::Transaction) -> Result<(), Q::Error> {
        self.queue.commit(transaction).await
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use clerk_webhook_core::{Event, Timestamp};
    use sqlx::sqlite::SqlitePoolOptions;
    use tokio::time::sleep;

    use super::*;
    use crate::engines::sqlite::SqliteQueue;
    use crate::queue::delivery_queue::{DeliveryQueue as _, Enqueued};
    use crate::queue::job_queue::JobQueue as _;

    #[tokio::test]
    async fn begins_no_transaction_for_a_job_that_another_worker_has_taken() {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        let queue = SqliteQueue::new(pool);
        queue.migrate().await.unwrap();
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), r#"{"type":"x"}"#.into())
            .unwrap();
        assert_eq!(queue.enqueue(&event).await.unwrap(), Enqueued::New);
        let options = TakeOptions { lease: Duration::from_millis(1), ..TakeOptions::default() };
        let first = queue.take(&options).await.unwrap().unwrap();
        sleep(Duration::from_millis(5)).await;
        let second = queue.take(&options).await.unwrap().unwrap();

        let jobs = JobTransactions { queue: Arc::new(queue), options, taken: TakenJobs::default() };
        let key = first.lease.key();
        assert!(matches!(jobs.begin(key).await.unwrap(), Begin::InProgress { .. }), "it was not taken");
        jobs.taken.add(&first.lease, TakenAt::now());
        assert!(matches!(jobs.begin(key).await.unwrap(), Begin::InProgress { .. }));
        jobs.taken.add(&second.lease, TakenAt::now());
        let Begin::Acquired(transaction) = jobs.begin(key).await.unwrap() else { panic!("not acquired") };
        assert_eq!(transaction.attempt(), 2);
        jobs.commit(transaction).await.unwrap();
        assert!(jobs.queue.take(&options).await.unwrap().is_none());
    }
}
