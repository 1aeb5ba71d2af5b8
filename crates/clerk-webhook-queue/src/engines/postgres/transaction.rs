//! Transactions that also mark a job as done.

use clerk_webhook_store::internal::{commit_postgres, millis};
use clerk_webhook_store::{DeliveryTransaction, Lease};
use sqlx::{Postgres, Row as _};

use crate::queue::job_queue::TakeOptions;
use crate::queue::transactional::TransactionalQueue;

use super::queue::PostgresQueue;
use super::run::{copied, ended, of_lease};

/// The largest value of Postgres's `idle_in_transaction_session_timeout` setting, in milliseconds.
const LONGEST_IDLE: i64 = i32::MAX as i64;

/// While the transaction of a job is open, no worker can claim the job's ticket, even if the lease expires, and
/// no worker can lock the job's object.
impl TransactionalQueue for PostgresQueue {
    type Transaction = DeliveryTransaction<Postgres>;

    const HOLDS_WRITE_LOCK: bool = false;

    async fn begin(
        &self,
        lease: &Lease,
        options: &TakeOptions,
    ) -> Result<Option<Self::Transaction>, sqlx::Error> {
        let (lease, options) = (copied(lease), *options);
        self.detached(async move |queue| queue.begin_job(lease, options).await).await
    }

    async fn commit(&self, transaction: Self::Transaction) -> Result<(), sqlx::Error> {
        transaction.commit().await?;
        self.changed.notify_one();
        Ok(())
    }
}

impl PostgresQueue {
    async fn begin_job(
        &self,
        lease: Lease,
        options: TakeOptions,
    ) -> Result<Option<DeliveryTransaction<Postgres>>, sqlx::Error> {
        let keeps = self.mode.keeps_statements();
        let mut transaction = self.begin_read_committed().await?;
        self.mode.prepare(&mut transaction).await?;
        let idle = options.max_idle.map(|idle| millis(idle).min(LONGEST_IDLE).to_string());
        let lock =
            of_lease(&self.statements.lock_object, &lease).bind(options.one_object_at_a_time).bind(idle);
        let lock = lock.persistent(keeps);
        let Some(row) = lock.fetch_optional(&mut *transaction).await? else { return Ok(None) };
        let object: Option<String> = row.try_get("object_id")?;
        let mark = of_lease(&self.statements.mark, &lease).persistent(keeps);
        let marked = mark.fetch_all(&mut *transaction).await?;
        if ended(&marked)? == 0 {
            return Ok(None);
        }
        let id = marked.first().ok_or(sqlx::Error::RowNotFound)?.try_get("transaction_id")?;
        let (queue, message_id) = (self.clone(), lease.key().message_id().clone());
        let transaction = DeliveryTransaction::new(transaction, lease.attempt())
            .committed_by(move |connection| Box::pin(commit_postgres(connection, id)))
            .followed_by(move || Box::pin(async move { queue.wake(&message_id, object).await }));
        Ok(Some(transaction))
    }
}
