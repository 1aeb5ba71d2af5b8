//! The methods of the queue's traits.

use std::time::Duration;

use clerk_webhook_core::{Event, EventType, MessageId};
use clerk_webhook_store::internal::{millis, state_of};
use clerk_webhook_store::{Lease, LeaseState, Scope};
use sqlx::Row as _;
use tokio::time::{sleep, timeout};

use crate::engines::common::{PAUSE, enqueued};
use crate::queue::dead_letters::{DeadLetter, QueueStats};
use crate::queue::delivery_queue::{DeliveryQueue, Enqueued};
use crate::queue::job_queue::{Job, JobQueue, MAX_ERROR_LENGTH, TakeOptions};

use super::queue::PostgresQueue;
use super::rows::{dead_letter, event_type_stats};
use super::run::{copied, ended, of_lease, text};

/// The number of dead letters that one statement retries. graphile_worker locks the key of each ticket until
/// the statement ends, and the server has room for only a few thousand locks.
const BATCH: u32 = 200;

impl DeliveryQueue for PostgresQueue {
    type Error = sqlx::Error;

    fn scope(&self) -> &Scope {
        &self.scope
    }

    async fn enqueue(&self, event: &Event) -> Result<Enqueued, sqlx::Error> {
        let rows = self.fetch_again(|| self.insert(&self.statements.enqueue, event)).await?;
        let enqueued = enqueued(rows.len() as u64);
        if enqueued == Enqueued::New {
            self.changed.notify_one();
        }
        Ok(enqueued)
    }
}

impl JobQueue for PostgresQueue {
    async fn take(&self, options: &TakeOptions) -> Result<Option<Job>, sqlx::Error> {
        self.take_next(options).await
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, sqlx::Error> {
        let renew = || of_lease(&self.statements.renew, lease).bind(millis(by));
        let rows = self.fetch_again(renew).await?;
        if ended(&rows)? > 0 {
            let object = rows.first().map(|row| row.try_get("object_id")).transpose()?.flatten();
            self.wake(lease.key().message_id(), object).await;
            return Ok(LeaseState::Held);
        }
        let lease = copied(lease);
        self.detached(async move |queue| queue.renew_expired(&lease, by).await).await
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, sqlx::Error> {
        self.end(lease, || of_lease(&self.statements.complete, lease)).await
    }

    async fn retry(&self, lease: &Lease, after: Duration, error: &str) -> Result<LeaseState, sqlx::Error> {
        let error = text(error, MAX_ERROR_LENGTH);
        self.end(lease, || of_lease(&self.statements.retry, lease).bind(millis(after)).bind(error.clone()))
            .await
    }

    async fn give_back(&self, lease: &Lease) -> Result<LeaseState, sqlx::Error> {
        self.end(lease, || of_lease(&self.statements.give_back, lease)).await
    }

    async fn bury(&self, lease: &Lease, error: &str) -> Result<LeaseState, sqlx::Error> {
        let error = text(error, MAX_ERROR_LENGTH);
        self.end(lease, || of_lease(&self.statements.bury, lease).bind(error.clone())).await
    }

    async fn wait(&self, limit: Duration) {
        // Without `listen`, nothing wakes this task for a job that another process has enqueued. Nothing wakes
        // it when a delay is over. The caller finds such a job when the limit has passed.
        let _ = timeout(limit, self.changed.notified()).await;
    }

    async fn stats(&self) -> Result<QueueStats, sqlx::Error> {
        let rows = self.fetch_again(|| self.of_scope(&self.statements.stats)).await?;
        Ok(QueueStats::new(rows.iter().map(event_type_stats).collect::<Result<_, _>>()?))
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, sqlx::Error> {
        let dead_letters = || self.of_scope(&self.statements.dead_letters).bind(i64::from(limit));
        self.fetch_again(dead_letters).await?.iter().map(dead_letter).collect()
    }

    async fn dead_letter(&self, message_id: &MessageId) -> Result<Option<DeadLetter>, sqlx::Error> {
        let one = || self.of_message(&self.statements.dead_letter, message_id);
        self.fetch_again(one).await?.first().map(dead_letter).transpose()
    }

    async fn retry_dead(&self, message_id: &MessageId) -> Result<bool, sqlx::Error> {
        let retry = || self.of_message(&self.statements.retry_dead, message_id);
        let is_dead = !self.fetch_again(retry).await?.is_empty();
        self.changed.notify_one();
        Ok(is_dead)
    }

    async fn retry_all_dead(&self, event_type: Option<&EventType>) -> Result<u64, sqlx::Error> {
        // The loop must end even if workers bury the retried events again in the meantime.
        let Some(newest) = self.dead_letters(1).await?.into_iter().next() else { return Ok(0) };
        let mut retried = 0;
        loop {
            let retry = || {
                self.of_scope(&self.statements.retry_all_dead)
                    .bind(event_type.map(|event_type| event_type.as_str().to_owned()))
                    .bind(newest.died_at.as_millis())
                    .bind(i64::from(BATCH))
            };
            let batch = self.fetch_again(retry).await?.len() as u64;
            self.changed.notify_one();
            retried += batch;
            if batch < u64::from(BATCH) {
                return Ok(retried);
            }
            sleep(PAUSE).await;
        }
    }

    async fn discard(&self, message_id: &MessageId) -> Result<bool, sqlx::Error> {
        Ok(!self.fetch_again(|| self.of_message(&self.statements.discard, message_id)).await?.is_empty())
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> Result<u64, sqlx::Error> {
        let purge = || self.of_scope(&self.statements.purge).bind(millis(older_than)).bind(i64::from(limit));
        Ok(self.fetch_again(purge).await?.len() as u64)
    }
}

impl PostgresQueue {
    /// Renews an expired lease, unless another job about the same object is running.
    async fn renew_expired(&self, lease: &Lease, by: Duration) -> Result<LeaseState, sqlx::Error> {
        let keeps = self.mode.keeps_statements();
        let mut transaction = self.begin_read_committed().await?;
        let lock = of_lease(&self.statements.lock_expired, lease).persistent(keeps);
        let row = lock.fetch_optional(&mut *transaction).await?;
        let Some(row) = row else { return Ok(LeaseState::Lost) };
        // If another transaction has locked the object, it is starting another job about it.
        if !row.try_get::<bool, _>("is_alone")? {
            return Ok(LeaseState::Lost);
        }
        let object: Option<String> = row.try_get("object_id")?;
        let renew = of_lease(&self.statements.renew_expired, lease).bind(millis(by)).bind(object);
        let done = renew.persistent(keeps).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(state_of(done.rows_affected()))
    }
}
