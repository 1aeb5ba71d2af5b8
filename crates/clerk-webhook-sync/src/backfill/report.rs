//! The results of a run.

use std::fmt;

use clerk_webhook_core::Timestamp;

use crate::apply::batch::{Comparison, Counts};
#[cfg(feature = "metrics")]
use crate::apply::change::Origin;
use crate::backend_api::Resource;

/// The progress of a run within one table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// What is being listed.
    pub resource: Resource,
    /// The number of objects that have been listed.
    pub seen: u64,
    /// The number of objects that Clerk holds, if known.
    pub expected: Option<u64>,
    /// The number of rows that were inserted.
    pub inserted: u64,
    /// The number of rows that were updated.
    pub updated: u64,
    /// The number of rows that became tombstones.
    pub tombstoned: u64,
}

/// The result of a complete run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The id of the Clerk instance (`ins_…`).
    pub instance_id: String,
    /// When the run started.
    pub started_at: Timestamp,
    /// When the run finished.
    pub finished_at: Timestamp,
    /// The results for each table, in the order of the run.
    pub tables: Vec<TableReport>,
}

impl Report {
    /// Returns the result for one table.
    #[must_use]
    pub fn table(&self, resource: Resource) -> Option<&TableReport> {
        self.tables.iter().find(|table| table.resource == resource)
    }

    /// Returns whether the tables contained exactly the objects that Clerk holds.
    ///
    /// After a run that wrote something, this is `false`. Another run then returns `true`, unless something
    /// has changed since.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        self.tables.iter().all(TableReport::is_in_step)
    }

    /// Returns whether Clerk listed every object of the tables that were not skipped, and this version could read
    /// each of them.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let mut listed = self.tables.iter().filter(|table| table.skipped.is_none());
        listed.all(|table| table.unreadable + table.unlisted == 0)
    }
}

/// What a run that wrote adds to the metrics at its end.
#[cfg(feature = "metrics")]
impl Report {
    /// Sets how many rows of each table a comparison has repaired.
    pub(super) fn record_drift(&self) {
        for table in self.tables.iter().filter(|table| table.skipped.is_none()) {
            let name = table.resource.as_str();
            crate::metrics::drift(name, "missing", table.inserted);
            crate::metrics::drift(name, "extra", table.tombstoned);
            crate::metrics::drift(name, "differing", table.updated);
        }
    }

    /// Sets the time of the last complete run, unless this one is incomplete.
    pub(super) fn record_end(&self, origin: Origin, has_all_tables: bool) {
        if has_all_tables && self.is_complete() {
            crate::metrics::last_sweep(origin.as_str(), self.finished_at);
        }
    }
}

/// The result of a run for one table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableReport {
    /// What was listed.
    pub resource: Resource,
    /// Why the table was skipped; `None` if it was listed.
    pub skipped: Option<Skipped>,
    /// The number of objects that were listed.
    pub seen: u64,
    /// The number of objects that Clerk holds, as the API counted them.
    pub expected: Option<u64>,
    /// The number of inserted rows. In a dry run, the number of missing rows.
    pub inserted: u64,
    /// The number of updated rows. In a dry run, the number of stale and differing rows.
    pub updated: u64,
    /// The number of rows that already contained the object, or a newer version of it.
    pub unchanged: u64,
    /// The number of rows that became tombstones. In a dry run, the number of surplus rows.
    pub tombstoned: u64,
    /// The number of listed objects whose rows are tombstones, for example because of
    /// [`forget_user`](crate::ClerkSync::forget_user). Tombstones are permanent.
    pub erased: u64,
    /// The number of rows that may be surplus, although Clerk's answer did not prove it. They were kept.
    pub unconfirmed: u64,
    /// The number of objects that this version cannot read, or that have no id.
    pub unreadable: u64,
    /// The number of objects that Clerk counts but did not list, even after listing them again.
    pub unlisted: u64,
    /// The number of objects that changed in the last 10 minutes and were left to their events, so that the hook
    /// does not miss the changes. See [`BackfillOptions::call_hook`](crate::BackfillOptions::call_hook).
    pub left_to_events: u64,
    /// The differences that a comparison with [`dry_run`](crate::ReconcileOptions::dry_run) has found, without
    /// personal data.
    pub drift: Vec<Drift>,
}

