//! The settings of a run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};

use crate::backend_api::Resource;
use crate::backfill::report::Progress;

/// Called after each page.
type OnProgress = Arc<dyn Fn(&Progress) + Send + Sync>;

/// The settings that imports and comparisons have in common.
#[derive(Clone, Default)]
pub(super) struct RunOptions {
    pub(super) resources: Option<Vec<Resource>>,
    pub(super) dry_run: bool,
    pub(super) hooks: bool,
    pub(super) on_progress: Option<OnProgress>,
    /// Completes if the run has to stop.
    pub(super) until: Option<Shared<BoxFuture<'static, ()>>>,
}

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
    pub(super) run: RunOptions,
    pub(super) restart: bool,
}

impl BackfillOptions {
    /// Sets what is imported. By default, it is everything that the sync stores and the API lists.
    pub fn resources(mut self, resources: impl IntoIterator<Item = Resource>) -> Self {
        self.run.resources = Some(resources.into_iter().collect());
        self
    }

    /// Sets whether the run only counts what it would write; `false` by default.
    pub fn dry_run(mut self, yes: bool) -> Self {
        self.run.dry_run = yes;
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
    ///
    /// If a hook exists and is not called, the run leaves missing and outdated objects to their events if they
    /// changed in the last 10 minutes. Otherwise the event would find its row already written, and the hook
    /// would miss the change. [`TableReport::left_to_events`](crate::TableReport::left_to_events) counts them.
    pub fn call_hook(mut self, yes: bool) -> Self {
        self.run.hooks = yes;
        self
    }

    /// Sets a function that is called after each page.
    pub fn on_progress(mut self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.run.on_progress = Some(Arc::new(report));
        self
    }

    /// Sets a future that stops the run when it completes, for example at the shutdown of the application.
    ///
    /// The run then completes its transaction, gives its lease back, and returns
    /// [`ImportError::Stopped`](crate::ImportError::Stopped).
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.run.until = Some(stop.boxed().shared());
        self
    }
}

impl fmt::Debug for BackfillOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackfillOptions")
            .field("resources", &self.run.resources)
            .field("dry_run", &self.run.dry_run)
            .field("restart", &self.restart)
            .field("call_hook", &self.run.hooks)
            .finish_non_exhaustive()
    }
}

/// The settings of [`ClerkSync::reconcile`](crate::ClerkSync::reconcile).
#[derive(Clone)]
#[must_use]
pub struct ReconcileOptions {
    pub(super) run: RunOptions,
    pub(super) max_tombstones: u64,
    pub(super) force: bool,
    pub(super) grace: Duration,
}

impl ReconcileOptions {
    /// The default of [`max_tombstones`](Self::max_tombstones).
    pub const DEFAULT_MAX_TOMBSTONES: u64 = 100;

    /// The default of [`grace`](Self::grace).
    pub const DEFAULT_GRACE: Duration = Duration::from_secs(600);

    /// Sets what is compared. By default, it is everything that the sync stores and the API lists.
    pub fn resources(mut self, resources: impl IntoIterator<Item = Resource>) -> Self {
        self.run.resources = Some(resources.into_iter().collect());
        self
    }

    /// Sets whether the run only reports the differences; `false` by default.
    pub fn dry_run(mut self, yes: bool) -> Self {
        self.run.dry_run = yes;
        self
    }

    /// Sets how many rows of a table may become tombstones, unless 1 % of its rows are more; 100 by default.
    /// With 0, no row may become one.
    ///
    /// A tombstone is permanent. If more objects seem to be deleted, the run stops before the first tombstone
    /// of the table with [`ImportError::TooManyDeletions`](crate::ImportError::TooManyDeletions), because the secret key
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
    /// A change whose event did not arrive then has the same effects as one whose event arrived. Without the
    /// hook, objects that changed in the last 10 minutes are left to their events, as in
    /// [`BackfillOptions::call_hook`].
    pub fn call_hook(mut self, yes: bool) -> Self {
        self.run.hooks = yes;
        self
    }

    /// Sets a function that is called after each page.
    pub fn on_progress(mut self, report: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        self.run.on_progress = Some(Arc::new(report));
        self
    }

    /// Sets a future that stops the run when it completes, for example at the shutdown of the application.
    ///
    /// The run then completes its transaction, gives its lease back, and returns
    /// [`ImportError::Stopped`](crate::ImportError::Stopped).
    pub fn until(mut self, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        self.run.until = Some(stop.boxed().shared());
        self
    }
}

impl ReconcileOptions {
    /// Returns how many rows of a table with this number of rows may become tombstones.
    pub(super) fn allowed(&self, rows: u64) -> u64 {
        match self.max_tombstones {
            _ if self.force => u64::MAX,
            0 => 0,
            number => number.max(rows / 100),
        }
    }
}

impl Default for ReconcileOptions {
    fn default() -> Self {
        Self {
            run: RunOptions { hooks: true, ..RunOptions::default() },
            max_tombstones: Self::DEFAULT_MAX_TOMBSTONES,
            force: false,
            grace: Self::DEFAULT_GRACE,
        }
    }
}

impl fmt::Debug for ReconcileOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconcileOptions")
            .field("resources", &self.run.resources)
            .field("dry_run", &self.run.dry_run)
            .field("max_tombstones", &self.max_tombstones)
            .field("force", &self.force)
            .field("grace", &self.grace)
            .field("call_hook", &self.run.hooks)
            .finish_non_exhaustive()
    }
}

/// Returns a duration in milliseconds.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_settings() {
        let options = BackfillOptions::default()
            .resources([Resource::Users])
            .dry_run(true)
            .restart(true)
            .call_hook(true);
        assert_eq!(
            format!("{options:?}"),
            "BackfillOptions { resources: Some([Users]), dry_run: true, restart: true, call_hook: true, .. }"
        );
        assert!(options.on_progress(|_| ()).run.on_progress.is_some());
        let grace = Duration::from_secs(1);
        let options = ReconcileOptions::default().resources([Resource::Roles]).dry_run(true).grace(grace);
        assert_eq!(
            format!("{:?}", options.max_tombstones(3).force(true).call_hook(false)),
            "ReconcileOptions { resources: Some([Roles]), dry_run: true, max_tombstones: 3, force: true, grace: 1s, \
             call_hook: false, .. }"
        );
        assert!(ReconcileOptions::default().on_progress(|_| ()).run.on_progress.is_some());
    }

    #[test]
    fn a_duration_is_converted_to_milliseconds() {
        for (duration, expected) in
            [(Duration::from_secs(15), 15_000), (Duration::from_micros(1_999), 1), (Duration::MAX, i64::MAX)]
        {
            assert_eq!(millis(duration), expected, "{duration:?}");
        }
    }

    #[test]
    fn one_percent_of_the_rows_may_become_tombstones_unless_none_may() {
        for (options, rows, expected) in [
            (ReconcileOptions::default(), 5, 100),
            (ReconcileOptions::default(), 20_000, 200),
            (ReconcileOptions::default().max_tombstones(3), 1_000, 10),
            (ReconcileOptions::default().max_tombstones(0), 1_000, 0),
            (ReconcileOptions::default().max_tombstones(0).force(true), 1_000, u64::MAX),
        ] {
            assert_eq!(options.allowed(rows), expected, "{options:?}, {rows}");
        }
    }
}
