//! The task in which a handler runs, its time limits, and its shutdown.

use std::error::Error;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::{Answer, Event, Observation, Outcome, Stopped};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::run::supervise::{check_running, poll_once, supervise};
use crate::store::key::Scope;

/// Runs handlers in tasks, each for a limited time. A task continues if its request is dropped.
///
/// Clones share the tasks.
#[derive(Clone, Debug)]
pub(super) struct Runner {
    pub(super) scope: Scope,
    pub(super) handler_timeout: Duration,
    pub(super) store_timeout: Duration,
    pub(super) runtime: Option<Handle>,
    pub(super) delivery_metrics: bool,
    tasks: TaskTracker,
    /// The token is in an `Arc`, because cloning a token locks a mutex.
    stop: Arc<CancellationToken>,
}

impl Default for Runner {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            // This is below the 15 s after which the sender closes the connection.
            handler_timeout: Duration::from_secs(12),
            store_timeout: Duration::from_secs(5),
            runtime: None,
            delivery_metrics: true,
            tasks: TaskTracker::new(),
            stop: Arc::default(),
        }
    }
}

impl Runner {
    /// Handles an event in a task, which continues if the caller drops the returned future. The task runs in the
    /// caller's span, so that its log lines belong to the request.
    pub(super) fn spawn(
        &self,
        run: impl Future<Output = Answer> + Send + 'static,
    ) -> impl Future<Output = Answer> {
        #[cfg(feature = "tracing")]
        let run = tracing::Instrument::in_current_span(run);
        let task = match &self.runtime {
            Some(runtime) => self.tasks.spawn_on(run, runtime),
            None => self.tasks.spawn(run),
        };
        // Panics in handlers are caught. The task fails if the store panics, or if the runtime has no timer
        // or shuts down.
        async { task.await.unwrap_or(Answer::from(Outcome::StoreUnavailable)) }
    }

    /// Starts observing an event.
    pub(super) fn observe(&self, event: &Event) -> Observation {
        match self.delivery_metrics {
            true => Observation::begin(event, self.scope.as_str()),
            false => Observation::begin_without_metrics(event, self.scope.as_str()),
        }
    }

    /// Returns an error after [`shutdown`](Self::shutdown) has asked the tasks to stop.
    pub(super) fn check_running(&self) -> Result<(), Stopped> {
        check_running(&self.stop)
    }

    /// Runs a handler until it returns, panics, exceeds its time limit, or the application asks it to stop.
    pub(super) fn supervise<T>(
        &self,
        handling: Pin<&mut impl Future<Output = T>>,
    ) -> impl Future<Output = Result<T, Stopped>> {
        supervise(handling, self.handler_timeout, &self.stop)
    }

    /// Waits for the store, for a limited time.
    pub(super) async fn ask<T, E: Error + Send + Sync + 'static>(
        &self,
        asking: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Stopped> {
        let mut asking = pin!(asking);
        let answer = match poll_once(asking.as_mut()).await {
            Some(answer) => Ok(answer),
            None => timeout(self.store_timeout, asking).await,
        };
        match answer {
            Ok(answer) => answer.map_err(|error| Stopped::new(Outcome::StoreUnavailable, error)),
            Err(_) => Err(Stopped::new(
                Outcome::StoreUnavailable,
                "the store did not answer within `store_timeout`: check that the database is reachable and not overloaded",
            )),
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until no task is running, and stops the tasks that are still running after `limit`. Returns the
    /// number of stopped tasks.
    ///
    /// Waits for the stopped tasks for up to twice the store timeout, because they still have to call the
    /// store.
    pub(super) async fn shutdown(&self, limit: Duration) -> usize {
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

/// Methods for every type with `store` and `runner` fields.
macro_rules! runner_methods {
    () => {
        /// Sets the scope: the name of the endpoint, `clerk` by default.
        ///
        /// Endpoints that share a store, but have different handlers, need different scopes.
        pub fn scope(mut self, scope: $crate::Scope) -> Self {
            self.runner.scope = scope;
            self
        }

        /// Sets how long a handler may run, 12 s by default.
        ///
        /// Choose less than 15 s, because the sender closes the connection after 15 s.
        pub fn handler_timeout(mut self, limit: std::time::Duration) -> Self {
            self.runner.handler_timeout = limit;
            self
        }

        /// Sets how long to wait for each call to the store, 5 s by default.
        ///
        /// After that, the delivery is answered with `store_unavailable`, status 503.
        pub fn store_timeout(mut self, limit: std::time::Duration) -> Self {
            self.runner.store_timeout = limit;
            self
        }

        /// Sets the runtime on which handlers run. By default, a handler runs on the runtime that received
        /// its delivery.
        ///
        /// Some servers stop their runtimes before you call [`shutdown`](Self::shutdown), as Actix does with
        /// its workers' runtimes. Pass the runtime on which you call `shutdown`: `Handle::current()`.
        pub fn runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
            self.runner.runtime = Some(runtime);
            self
        }

        /// Sets whether the events count in the metrics of [`Observation`](clerk_webhook_core::Observation), `true`
        /// by default.
        ///
        /// Pass `false` if the events are jobs whose deliveries were already counted.
        pub fn delivery_metrics(mut self, enabled: bool) -> Self {
            self.runner.delivery_metrics = enabled;
            self
        }

        /// Returns the store.
        #[must_use]
        pub fn store(&self) -> &S {
            &self.store
        }

        /// Returns the number of deliveries in progress, including those whose sender has closed the
        /// connection.
        #[must_use]
        pub fn in_flight(&self) -> usize {
            self.runner.in_flight()
        }

        /// Waits until no handler is running, and stops the handlers that are still running after `limit`.
        ///
        /// Returns the number of stopped handlers. The sender retries their deliveries.
        ///
        /// Call this method after the server has stopped accepting connections. A server's graceful shutdown
        /// does not wait for these handlers. Choose a `limit` above `handler_timeout`. After `limit`, the
        /// method waits up to twice `store_timeout` for the stopped handlers.
        pub async fn shutdown(&self, limit: std::time::Duration) -> usize {
            self.runner.shutdown(limit).await
        }
    };
}
pub(super) use runner_methods;
