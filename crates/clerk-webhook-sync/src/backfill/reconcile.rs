//! Compares the tables with the objects that Clerk holds, and repairs them.

use std::collections::{BTreeMap, HashSet};

use clerk_webhook_core::Timestamp;

use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::backend_api::{BackendApi, Listing, Look, MAX_IDS, Resource};
use crate::backfill::error::ImportError;
use crate::backfill::options::{ReconcileOptions, millis};
use crate::backfill::report::{Drift, DriftKind, Report, TableReport};
use crate::backfill::rows::{Bounds, Candidate};
use crate::backfill::run::Run;
use crate::backfill::state::reconciled;
use crate::error::SyncError;
use crate::observe::{Observation, Observed};
use crate::schema::batches::CANDIDATES;
use crate::schema::tables::Entity;
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Compares the tables with the objects that Clerk holds, and repairs them.
    ///
    /// Missing and outdated rows are written. A row whose object Clerk no longer holds becomes a tombstone,
    /// but only if all of this holds:
    ///
    /// - The list was complete, and the object was on no page.
    /// - The row is older than the [grace period](ReconcileOptions::grace), and nobody has written it since the
    ///   list began.
    /// - A second request, about this object alone, confirms that it does not exist.
    /// - Not more rows are affected than [`max_tombstones`](ReconcileOptions::max_tombstones) allows.
    ///
    /// If nothing changes at Clerk during the run and in the grace period before it, the tables then contain
    /// exactly Clerk's objects, and another run writes nothing.
    ///
    /// # Errors
    ///
    /// Returns an error if the API or the database fails, if the secret key belongs to another instance than
    /// the tables, if another run is writing, if the run was stopped, or if too many objects seem to be deleted.
    /// Rows that were written stay.
    pub async fn reconcile(
        &self,
        api: &BackendApi,
        options: ReconcileOptions,
    ) -> Result<Report, ImportError> {
        let started_at = Timestamp::now();
        let run = Run::begin(self, api, &options.run, Origin::Reconcile).await?;
        let instance_id = run.instance_id.clone();
        let tables = self.sweep(&run, &options).await;
        let tables = run.end(tables).await?;
        let report = Report { instance_id, started_at, finished_at: Timestamp::now(), tables };
        #[cfg(feature = "metrics")]
        if !options.run.dry_run {
            report.record_drift();
            report.record_end(Origin::Reconcile, options.run.resources.is_none());
        }
        Ok(report)
    }

    async fn sweep(
        &self,
        run: &Run<'_, DB>,
        options: &ReconcileOptions,
    ) -> Result<Vec<TableReport>, ImportError> {
        let mut reports = self.reports(options.run.resources.as_deref());
        let mut absent: BTreeMap<Resource, (Bounds, Vec<Candidate>)> = BTreeMap::new();
        for report in &mut reports {
            if report.skipped.is_some() {
                continue;
            }
            let started_at = Timestamp::now().as_millis();
            let Some(listing) = run.list(report, None, None).await? else { continue };
            let object = listing.started_at().saturating_sub(millis(options.grace));
            let bounds = Bounds { object, row: started_at };
            if report.seen == 0 {
                let rows = self.count(report.resource.entity()).await?;
                // The last domain can be deleted, but not every user of an application in use.
                let allowed = match report.resource {
                    Resource::Users if !options.force => 0,
                    _ => options.allowed(rows),
                };
                if rows > allowed {
                    return Err(ImportError::EmptyList { resource: report.resource, rows });
                }
            }
            let mut candidates = self.candidates(run, report, &listing, bounds).await?;
            // Clerk's objects have nothing in common with the rows, so the rows may be of another instance.
            let is_related = report.updated + report.unchanged + report.erased > 0;
            if report.seen > 0 && !is_related && !options.force {
                report.unconfirmed += candidates.len() as u64;
                candidates.clear();
            }
            absent.insert(report.resource, (bounds, candidates));
        }
        // A deleted organization takes its memberships with it, which are not counted again.
        let parents = [Resource::Organizations, Resource::Users];
        let parents = parents.iter().filter_map(|parent| absent.get(parent)).flat_map(|(_, rows)| rows);
        let parents: HashSet<String> = parents.map(|parent| parent.id.clone()).collect();
        for (resource, (_, candidates)) in &absent {
            let surplus = candidates.iter().filter(|candidate| !candidate.goes_with(&parents)).count();
            self.check_number(*resource, surplus, options).await?;
        }
        // The views hide the rows of these organizations and users, so they need no tombstones.
        let mut gone = HashSet::new();
        for report in &mut reports {
            let Some((bounds, mut candidates)) = absent.remove(&report.resource) else { continue };
            candidates.retain(|candidate| !candidate.goes_with(&gone));
            // More than before, if their organization or user exists.
            self.check_number(report.resource, candidates.len(), options).await?;
            for piece in candidates.chunks(MAX_IDS) {
                let looked = self.look_at(run, report, piece, bounds).await;
                run.show(report);
                gone.extend(looked?);
            }
            if run.lease.is_some() && report.is_certain() {
                let mut transaction = run.transaction().await?;
                let name = reconciled(report.resource);
                let started_at = bounds.row.to_string();
                self.remember(&mut transaction, &name, &started_at).await?;
                transaction.commit().await?;
            }
        }
        Ok(reports)
    }

    /// Returns the rows that no page contained and that nobody has changed recently.
    async fn candidates(
        &self,
        run: &Run<'_, DB>,
        report: &mut TableReport,
        listing: &Listing,
        bounds: Bounds,
    ) -> Result<Vec<Candidate>, ImportError> {
        let mut candidates = Vec::new();
        let mut after = String::new();
        loop {
            let rows = self.rows_after(report.resource.entity(), &after, bounds).await?;
            let is_last = rows.len() < CANDIDATES;
            after = rows.last().map(|row| row.id.clone()).unwrap_or_default();
            // The API cannot be asked for an id that was too long to be stored.
            let is_absent = |row: &Candidate| !listing.has_seen(&row.id) && !row.id.starts_with("sha256:");
            let absent = rows.into_iter().filter(is_absent).collect();
            candidates.extend(self.without_existing(run, report, absent).await?);
            run.keep().await?;
            if is_last {
                return Ok(candidates);
            }
        }
    }

    /// Asks for many users or organizations at once, writes those that exist, and returns the others. The list can
    /// miss an object if others were deleted between two pages.
    async fn without_existing(
        &self,
        run: &Run<'_, DB>,
        report: &mut TableReport,
        mut candidates: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, ImportError> {
        if matches!(report.resource, Resource::Users | Resource::Organizations) {
            let mut existing = HashSet::new();
            for piece in candidates.chunks(MAX_IDS) {
                let ids: Vec<&str> = piece.iter().map(|candidate| candidate.id.as_str()).collect();
                let page = run.wait(run.api.existing(report.resource, &ids)).await?;
                for object in page.objects {
                    existing.insert(object.id.clone());
                    run.take_found(report, object, page.read_at).await?;
                }
            }
            candidates.retain(|candidate| !existing.contains(&candidate.id));
        }
        Ok(candidates)
    }

    /// Returns an error if too many objects seem to be deleted.
    async fn check_number(
        &self,
        resource: Resource,
        surplus: usize,
        options: &ReconcileOptions,
    ) -> Result<(), ImportError> {
        let surplus = surplus as u64;
        // Counting reads the complete table.
        if surplus <= options.allowed(0) {
            return Ok(());
        }
        let rows = self.count(resource.entity()).await?;
        if surplus > options.allowed(rows) {
            return Err(ImportError::TooManyDeletions { resource, surplus, rows });
        }
        Ok(())
    }

    /// Looks at objects again, and turns the rows of those that do not exist into tombstones. Returns their ids.
    async fn look_at(
        &self,
        run: &Run<'_, DB>,
        report: &mut TableReport,
        candidates: &[Candidate],
        bounds: Bounds,
    ) -> Result<Vec<String>, ImportError> {
        let mut absent = Vec::new();
        for candidate in candidates {
            match run.wait(run.api.look(report.resource, candidate.absent())).await? {
                Look::Gone { at } => absent.push((&candidate.id, at)),
                Look::Exists { object, read_at } => run.take_found(report, object, read_at).await?,
                Look::Unknown => report.unconfirmed += 1,
            }
        }
        if !absent.is_empty() {
            run.wait(run.api.check_that_feature_is_on(report.resource)).await?;
        }
        let mut gone = Vec::new();
        for (id, at) in absent {
            if run.lease.is_none() {
                report.drift.push(Drift { id: id.clone(), kind: DriftKind::Surplus });
            } else {
                let (mut transaction, entity) = (run.transaction().await?, report.resource.entity());
                let is_buried = self.bury(&mut transaction, entity, id, at, bounds, run.origin).await?;
                transaction.commit().await?;
                if !is_buried {
                    continue;
                }
                #[cfg(feature = "metrics")]
                crate::metrics::applied(
                    report.resource.as_str(),
                    "tombstoned",
                    Origin::Reconcile.as_str(),
                    1,
                );
            }
            report.tombstoned += 1;
            gone.push(id.clone());
        }
        Ok(gone)
    }

    /// Turns a row into a tombstone unless somebody has changed it within the bounds.
    pub(super) async fn bury(
        &self,
        connection: &mut DB::Connection,
        entity: Entity,
        id: &str,
        at: i64,
        bounds: Bounds,
        origin: Option<Origin>,
    ) -> Result<bool, SyncError> {
        let batch = &self.statements().of(entity).batch;
        let list = serde_json::to_string(&[id]).ok();
        let rows = self.fetch(connection, batch.lock.clone(), &[Value::Json(list)]).await?;
        let Some(row) = rows.first() else { return Ok(false) };
        if !is_older::<DB>(row, bounds)? {
            return Ok(false);
        }
        // The row keeps its own values in these columns.
        let kept = entity.table().kept_columns().map(|column| column.kind.null()).collect();
        let observed = Observed::Deleted { at, kept };
        let observation = Observation { entity, id: id.to_owned(), observed };
        Ok(self.write_one(connection, observation, false, origin).await?.is_change())
    }

    /// Returns the number of rows that are not tombstones.
    async fn count(&self, entity: Entity) -> Result<u64, SyncError> {
        let statement = self.statements().of(entity).batch.count.clone();
        let mut transaction = self.begin().await?;
        let rows = self.fetch(&mut transaction, statement, &[]).await?;
        transaction.commit().await?;
        let number = rows.first().map(|row| DB::get(row, "number", Kind::Integer)).transpose()?;
        let number = number.and_then(|number| number.as_integer());
        Ok(u64::try_from(number.unwrap_or(0)).unwrap_or(0))
    }
}

