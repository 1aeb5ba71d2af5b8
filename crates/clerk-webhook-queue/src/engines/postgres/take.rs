//! Claims the tickets, and takes their jobs.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clerk_webhook_core::{Event, MessageId};
use clerk_webhook_store::internal::{advise, millis};
use clerk_webhook_store::{DeliveryKey, Lease, Owner};
use graphile_worker::JobFlagFilter;
use graphile_worker::sql::complete_job::complete_job;
use graphile_worker::sql::get_job::get_job_with_filter;
use graphile_worker::sql::return_jobs::recovery::return_job_for_recovery;
use graphile_worker::sql::task_identifiers::{TaskDetails, get_tasks_details};
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Row as _, Transaction};

use crate::engines::common::{CRASHED, NOT_AN_EVENT};
use crate::queue::job_queue::{Job, JobQueue as _, TakeOptions};
use crate::queue::log;

use super::executor::Executor;
use super::queue::PostgresQueue;
use super::rows::{self, LockedRow, TakenRow, attempts, event_type};
use super::tasks::Tasks;
use super::ticket::Ticket;

/// When a ticket is visible again whose record or object another transaction has locked for a moment.
const SOON: i64 = 100;

/// The longest time until the next look at a job that waits for another job about its object. The end of that job
/// makes the ticket visible earlier, unless the worker is killed in between.
const LATER: i64 = 60_000;

/// How long one call looks at tickets whose jobs cannot be taken. The worker abandons a call that lasts too long.
const PATIENCE: Duration = Duration::from_secs(5);

/// The state of a ticket's job.
enum Found {
    /// The job has been taken. The ticket must be visible when the lease ends, after `delay` milliseconds.
    Taken { row: Box<TakenRow>, owner: Owner, delay: i64 },
    /// Nobody can take the job until `delay` milliseconds have passed.
    Later { delay: i64 },
    /// The job is done or dead, or does not exist. The ticket is not needed.
    Ended,
    /// The job has become a dead letter. The next job about its object can be ready.
    Died { object: Option<String> },
}

/// A step of `take`.
enum Step {
    Took(Box<TakenRow>, Owner),
    Again,
    Nothing,
}

impl PostgresQueue {
    pub(super) async fn take_next(&self, options: &TakeOptions) -> Result<Option<Job>, sqlx::Error> {
        let (options, began) = (*options, Instant::now());
        while began.elapsed() < PATIENCE {
            match self.detached(async move |queue| queue.claim(&options).await).await? {
                Step::Took(row, owner) => {
                    if let Some(job) = self.job(*row, owner).await? {
                        return Ok(Some(job));
                    }
                }
                Step::Again => {}
                Step::Nothing => return Ok(None),
            }
        }
        // The caller calls again at its next poll.
        Ok(None)
    }

    /// Takes the job of one message, whose ticket a worker of graphile_worker has claimed.
    ///
    /// The ticket is replaced by one that is visible when the lease ends, or when the job can be taken.
    pub(crate) async fn take_claimed(
        &self,
        message_id: &MessageId,
        options: &TakeOptions,
    ) -> Result<Option<Job>, sqlx::Error> {
        let (message_id, options) = (message_id.clone(), *options);
        let taken = self.detached(async move |queue| {
            let transaction = queue.begin_read_committed().await?;
            queue.take_found(transaction, &message_id, &options).await
        });
        match taken.await? {
            Some((row, owner)) => self.job(*row, owner).await,
            None => Ok(None),
        }
    }

    /// Returns whether a ticket belongs to this queue's table and scope.
    pub(crate) fn owns(&self, ticket: &Ticket) -> bool {
        *ticket.table == *self.table && ticket.scope == self.scope.as_str()
    }

    /// Makes a ticket of any queue visible after a delay, even if a worker of graphile_worker has claimed it.
    pub(crate) async fn postpone(&self, ticket: Ticket, delay: Duration) -> Result<(), sqlx::Error> {
        let postponed = self.detached(async move |queue| {
            let mut transaction = queue.begin_read_committed().await?;
            queue.move_ticket(&mut transaction, &ticket, millis(delay)).await?;
            transaction.commit().await
        });
        postponed.await
    }