impl TableReport {
    pub(crate) const fn new(resource: Resource) -> Self {
        Self {
            resource,
            skipped: None,
            seen: 0,
            expected: None,
            inserted: 0,
            updated: 0,
            unchanged: 0,
            tombstoned: 0,
            erased: 0,
            unconfirmed: 0,
            unreadable: 0,
            unlisted: 0,
            left_to_events: 0,
            drift: Vec::new(),
        }
    }

    /// Returns whether nothing was or had to be written, and no row is in doubt.
    #[must_use]
    pub const fn is_in_step(&self) -> bool {
        self.inserted + self.updated + self.tombstoned + self.left_to_events == 0 && self.is_certain()
    }

    /// Returns whether all objects were read, and no row is in doubt.
    pub(crate) const fn is_certain(&self) -> bool {
        self.unconfirmed + self.unreadable + self.unlisted == 0
    }

    pub(crate) fn progress(&self) -> Progress {
        Progress {
            resource: self.resource,
            seen: self.seen,
            expected: self.expected,
            inserted: self.inserted,
            updated: self.updated,
            tombstoned: self.tombstoned,
        }
    }

    pub(crate) fn add(&mut self, counts: Counts) {
        self.inserted += counts.inserted;
        self.updated += counts.updated;
        self.unchanged += counts.unchanged;
        self.erased += counts.erased;
    }

    /// Adds the comparison of one object.
    pub(crate) fn note(&mut self, id: &str, comparison: Comparison, lists_drift: bool) {
        let kind = match comparison {
            Comparison::Missing => DriftKind::Missing,
            Comparison::Stale => DriftKind::Stale,
            Comparison::Differing => DriftKind::Differing,
            Comparison::Equal | Comparison::Newer => return self.unchanged += 1,
            Comparison::Erased => return self.erased += 1,
        };
        match kind {
            DriftKind::Missing => self.inserted += 1,
            _ => self.updated += 1,
        }
        if lists_drift {
            self.drift.push(Drift { id: id.to_owned(), kind });
        }
    }
}

/// Why a table was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Skipped {
    /// The feature is off in the Clerk instance.
    FeatureOff,
    /// The sync does not store these objects. See [`ClerkSync::keep_waitlist`](crate::ClerkSync::keep_waitlist).
    NotKept,
    /// An interrupted run has already imported the objects.
    Imported,
}

impl Skipped {
    /// Returns the name of the variant in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FeatureOff => "feature_off",
            Self::NotKept => "not_kept",
            Self::Imported => "imported",
        }
    }
}

/// A difference between a row and the object that Clerk holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drift {
    /// The object's id.
    pub id: String,
    /// How the row differs.
    pub kind: DriftKind,
}

/// How a row differs from the object that Clerk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriftKind {
    /// Clerk holds the object, but it has no row, or only a copy from an event about another object.
    Missing,
    /// The row contains an older version of the object.
    Stale,
    /// The row contains this version of the object with different values.
    Differing,
    /// Clerk no longer holds the object.
    Surplus,
}

impl DriftKind {
    /// Returns the name of the variant in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Differing => "differing",
            Self::Surplus => "surplus",
        }
    }
}

impl fmt::Display for DriftKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The result of [`ClerkSync::refresh`](crate::ClerkSync::refresh).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refreshed {
    /// The row was inserted.
    Inserted,
    /// The row was updated.
    Updated,
    /// The row already contained the object, or a newer version of it.
    Unchanged,
    /// Clerk no longer holds the object, and the row became a tombstone.
    Tombstoned,
    /// The row is a tombstone already.
    Erased,
    /// Clerk does not hold the object, and it has no row.
    NotFound,
    /// The sync does not store these objects. See [`ClerkSync::keep_waitlist`](crate::ClerkSync::keep_waitlist).
    NotKept,
    /// Clerk's answer does not prove that the object was deleted, or an event has changed the row within the
    /// last 10 minutes. The row was kept.
    Unconfirmed,
}

