//! Migrations, and statements in the application's transactions.

use clerk_webhook_core::Event;
use clerk_webhook_store::internal::{advise, refuse, state_of};
use clerk_webhook_store::{Lease, LeaseState};
use graphile_worker::WorkerUtils;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::engines::common::enqueued;
use crate::queue::delivery_queue::Enqueued;
use crate::queue::log;

use super::executor::PoolerSafe;
use super::queue::PostgresQueue;
use super::run::{ended, of_lease};

impl PostgresQueue {
    /// Creates this crate's table and graphile_worker's schema, if they are missing.
    ///
    /// Until graphile_worker's tables exist, the user needs the `CREATE` privilege on the database, even if the
    /// schema exists: graphile_worker runs `CREATE SCHEMA IF NOT EXISTS`, for which Postgres checks the privilege
    /// first. If only an administrator has it, let the administrator run the migration, and make the application's
    /// user the owner of graphile_worker's schema and of every table in it. The table of this crate needs the
    /// `CREATE` privilege on its schema, which Postgres 15 and later do not grant on `public` by default.
    ///
    /// Any number of processes may call this method at the same time. If the pool caches prepared statements,
    /// this method also opens a second connection, to check that no
    /// [pooler in transaction mode](Self#behind-a-pooler) is between the pool and the server.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached, if the schema of the table is missing, or if the user
    /// lacks the privilege to create a table or a schema. Returns `sqlx::Error::Configuration` if the pool
    /// caches statements and connects to a pooler in transaction mode.
    pub async fn migrate(&self) -> Result<(), sqlx::Error> {
        refuse(self.mode, &self.pool).await?;
        let migrated = self.fetch(sqlx::query(self.statements.migrated.clone())).await?;
        if !migrated.first().ok_or(sqlx::Error::RowNotFound)?.try_get::<bool, _>(0)? {
            sqlx::raw_sql(self.statements.migration.clone()).execute(&self.pool).await?;
        }
        let setting = self.fetch(sqlx::query("SELECT current_setting('synchronous_commit')")).await?;
        if setting.first().is_some_and(|row| row.try_get(0).is_ok_and(|setting: &str| setting == "off")) {
            log::not_durable("`synchronous_commit` of the Postgres connections is off");
        }
        self.migrate_graphile().await
    }

    async fn migrate_graphile(&self) -> Result<(), sqlx::Error> {
        let is_migrated = sqlx::query(self.statements.graphile_migrated.clone());
        let is_migrated = self.fetch(is_migrated).await?;
        if is_migrated.first().ok_or(sqlx::Error::RowNotFound)?.try_get::<bool, _>(0)? {
            return Ok(());
        }
        let migrated = self.detached(async |queue| {
            let database = if queue.mode.keeps_statements() {
                queue.pool.into()
            } else {
                PoolerSafe::database(&queue.pool)
            };
            // graphile_worker tolerates other processes that run its migrations at the same moment.
            let migrated = WorkerUtils::new(database, queue.schema).migrate().await;
            migrated.map_err(|error| sqlx::Error::Configuration(Box::new(error)))
        });
        migrated.await
    }

    /// Stores an event in the application's transaction.
    ///
    /// The event becomes durable when the transaction is committed, together with the transaction's other
    /// writes. Respond to the sender after the commit. If the transaction is rolled back, the queue does not
    /// know the message. If another open transaction has stored the message, this method waits until that
    /// transaction ends. An idle worker finds the event at its next poll.
    ///
    /// # Errors
    ///
    /// Returns the error of the database.
    pub async fn enqueue_in(
        &self,
        connection: &mut PgConnection,
        event: &Event,
    ) -> Result<Enqueued, sqlx::Error> {
        let insert = self.insert(&self.statements.enqueue_in, event).persistent(self.mode.keeps_statements());
        Ok(enqueued(insert.execute(connection).await.map_err(advise)?.rows_affected()))
    }

    /// Marks a job as done in the application's transaction.
    ///
    /// The job is done when the transaction is committed, together with the transaction's other writes. If
    /// the result is [`LeaseState::Lost`], another worker has taken the job: roll the transaction back. Call
    /// this method shortly before the commit, because it also makes the next job about the same object ready. A
    /// job that is enqueued between this call and the commit may wait until the lease would have expired.
    ///
    /// # Errors
    ///
    /// Returns the error of the database.
    pub async fn complete_in(
        &self,
        connection: &mut PgConnection,
        lease: &Lease,
    ) -> Result<LeaseState, sqlx::Error> {
        let complete = of_lease(&self.statements.complete_in, lease).persistent(self.mode.keeps_statements());
        let rows = complete.fetch_all(connection).await.map_err(advise)?;
        Ok(state_of(ended(&rows)?))
    }
}