    async fn move_ticket(
        &self,
        connection: &mut PgConnection,
        ticket: &Ticket,
        delay: i64,
    ) -> Result<(), sqlx::Error> {
        let statement = sqlx::query(self.statements.move_ticket.clone())
            .bind(ticket.table.clone())
            .bind(ticket.scope.clone())
            .bind(ticket.message_id.clone())
            .bind(delay)
            .persistent(self.mode.keeps_statements());
        statement.execute(connection).await.map(drop).map_err(advise)
    }

    /// Builds the job, or makes it a dead letter if its stored body is not an event.
    async fn job(&self, row: TakenRow, owner: Owner) -> Result<Option<Job>, sqlx::Error> {
        let key = DeliveryKey::new(self.scope.clone(), row.message_id.clone());
        let lease = Lease::new(key, owner, row.attempts);
        match Event::from_trusted(row.message_id, row.attempted_at, row.payload) {
            Ok(event) => {
                let mut job = Job::new(lease, event, row.enqueued_at);
                job.taken_at = row.taken_at;
                Ok(Some(job))
            }
            Err(_) => {
                let message_id = lease.key().message_id();
                log::dead_letter(&self.scope, message_id, &row.event_type, row.attempts, NOT_AN_EVENT);
                let _ = self.bury(&lease, NOT_AN_EVENT).await?;
                Ok(None)
            }
        }
    }

    /// Claims one ticket, and takes its job if possible.
    ///
    /// The claim ends with the transaction: the ticket of a running job becomes visible when the lease ends. So
    /// a crash leaves no locked ticket, and needs no clean-up.
    async fn claim(&self, options: &TakeOptions) -> Result<Step, sqlx::Error> {
        let flags = [format!("{}:{}:{}", Ticket::TASK, self.table, self.scope.as_str())];
        let owner = Owner::random().to_string();
        let mut transaction = self.begin_read_committed().await?;
        let tasks = self.tasks(&mut transaction, false).await?;
        let mut executor = Executor::new(&mut transaction, self.mode.keeps_statements());
        let filter = JobFlagFilter::new(&[], &flags);
        let claimed = get_job_with_filter(&mut executor, &tasks, &self.schema, &owner, filter, None).await;
        let ticket = match claimed {
            Ok(ticket) => ticket,
            Err(error) => return Err(advise(executor.error(error))),
        };
        let Some(ticket) = ticket else {
            // The claim may have locked a ticket that another transaction has moved. The next transaction must
            // not hold that lock.
            transaction.commit().await?;
            return self.without_ticket(options).await;
        };
        let message_id = Ticket::message_id(ticket.payload());
        let found = match &message_id {
            Some(message_id) => self.find(&mut transaction, message_id, options).await?,
            None => Found::Ended,
        };
        let mut executor = Executor::new(&mut transaction, self.mode.keeps_statements());
        let released = match &found {
            Found::Taken { delay, .. } | Found::Later { delay } => {
                let delay = Duration::from_millis(u64::try_from(*delay).unwrap_or_default());
                let schema = &self.schema;
                return_job_for_recovery(&mut executor, &ticket, schema, &owner, Some(delay), None).await
            }
            Found::Ended | Found::Died { .. } => {
                complete_job(&mut executor, &ticket, &owner, &self.schema).await
            }
        };
        if let Err(error) = released {
            return Err(advise(executor.error(error)));
        }
        transaction.commit().await?;
        Ok(match (found, &message_id) {
            (Found::Taken { row, owner, .. }, _) => Step::Took(row, owner),
            (Found::Died { object }, Some(message_id)) => {
                self.wake(message_id, object).await;
                Step::Again
            }
            _ => Step::Again,
        })
    }

    /// Looks for a job if no ticket is visible.
    async fn without_ticket(&self, options: &TakeOptions) -> Result<Step, sqlx::Error> {
        let keeps = self.mode.keeps_statements();
        if !options.one_object_at_a_time {
            let mut transaction = self.begin_read_committed().await?;
            let find = self.of_scope(&self.statements.find).persistent(keeps);
            if let Some(row) = find.fetch_optional(&mut *transaction).await? {
                let message_id = rows::message_id(&row)?;
                return Ok(match self.take_found(transaction, &message_id, options).await? {
                    Some((row, owner)) => Step::Took(row, owner),
                    None => Step::Again,
                });
            }
            transaction.commit().await?;
        }
        if !self.must_repair() {
            return Ok(Step::Nothing);
        }
        let mut transaction = self.begin_read_committed().await?;
        self.tasks(&mut transaction, true).await?;
        self.repair(&mut transaction).await?;
        transaction.commit().await?;
        // A ticket may be visible now: the repair has added it, or the task has a new id.
        Ok(Step::Again)
    }

