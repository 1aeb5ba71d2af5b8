//! A running worker.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::queue::job_queue::JobQueue;
use crate::worker::dispatch::{Dispatcher, first};
use crate::worker::execute::Execute;
#[cfg(feature = "metrics")]
use crate::worker::reporter::report;
use crate::worker::settings::Settings;

/// How long a shutdown waits for calls to the queue after it has stopped the handlers.
const SETTLING: Duration = Duration::from_secs(10);

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
        #[cfg(feature = "metrics")]
        if settings.stats_interval < Duration::MAX {
            let (queue, interval, stop) = (Arc::clone(&queue), settings.stats_interval, stop.clone());
            tokio::spawn(report(queue, interval, stop));
        }
        let dispatcher = Arc::new(Dispatcher {
            queue,
            execution: Arc::clone(&execution),
            settings,
            stop: stop.clone(),
            jobs: jobs.clone(),
            ignored: Mutex::default(),
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
    /// After `limit`, this method waits up to 10 s for calls to the queue, so it returns after at most `limit`
    /// and 10 s. If the queue does not respond in this time, the jobs of the stopped handlers run again after
    /// their leases have expired. If the queue is still executing a call that takes a job, this job also runs
    /// after its lease has expired, unless the process continues until the call returns.
    pub async fn shutdown(mut self, limit: Duration) -> usize {
        self.stop.cancel();
        self.jobs.close();
        let (dispatching, jobs) = (&mut self.dispatching, &self.jobs);
        let mut ended = pin!(async move {
            // A `JoinHandle` must not be polled after it has finished.
            if !dispatching.is_finished() {
                let _ = dispatching.await;
            }
            // If a job was being taken, it is given back.
            jobs.wait().await;
        });
        if timeout(limit, ended.as_mut()).await.is_ok() {
            return 0;
        }
        let stopped = jobs.len();
        let execution = &self.execution;
        let stop_handlers = pin!(async move {
            loop {
                // The call is repeated, because it does not stop a handler that starts later.
                execution.shutdown(Duration::ZERO).await;
                sleep(Duration::from_millis(100)).await;
            }
        });
        let _ = timeout(SETTLING, first(ended, stop_handlers)).await;
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