/// Returns whether a row is no tombstone, and nobody has changed it within the bounds.
fn is_older<DB: SyncDatabase>(row: &DB::Row, bounds: Bounds) -> Result<bool, sqlx::Error> {
    let time = |name| Ok::<_, sqlx::Error>(DB::get(row, name, Kind::Integer)?.as_integer());
    let mut is_older = time("deleted_at")?.is_none() && time("synced_at")?.is_none_or(|at| at < bounds.row);
    for name in ["created_at", "updated_at", "event_at"] {
        is_older &= time(name)?.is_none_or(|at| at < bounds.object);
    }
    Ok(is_older)
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Sqlite};

    use super::*;
    use crate::properties::memory;

    #[tokio::test]
    async fn a_row_within_the_bounds_is_not_older() {
        let pool = memory().await;
        for (deleted_at, synced_at, created_at, updated_at, event_at, expected) in [
            ("NULL", 19, "9", 9, 9, true),
            ("NULL", 19, "NULL", 9, 9, true),
            ("1", 19, "9", 9, 9, false),
            ("NULL", 20, "9", 9, 9, false),
            ("NULL", 19, "10", 9, 9, false),
            ("NULL", 19, "9", 10, 9, false),
            ("NULL", 19, "9", 9, 10, false),
        ] {
            let select = format!(
                "SELECT {deleted_at} AS deleted_at, {synced_at} AS synced_at, {created_at} AS created_at, \
                 {updated_at} AS updated_at, {event_at} AS event_at"
            );
            let row = sqlx::query(AssertSqlSafe(select.clone())).fetch_one(&pool).await.unwrap();
            let bounds = Bounds { object: 10, row: 20 };
            assert_eq!(is_older::<Sqlite>(&row, bounds).unwrap(), expected, "{select}");
        }
    }
}
