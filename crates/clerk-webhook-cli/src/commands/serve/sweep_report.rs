//! Reports a sweep that has reached its end: a log line, and metrics.

use clerk_webhook_sync::{ImportState, Report, TableReport};
use metrics::gauge;
use tracing::{info, warn};

use super::metrics::{names, seconds};
use super::progress::count;
use super::sweep_log::{Kind, reconciled_at};

/// Records a sweep. Returns whether it compared every object that Clerk holds.
pub(super) fn record(kind: Kind, report: &Report) -> bool {
    let listed = || report.tables.iter().filter(|table| table.skipped.is_none());
    let sum = |of: fn(&TableReport) -> u64| listed().map(of).sum::<u64>();
    for table in listed() {
        if table.unchanged > 0 {
            count(table.resource, "stale", kind, table.unchanged);
        }
        if kind == Kind::Reconcile {
            for (drift, rows) in
                [("missing", table.inserted), ("extra", table.tombstoned), ("differing", table.updated)]
            {
                #[expect(clippy::cast_precision_loss, reason = "exact for 9 quadrillion rows")]
                gauge!(names::DRIFT, "table" => table.resource.as_str(), "kind" => drift).set(rows as f64);
            }
        }
    }
    let millis = report.finished_at.as_millis().saturating_sub(report.started_at.as_millis());
    let incomplete = sum(|table| table.unreadable + table.unlisted);
    let skipped: Vec<_> = report.tables.iter().filter(|table| table.skipped.is_some()).collect();
    let skipped = skipped.iter().map(|table| table.resource.as_str()).collect::<Vec<_>>().join(",");
    info!(
        %kind,
        instance_id = report.instance_id,
        seen = sum(|table| table.seen),
        inserted = sum(|table| table.inserted),
        updated = sum(|table| table.updated),
        unchanged = sum(|table| table.unchanged),
        tombstoned = sum(|table| table.tombstoned),
        unconfirmed = sum(|table| table.unconfirmed),
        skipped,
        duration_ms = millis,
        "sweep finished"
    );
    if incomplete > 0 {
        warn!(%kind, objects = incomplete, "the sweep is incomplete: Clerk did not list some objects, or this version cannot read them");
        return false;
    }
    gauge!(names::LAST_SWEEP, "kind" => kind.as_str()).set(seconds(report.finished_at));
    true
}

/// Sets the metrics of the last complete sweeps from what the tables remember, so that alerts survive a restart.
pub(super) fn recall(state: &ImportState) {
    for (kind, at) in [(Kind::Backfill, state.backfilled_at), (Kind::Reconcile, reconciled_at(state))] {
        if let Some(at) = at {
            gauge!(names::LAST_SWEEP, "kind" => kind.as_str()).set(seconds(at));
        }
    }
}

/// Returns the number of rows that a sweep changed.
pub(super) fn changed_rows(report: &Report) -> u64 {
    report.tables.iter().map(|table| table.inserted + table.updated + table.tombstoned).sum()
}
