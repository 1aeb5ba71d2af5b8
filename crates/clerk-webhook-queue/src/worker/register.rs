//! Runs the jobs of a `PostgresQueue` in the application's own worker of graphile_worker.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clerk_webhook_core::MessageId;
use graphile_worker::{
    IntoTaskHandlerResult, TaskHandler, WorkerContext, WorkerOptions, WorkerStart, WorkerStartContext,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::engines::postgres::queue::PostgresQueue;
use crate::engines::postgres::ticket::Ticket;
use crate::worker::dispatch::Dispatcher;
use crate::worker::execute::Execute;
use crate::worker::log;
use crate::worker::settings::Settings;
use crate::worker::taken::TakenAt;

/// How long a ticket of another table or scope is postponed.
const FOREIGN: Duration = Duration::from_secs(60);

/// The dispatcher, as an extension of graphile_worker's context.
#[derive(Clone)]
struct Registered {
    dispatcher: Arc<Dispatcher<PostgresQueue>>,
    /// Stops the repairs when the worker of graphile_worker is dropped.
    repairs: Arc<Mutex<Option<DropGuard>>>,
}

/// Adds the task of the tickets to the options of a worker.
pub(super) fn register(
    queue: Arc<PostgresQueue>,
    execution: Arc<dyn Execute>,
    settings: Settings,
    options: WorkerOptions,
) -> WorkerOptions {
    let (stop, jobs) = (CancellationToken::new(), TaskTracker::new());
    let dispatcher = Dispatcher { queue, execution, settings, stop, jobs, ignored: Mutex::default() };
    let options = options.schema(dispatcher.queue.schema.clone());
    let registered = Registered { dispatcher: Arc::new(dispatcher), repairs: Arc::default() };
    options.define_job::<Ticket>().add_extension(registered).on(WorkerStart, async |started| {
        let started: WorkerStartContext = started;
        if let Some(registered) = started.extensions.get::<Registered>() {
            registered.start_repairs();
        }
    })
}

impl Registered {
    /// Starts to repair the tickets. If a worker is started again, this call stops its previous repairs.
    fn start_repairs(&self) {
        let (queue, stop) = (Arc::clone(&self.dispatcher.queue), CancellationToken::new());
        let repairs = stop.clone().run_until_cancelled_owned(async move { queue.keep_repaired().await });
        tokio::spawn(repairs);
        *self.repairs.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop.drop_guard());
    }
}

impl TaskHandler for Ticket {
    const IDENTIFIER: &'static str = Self::TASK;

    /// Succeeds even if the handler fails, because the queue has then added a new ticket. An error means that the
    /// database could not be reached. graphile_worker retries the ticket only if it can store the error, and a
    /// repair replaces the ticket otherwise.
    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let Some(registered) = context.extensions().get::<Registered>() else {
            return Err("the worker was not registered with `Worker::register`".to_owned());
        };
        // The task continues if graphile_worker drops this future at the end of its grace period.
        let dispatcher = Arc::clone(&registered.dispatcher);
        let tasks = dispatcher.jobs.clone();
        match tasks.spawn(async move { dispatcher.run_ticket(self).await }).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Dispatcher<PostgresQueue> {
    async fn run_ticket(&self, ticket: Ticket) -> Result<(), sqlx::Error> {
        let message_id = ticket.message_id.parse::<MessageId>();
        let message_id = match message_id {
            Ok(message_id) if self.queue.owns(&ticket) => message_id,
            _ => {
                log::foreign_ticket(&ticket.table, &ticket.scope, &ticket.message_id);
                return self.queue.postpone(ticket, FOREIGN).await;
            }
        };
        let at = TakenAt::now();
        if let Some(job) = self.queue.take_claimed(&message_id, &self.settings.take_options()).await? {
            self.run_job(job, at).await;
        }
        Ok(())
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registered").field(&self.dispatcher.queue).finish()
    }
}
