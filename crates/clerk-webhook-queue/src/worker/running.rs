//! A running worker.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::queue::job_queue::JobQueue;
use crate::worker::dispatch::Dispatcher;
use crate::worker::execute::Execute;
use crate::worker::settings::{QUEUE_TIMEOUT, Settings};

/// A running worker, returned by [`Worker::start`](crate::Worker::start).
///
/// - [`shutdown`](Self::shutdown) stops it, and waits for the handlers.
/// - Awaiting it never finishes, unless a method of the queue panics.
/// - After it is dropped, it takes no more jobs. Running handlers continue, but nothing waits for them.
#[must_use = "dropping the worker stops it"]
pub struct RunningWorker {
    execution: Arc<dyn Execute>,
    stop: CancellationToken,
    jobs: TaskTracker,
    dispatching: JoinHandle<()>,
}

impl RunningWorker {
    pub(super) fn start<Q: JobQueue>(queue: Arc<Q>, execution: Arc<dyn Execute>, settings: Settings) -> Self {
        let (stop, jobs) = (CancellationToken::new(), TaskTracker::new());
        let dispatcher = Arc::new(Dispatcher {
            queue,
            execution: Arc::clone(&execution),
            settings,
            stop: stop.clone(),
            jobs: jobs.clone(),
        });
        let dispatching = tokio::spawn(dispatcher.run());
        Self { execution, stop, jobs, dispatching }
    }

    /// Returns the number of jobs that this worker is handling.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.jobs.len()
    }

    /// Stops taking jobs, waits for the running handlers, and stops those that are still running after
    /// `limit`.
    ///
    /// The worker gives back the jobs of the stopped handlers. Another worker can take them immediately, and
    /// the attempt does not count. Returns the number of jobs that were still running after `limit`.
    ///
    /// After `limit`, this method waits up to 20 s for the queue to store that the jobs were given back. If
    /// the queue cannot be reached in this time, the jobs run again after their leases have expired.
    pub async fn shutdown(mut self, limit: Duration) -> usize {
        self.stop.cancel();
        let began = Instant::now();
        // If a job is being taken at this moment, it is given back.
        let _ = timeout(limit.saturating_add(QUEUE_TIMEOUT), &mut self.dispatching).await;
        self.jobs.close();
        if timeout(limit.saturating_sub(began.elapsed()), self.jobs.wait()).await.is_ok() {
            return 0;
        }
        let stopped = self.jobs.len();
        let give_up = Instant::now() + QUEUE_TIMEOUT * 4;
        while Instant::now() < give_up {
            // The call is repeated, because a handler may have started during the first one.
            self.execution.shutdown(Duration::ZERO).await;
            if timeout(Duration::from_millis(100), self.jobs.wait()).await.is_ok() {
                break;
            }
        }
        stopped
    }
}

/// Waits until the worker stops taking jobs, which happens only if a method of the queue panics.
impl Future for RunningWorker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.dispatching).poll(cx).map(|_ended| ())
    }
}

/// Stops the worker from taking further jobs.
impl Drop for RunningWorker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl fmt::Debug for RunningWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningWorker").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