impl Refreshed {
    /// Returns the name of the variant in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Tombstoned => "tombstoned",
            Self::Erased => "erased",
            Self::NotFound => "not_found",
            Self::NotKept => "not_kept",
            Self::Unconfirmed => "unconfirmed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(change: impl FnOnce(&mut TableReport)) -> TableReport {
        let mut report = TableReport::new(Resource::Users);
        change(&mut report);
        report
    }

    #[test]
    fn a_table_is_in_step_if_nothing_was_written_and_nothing_is_in_doubt() {
        for (report, is_in_step, is_certain, is_complete) in [
            (table(|_| ()), true, true, true),
            (table(|report| (report.seen, report.unchanged, report.erased) = (3, 2, 1)), true, true, true),
            (table(|report| report.inserted = 1), false, true, true),
            (table(|report| report.updated = 1), false, true, true),
            (table(|report| report.tombstoned = 1), false, true, true),
            (table(|report| report.left_to_events = 1), false, true, true),
            (table(|report| report.unconfirmed = 1), false, false, true),
            (table(|report| report.unreadable = 1), false, false, false),
            (table(|report| report.unlisted = 1), false, false, false),
            (
                table(|report| (report.skipped, report.unlisted) = (Some(Skipped::NotKept), 1)),
                false,
                false,
                true,
            ),
        ] {
            assert_eq!((report.is_in_step(), report.is_certain()), (is_in_step, is_certain), "{report:?}");
            let now = Timestamp::now();
            let tables = vec![table(|_| ()), report];
            let report = Report { instance_id: String::new(), started_at: now, finished_at: now, tables };
            assert_eq!((report.is_in_step(), report.is_complete()), (is_in_step, is_complete), "{report:?}");
        }
    }

    #[test]
    fn comparisons_and_writes_are_counted() {
        let counts = Counts { inserted: 1, updated: 2, unchanged: 3, erased: 4 };
        let mut added = table(|_| ());
        added.add(counts);
        added.add(counts);
        assert_eq!((added.inserted, added.updated, added.unchanged, added.erased), (2, 4, 6, 8));
        for (comparison, numbers, drift) in [
            (Comparison::Missing, (2, 0, 0, 0), Some(DriftKind::Missing)),
            (Comparison::Stale, (0, 2, 0, 0), Some(DriftKind::Stale)),
            (Comparison::Differing, (0, 2, 0, 0), Some(DriftKind::Differing)),
            (Comparison::Equal, (0, 0, 2, 0), None),
            (Comparison::Newer, (0, 0, 2, 0), None),
            (Comparison::Erased, (0, 0, 0, 2), None),
        ] {
            let mut noted = table(|_| ());
            noted.note("user_1", comparison, false);
            noted.note("user_2", comparison, true);
            assert_eq!(
                (noted.inserted, noted.updated, noted.unchanged, noted.erased),
                numbers,
                "{comparison:?}"
            );
            let listed = drift.map(|kind| Drift { id: "user_2".to_owned(), kind });
            assert_eq!(noted.drift, Vec::from_iter(listed), "{comparison:?}");
        }
    }

    #[test]
    fn reasons_and_results_have_names() {
        let skipped = [Skipped::FeatureOff, Skipped::NotKept, Skipped::Imported];
        assert_eq!(skipped.map(Skipped::as_str), ["feature_off", "not_kept", "imported"]);
        let refreshed = [
            (Refreshed::Inserted, "inserted"),
            (Refreshed::Updated, "updated"),
            (Refreshed::Unchanged, "unchanged"),
            (Refreshed::Tombstoned, "tombstoned"),
            (Refreshed::Erased, "erased"),
            (Refreshed::NotFound, "not_found"),
            (Refreshed::NotKept, "not_kept"),
            (Refreshed::Unconfirmed, "unconfirmed"),
        ];
        for (refreshed, name) in refreshed {
            assert_eq!(refreshed.as_str(), name);
        }
        // The text can be padded, as in a table.
        assert_eq!(format!("{:>9}", DriftKind::Surplus), "  surplus");
    }
}
