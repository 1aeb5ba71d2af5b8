//! What runs handlers, under a lease or in a transaction.

use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Answer, Observation, Outcome};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::run::supervise::{Ended, at_once, supervise};
use crate::store::key::Scope;

/// Why a handler is not begun, or stopped.
pub(crate) const STOPPING: &str = "the application is shut down";

/// Runs handlers in tasks that outlive the requests that began them, each for a limited time.
///
/// Clones share the tasks.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    pub(crate) scope: Scope,
    pub(crate) handler_timeout: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) runtime: Option<Handle>,
    tasks: TaskTracker,
    /// Counted here, since to clone a token is to lock it.
    stop: Arc<CancellationToken>,
}

impl Default for Runner {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            // Below the 15 s after which Svix gives up.
            handler_timeout: Duration::from_secs(12),
            store_timeout: Duration::from_secs(5),
            runtime: None,
            tasks: TaskTracker::new(),
            stop: Arc::default(),
        }
    }
}

impl Runner {
    /// Runs a future in a task of its own, and returns what it returns, or nothing if it panicked. Whoever waits for it may
    /// go: the task goes on.
    pub(crate) fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        future: F,
    ) -> impl Future<Output = Option<T>> + use<T, F> {
        let task = match &self.runtime {
            Some(runtime) => self.tasks.spawn_on(future, runtime),
            None => self.tasks.spawn(future),
        };
        async { task.await.ok() }
    }

    /// Runs a handler until it returns, panics, needs more time than it has, or is told to stop.
    pub(crate) fn supervise<T>(
        &self,
        handling: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = Ended<T>> {
        supervise(handling, self.handler_timeout, &self.stop)
    }

    /// Waits for a store, and not for ever.
    pub(crate) async fn ask<T, E: Error + Send + Sync + 'static>(
        &self,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Unavailable> {
        let mut asking = pin!(asking);
        let answer = match at_once(asking.as_mut()).await {
            Some(answer) => Ok(answer),
            None => timeout(self.store_timeout, asking).await,
        };
        match answer {
            Ok(answer) => answer.map_err(|error| Unavailable(Box::new(error))),
            Err(_) => Err(Unavailable("the store did not answer in time".into())),
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until nothing is running, tells what still runs after `limit` to stop, and waits for that as long as for two
    /// answers of the store. Returns how many were told.
    pub(crate) async fn shutdown(&self, limit: Duration) -> usize {
        self.tasks.close();
        if timeout(limit, self.tasks.wait()).await.is_ok() {
            return 0;
        }
        let stopped = self.tasks.len();
        self.stop.cancel();
        let _ = timeout(self.store_timeout.saturating_mul(2), self.tasks.wait()).await;
        stopped
    }
}

/// Why a store could not be asked.
pub(crate) struct Unavailable(Box<dyn Error + Send + Sync>);

impl Unavailable {
    pub(crate) fn end(self, observation: Observation) -> Answer {
        observation.record_error(&*self.0);
        observation.finish(Answer::from(Outcome::StoreUnavailable))
    }
}
