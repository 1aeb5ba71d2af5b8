//! Adds the tickets that no worker can claim.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use tokio::time::sleep;

use super::queue::PostgresQueue;

/// How often an idle worker looks for such tickets, and for a new id of the task: graphile_worker's clean-up
/// deletes a task that has no ticket.
const REPAIR_INTERVAL: Duration = Duration::from_secs(60);

/// The number of tickets that one statement adds. graphile_worker locks the key of each of them.
const BATCH: u16 = 100;

impl PostgresQueue {
    /// Repairs the tickets at each interval until the future is dropped. Nothing else repairs them if only
    /// graphile_worker claims them.
    pub(crate) async fn keep_repaired(&self) {
        loop {
            while self.must_repair() {
                // After an error, the next repair is at the end of the interval.
                let _ = self.detached(async |queue| queue.repair_once().await).await;
            }
            sleep(REPAIR_INTERVAL).await;
        }
    }

    async fn repair_once(&self) -> Result<(), sqlx::Error> {
        let mut transaction = self.begin_read_committed().await?;
        self.repair(&mut transaction).await?;
        transaction.commit().await
    }

    /// Deletes replaced tickets, and adds up to [`BATCH`] tickets. After a full batch, the next repair need not wait
    /// for the end of the interval.
    pub(super) async fn repair(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let keeps = self.mode.keeps_statements();
        let clean = sqlx::query(self.statements.clean.clone()).bind(i64::from(BATCH)).persistent(keeps);
        clean.execute(&mut *connection).await?;
        let repair = self.of_scope(&self.statements.repair).bind(i64::from(BATCH)).persistent(keeps);
        let added = repair.fetch_all(connection).await?.len();
        if added >= usize::from(BATCH) {
            self.lock_tasks().repaired_at = None;
        }
        Ok(())
    }

    /// Returns whether this caller must repeat the repair, because the interval is over.
    pub(super) fn must_repair(&self) -> bool {
        let mut tasks = self.lock_tasks();
        let must = tasks.repaired_at.is_none_or(|at| at.elapsed() >= REPAIR_INTERVAL);
        if must {
            tasks.repaired_at = Some(Instant::now());
        }
        must
    }
}
