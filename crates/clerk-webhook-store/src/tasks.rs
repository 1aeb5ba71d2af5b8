//! Tasks that outlive the request that began them.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What is running, and the signal to stop it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Runs a future in a task of its own, and returns what it returns, or nothing if it panicked. Whoever waits for it may
    /// go: the task goes on.
    pub(crate) fn run<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> impl Future<Output = Option<T>> + use<T, F> {
        let task = self.tracker.spawn(future);
        async { task.await.ok() }
    }

    pub(crate) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    pub(crate) fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until nothing is running, tells what still runs after `limit` to stop, and waits `grace` for that.
    pub(crate) async fn shutdown(&self, limit: Duration, grace: Duration) -> usize {
        self.tracker.close();
        if timeout(limit, self.tracker.wait()).await.is_ok() {
            return 0;
        }
        let stopped = self.tracker.len();
        self.stop.cancel();
        let _ = timeout(grace, self.tracker.wait()).await;
        stopped
    }
}