    /// Takes the job of a message if possible, moves its ticket, and commits.
    async fn take_found(
        &self,
        mut transaction: Transaction<'static, Postgres>,
        message_id: &MessageId,
        options: &TakeOptions,
    ) -> Result<Option<(Box<TakenRow>, Owner)>, sqlx::Error> {
        let (taken, delay, died) = match self.find(&mut transaction, message_id, options).await? {
            Found::Taken { row, owner, delay } => (Some((row, owner)), Some(delay), None),
            Found::Later { delay } => (None, Some(delay), None),
            Found::Ended => (None, None, None),
            Found::Died { object } => (None, None, object),
        };
        if let Some(delay) = delay {
            let ticket = Ticket::of(&self.table, &self.scope, message_id);
            self.move_ticket(&mut transaction, &ticket, delay).await?;
        }
        transaction.commit().await?;
        self.wake(message_id, died).await;
        Ok(taken)
    }

    /// Decides what happens to the job of a claimed ticket, and takes it if possible.
    async fn find(
        &self,
        connection: &mut PgConnection,
        message_id: &MessageId,
        options: &TakeOptions,
    ) -> Result<Found, sqlx::Error> {
        let keeps = self.mode.keeps_statements();
        let lock = self
            .of_message(&self.statements.lock, message_id)
            .bind(i64::from(options.max_attempts))
            .bind(options.one_object_at_a_time)
            .persistent(keeps);
        let locked = LockedRow::read(&lock.fetch_one(&mut *connection).await.map_err(advise)?)?;
        let is_due = match (locked.known, locked.state, locked.is_due) {
            (true, None, _) => return Ok(Found::Later { delay: SOON }),
            (true, Some(0 | 2), Some(is_due)) => is_due,
            _ => return Ok(Found::Ended),
        };
        if !is_due {
            return Ok(Found::Later { delay: locked.delay.max(1) });
        }
        if locked.is_last {
            let die = self.of_message(&self.statements.die, message_id).bind(CRASHED).persistent(keeps);
            let row = die.fetch_one(connection).await?;
            let last_error = row.try_get::<Option<&str>, _>("last_error")?.unwrap_or_default();
            log::dead_letter(&self.scope, message_id, &event_type(&row)?, attempts(&row)?, last_error);
            return Ok(Found::Died { object: row.try_get("object_id")? });
        }
        let owner = Owner::random();
        let object = locked.object_id.filter(|_| options.one_object_at_a_time);
        let take = self
            .of_message(&self.statements.take, message_id)
            .bind(owner.to_string())
            .bind(millis(options.lease))
            .bind(object)
            .bind(locked.is_alone)
            .persistent(keeps);
        let row = take.fetch_one(connection).await?;
        if row.try_get::<Option<&str>, _>("message_id")?.is_some() {
            let row = Box::new(TakenRow::read(&row)?);
            return Ok(Found::Taken { delay: row.delay, row, owner });
        }
        let busy_for: Option<i64> = row.try_get("busy_for")?;
        Ok(Found::Later { delay: busy_for.unwrap_or(SOON).clamp(1, LATER) })
    }

    /// Returns the id of the task.
    async fn tasks(
        &self,
        connection: &mut PgConnection,
        again: bool,
    ) -> Result<Arc<TaskDetails>, sqlx::Error> {
        if let (false, Some(details)) = (again, self.lock_tasks().details.clone()) {
            return Ok(details);
        }
        let mut executor = Executor::new(connection, self.mode.keeps_statements());
        let details = get_tasks_details(&mut executor, &self.schema, vec![Ticket::TASK.to_owned()]).await;
        let details = Arc::new(details.map_err(|error| advise(executor.error(error)))?);
        self.lock_tasks().details = Some(Arc::clone(&details));
        Ok(details)
    }

    pub(super) fn lock_tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
