//! Follows a sweep page by page: log lines, and numbers of changed rows.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clerk_webhook_sync::{Progress, Resource};
use metrics::counter;
use tracing::info;

use super::metrics::names;
use super::sweep_log::Kind;

/// The numbers of rows that a sweep has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) inserted: u64,
    pub(super) updated: u64,
    pub(super) tombstoned: u64,
}

pub(super) struct Follower {
    kind: Kind,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The numbers up to the last page of each table.
    tables: BTreeMap<Resource, Counts>,
    last: Option<Progress>,
}

impl Follower {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, state: Mutex::default() }
    }

    /// Adds the changes since the last page of this table to the metrics.
    pub(super) fn page(&self, progress: &Progress) {
        let Progress { resource, inserted, updated, tombstoned, .. } = *progress;
        let mut state = self.lock();
        let before = state.tables.insert(resource, Counts { inserted, updated, tombstoned });
        let before = before.unwrap_or_default();
        state.last = Some(progress.clone());
        drop(state);
        for (result, now, before) in [
            ("inserted", inserted, before.inserted),
            ("updated", updated, before.updated),
            ("tombstoned", tombstoned, before.tombstoned),
        ] {
            if now > before {
                count(resource, result, self.kind, now - before);
            }
        }
    }

    /// Writes a line that shows how far the sweep has come.
    pub(super) fn log(&self) {
        let kind = self.kind;
        match &self.lock().last {
            Some(Progress { resource, seen, expected, .. }) => {
                info!(%kind, table = %resource, seen, expected, "sweep in progress");
            }
            None => info!(%kind, "sweep in progress"),
        }
    }

    /// Returns the numbers of all tables.
    pub(super) fn total(&self) -> Counts {
        let mut total = Counts::default();
        for counts in self.lock().tables.values() {
            total.inserted += counts.inserted;
            total.updated += counts.updated;
            total.tombstoned += counts.tombstoned;
        }
        total
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts objects that a sweep has applied to a table.
pub(super) fn count(resource: Resource, result: &'static str, source: Kind, number: u64) {
    let labels = [("table", resource.as_str()), ("result", result), ("source", source.as_str())];
    counter!(names::APPLIED, &labels).increment(number);
}
