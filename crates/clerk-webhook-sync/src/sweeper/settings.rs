//! The settings of a sweeper.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::apply::engine::SyncDatabase;
use crate::backend_api::BackendApi;
use crate::sweeper::event::SweepEvent;
use crate::sync::ClerkSync;

pub(super) type Observer = Arc<dyn Fn(&SweepEvent<'_>) + Send + Sync>;

/// Imports Clerk's objects once, and then compares the tables with Clerk by schedule.
///
/// A *sweep* is an import or a comparison. Spawn the sweeper once in each process that may sweep. Any number of
/// processes can share the tables: only one of them sweeps at a time, and the others wait.
///
/// ```
/// use clerk_webhook_sync::{BackendApi, ClerkSync, Sweeper};
///
/// async fn sweep_until(
///     shutdown: impl Future<Output = ()> + Send + 'static,
///     sync: &ClerkSync<sqlx::Sqlite>,
///     api: BackendApi,
/// ) {
///     let sweeper = Sweeper::new(sync, api); // imports once, then compares every 24 h ± 10 %
///     tokio::spawn(sweeper.run(shutdown));
/// }
/// ```
///
/// # When it sweeps
///
/// - It imports as [`ClerkSync::backfill`] does, unless the tables remember a complete import of any process.
/// - It compares and repairs as [`ClerkSync::reconcile`] does, an [interval](Self::every) after the last import or
///   comparison of any process, but not in the first 10 minutes of this process, unless the interval is shorter. So a
///   restart does not cause a comparison. It can delay one that is due.
/// - If Clerk or the database fails, it tries again after 30 s. Each further failure doubles the delay, up to 1 h.
/// - If a run refuses to continue, to protect the tables, this sweeper imports no more, and the next comparison is
///   an interval later. [`ImportError::is_refusal`](crate::ImportError::is_refusal) lists the reasons.
/// - If another process owns the lease of the tables, it waits until that process is done. If that process was
///   killed, its lease ends after 15 s, and the sweeper continues within 20 s.
///
/// It writes a log line for each start, end and failure, and every 10 s during a sweep (`tracing` feature).
#[must_use]
pub struct Sweeper<DB: SyncDatabase> {
    pub(super) sync: ClerkSync<DB>,
    pub(super) api: Arc<dyn Fn() -> Option<BackendApi> + Send + Sync>,
    pub(super) imports: bool,
    pub(super) every: Option<Duration>,
    pub(super) observers: Vec<Observer>,
}

impl<DB: SyncDatabase> Sweeper<DB> {
    /// The default of [`every`](Self::every): 24 h.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

    /// The shortest interval: 1 s.
    pub const MIN_INTERVAL: Duration = Duration::from_secs(1);

    /// Creates a sweeper that imports once, and compares every 24 h.
    pub fn new(sync: &ClerkSync<DB>, api: BackendApi) -> Self {
        Self::with_api_source(sync, move || Some(api.clone()))
    }

    /// Creates a sweeper that calls a function for the client of each sweep.
    ///
    /// The function can return a client with another secret key of the same instance, for example after the key was
    /// rotated. A running sweep keeps its client. If the function returns `None`, the sweeper tries again as after a
    /// failure.
    pub fn with_api_source(
        sync: &ClerkSync<DB>,
        api: impl Fn() -> Option<BackendApi> + Send + Sync + 'static,
    ) -> Self {
        Self {
            sync: sync.clone(),
            api: Arc::new(api),
            imports: true,
            every: Some(Self::DEFAULT_INTERVAL),
            observers: Vec::new(),
        }
    }

    /// Sets the time between two comparisons, 24 h by default and at least [`MIN_INTERVAL`](Self::MIN_INTERVAL).
    ///
    /// Each interval is up to 10 % shorter or longer, so that several processes do not start at the same time.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = Some(interval.max(Self::MIN_INTERVAL));
        self
    }

    /// Turns off the comparisons.
    pub fn without_comparison(mut self) -> Self {
        self.every = None;
        self
    }

    /// Turns off the import.
    pub fn without_import(mut self) -> Self {
        self.imports = false;
        self
    }

    /// Adds a function that is called when a comparison is scheduled, and when a sweep starts, progresses and ends.
    ///
    /// The function must not block. Further calls add further functions.
    pub fn on_event(mut self, observer: impl Fn(&SweepEvent<'_>) + Send + Sync + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }
}

impl<DB: SyncDatabase> fmt::Debug for Sweeper<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper")
            .field("sync", &self.sync)
            .field("imports", &self.imports)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}
