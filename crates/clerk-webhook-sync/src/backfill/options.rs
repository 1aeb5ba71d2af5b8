//! The settings of a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend_api::Resource;
use crate::backfill::report::Progress;

/// Called after each page.
pub(crate) type OnProgress = Arc<dyn Fn(&Progress) + Send + Sync>;

/// The settings of [`ClerkSync::backfill`](crate::ClerkSync::backfill).
///
/// ```
/// use clerk_webhook_sync::{BackfillOptions, Resource};
///
/// let options = BackfillOptions::default()
///     .resources([Resource::Users, Resource::Organizations, Resource::Memberships])
///     .on_progress(|progress| println!("{}: {}", progress.resource, progress.seen));
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct BackfillOptions {
    pub(crate) resources: Option<Vec<Resource>>,
    pub(crate) dry_run: bool,
    pub(crate) restart: bool,
    pub(crate) hooks: bool,
    pub(crate) on_progress: Option<OnProgress>,
}

impl BackfillOptions {
    /// Sets what is imported. By default, it is everything that the sync stores and the API lists.
    pub fn resources(mut self, resources: impl IntoIterator<Item = Resource>) -> Self {
        self.resources = Some(resources.into_iter().collect());
        self
    }

    /// Sets whether the run only counts what it would write; `false` by default.
    pub fn dry_run(mut self, yes: bool) -> Self {
        self.dry_run = yes;
        self
    }

    /// Sets whether the run ignores the progress of an interrupted run; `false` by default.
    pub fn restart(mut self, yes: bool) -> Self {
        self.restart = yes;
        self
    }

    /// Sets whether the [`on_change`](crate::ClerkSync::on_change) hook is called; `false` by default.
    ///
    /// Most hooks react to something that has just happened, such as a registration. An imported user may
    /// have registered years ago. If you call the hook, let it check the
    /// [`origin`](crate::RowChange::origin). With the hook, rows are written one by one.
    pub fn call_hook(mut self, yes: bool) -> Self {
        self.hooks = yes;
        self
    }

    /// Sets a function that is called after each page.
    pub fn on_progress(mut self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(report));
        self
    }
}

impl fmt::Debug for BackfillOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackfillOptions")
            .field("resources", &self.resources)
            .field("dry_run", &self.dry_run)
            .field("restart", &self.restart)
            .field("call_hook", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// The settings of [`ClerkSync::reconcile`](crate::ClerkSync::reconcile).
#[derive(Clone)]
#[must_use]
pub struct ReconcileOptions {
    pub(crate) resources: Option<Vec<Resource>>,
    pub(crate) dry_run: bool,
    pub(crate) max_tombstones: u64,
    pub(crate) force: bool,
    pub(crate) grace: Duration,
    pub(crate) hooks: bool,
    pub(crate) on_progress: Option<OnProgress>,
}

impl ReconcileOptions {
    /// The default of [`max_tombstones`](Self::max_tombstones).
    pub const DEFAULT_MAX_TOMBSTONES: u64 = 100;

    /// The default of [`grace`](Self::grace).
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(600);

    /// Sets what is compared. By default, it is everything that the sync stores and the API lists.
    pub fn resources(mut self, resources: impl IntoIterator<Item = Resource>) -> Self {
        self.resources = Some(resources.into_iter().collect());
        self
    }

    /// Sets whether the run only reports the differences; `false` by default.
    pub fn dry_run(mut self, yes: bool) -> Self {
        self.dry_run = yes;
        self
    }

    /// Sets how many rows of a table may become tombstones, unless 1 % of its rows are more; 100 by default.
    ///
    /// A tombstone is permanent. If more objects seem to be deleted, the run stops before the first tombstone
    /// with [`ImportError::TooManyDeletions`](crate::ImportError::TooManyDeletions), because the secret key
    /// may belong to another instance.
    pub fn max_tombstones(mut self, rows: u64) -> Self {
        self.max_tombstones = rows;
        self
    }

    /// Sets whether any number of rows may become tombstones; `false` by default.
    pub fn force(mut self, yes: bool) -> Self {
        self.force = yes;
        self
    }

    /// Sets the age from which a row can become a tombstone; 10 minutes by default.
    ///
    /// Clerk's API may not list an object that has just been created. The age must be longer than this delay.
    pub fn grace(mut self, age: Duration) -> Self {
        self.grace = age;
        self
    }

    /// Sets whether the [`on_change`](crate::ClerkSync::on_change) hook is called; `true` by default.
    ///
    /// A change whose event did not arrive then has the same effects as one whose event arrived.
    pub fn call_hook(mut self, yes: bool) -> Self {
        self.hooks = yes;
        self
    }

    /// Sets a function that is called after each page.
    pub fn on_progress(mut self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(Arc::new(report));
        self
    }
}

impl Default for ReconcileOptions {
    fn default() -> Self {
        Self {
            resources: None,
            dry_run: false,
            max_tombstones: Self::DEFAULT_MAX_TOMBSTONES,
            force: false,
            grace: Self::DEFAULT_GRACE,
            hooks: true,
            on_progress: None,
        }
    }
}

impl fmt::Debug for ReconcileOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconcileOptions")
            .field("resources", &self.resources)
            .field("dry_run", &self.dry_run)
            .field("max_tombstones", &self.max_tombstones)
            .field("force", &self.force)
            .field("grace", &self.grace)
            .field("call_hook", &self.hooks)
            .finish_non_exhaustive()
    }
}
