//! Compares the tables with the objects that Clerk holds, and repairs them.

use std::collections::{BTreeMap, HashSet};

use crate::apply::batch::text_of;
use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::backend_api::{Absent, BackendApi, Listing, Look, Resource};
use crate::backfill::error::ImportError;
use crate::backfill::options::ReconcileOptions;
use crate::backfill::report::{Drift, DriftKind, Report, TableReport};
use crate::backfill::run::Run;
use crate::backfill::state::reconciled;
use crate::error::SyncError;
use crate::observe::{Observation, Observed};
use crate::schema::batches::CANDIDATES;
use crate::schema::tables::Entity;
use crate::sync::ClerkSync;
use crate::value::{Kind, Value};

/// How many ids the API compares in one request.
const SIEVE: usize = 100;

/// A row whose object is in no page of the list.
struct Candidate {
    id: String,
    organization_id: Option<String>,
    user_id: Option<String>,
}

impl Candidate {
    /// Returns whether the organization or the user is one of these.
    fn goes_with(&self, parents: &HashSet<String>) -> bool {
        [&self.organization_id, &self.user_id].into_iter().flatten().any(|id| parents.contains(id))
    }

    fn read<DB: SyncDatabase>(row: &DB::Row) -> Result<Self, SyncError> {
        let parent =
            |name| Ok::<_, sqlx::Error>(DB::get(row, name, Kind::Text)?.as_text().map(str::to_owned));
        let (organization_id, user_id) = (parent("organization_id")?, parent("user_id")?);
        Ok(Self { id: text_of::<DB>(row, "id")?, organization_id, user_id })
    }

    fn absent(&self) -> Absent<'_> {
        let (organization_id, user_id) = (self.organization_id.as_deref(), self.user_id.as_deref());
        Absent { id: &self.id, organization_id, user_id }
    }
}

/// The times before which nobody may have changed a row that becomes a tombstone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// For the times of the object, on Clerk's clock.
    pub(super) object: i64,
    /// For the time of the row, on the clocks of the writers.
    pub(super) row: i64,
}

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
    /// the tables, if another run is writing, or if too many objects seem to be deleted. Rows that were
    /// written stay.
    pub async fn reconcile(
        &self,
        api: &BackendApi,
        options: ReconcileOptions,
    ) -> Result<Report, ImportError> {
        let started_at = super::run::now();
        let origin = options.hooks.then_some(Origin::Reconcile);
        let run = Run::begin(self, api, !options.dry_run, origin, options.on_progress.clone()).await?;
        let instance_id = run.instance_id.clone();
        let tables = self.sweep(&run, &options).await;
        let tables = run.end(tables).await?;
        Ok(Report { instance_id, started_at, finished_at: super::run::now(), tables })
    }

    async fn sweep(
        &self,
        run: &Run<'_, DB>,
        options: &ReconcileOptions,
    ) -> Result<Vec<TableReport>, ImportError> {
        let mut reports = self.reports(options.resources.as_deref());
        let mut absent: BTreeMap<Resource, (Bounds, Vec<Candidate>)> = BTreeMap::new();
        for report in &mut reports {
            if report.skipped.is_some() {
                continue;
            }
            let started_at = super::run::now().as_millis();
            let Some(listing) = run.list(report, None, None).await? else { continue };
            let grace = i64::try_from(options.grace.as_millis()).unwrap_or(i64::MAX);
            let bounds = Bounds { object: listing.started_at().saturating_sub(grace), row: started_at };
            let rows = self.count(report.resource.entity()).await?;
            if report.seen == 0 && rows > 0 && !options.force {
                return Err(ImportError::EmptyList { resource: report.resource, rows });
            }
            let candidates = self.candidates(run, report, &listing, bounds).await?;
            absent.insert(report.resource, (bounds, candidates));
        }
        if !options.force {
            for (resource, (_, candidates)) in &absent {
                self.check_number(*resource, candidates, &absent, options.max_tombstones).await?;
            }
        }
        // The views hide the rows of these organizations and users, so they need no tombstones.
        let mut gone = HashSet::new();
        for report in &mut reports {
            let Some((bounds, mut candidates)) = absent.remove(&report.resource) else { continue };
            candidates.retain(|candidate| !candidate.goes_with(&gone));
            let is_changed = !candidates.is_empty();
            for candidate in candidates {
                if self.look_at(run, report, &candidate, bounds).await? {
                    gone.insert(candidate.id);
                }
            }
            if is_changed {
                run.show(report);
            }
            if run.lease.is_some() {
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
        let statement = &self.statements().of(report.resource.entity()).batch.candidates;
        let mut candidates = Vec::new();
        let mut after = String::new();
        loop {
            let parameters = [Value::text(&after), bounds.object.into(), bounds.row.into()];
            let mut transaction = self.begin().await?;
            let rows = self.fetch(&mut transaction, statement.clone(), &parameters).await?;
            transaction.commit().await?;
            for row in &rows {
                after = text_of::<DB>(row, "id")?;
                // The API cannot be asked for an id that was too long to be stored.
                if !listing.has_seen(&after) && !after.starts_with("sha256:") {
                    candidates.push(Candidate::read::<DB>(row)?);
                }
            }
            run.keep().await?;
            if rows.len() < CANDIDATES {
                break;
            }
        }
        // The list can miss an object if others were deleted between two pages.
        if matches!(report.resource, Resource::Users | Resource::Organizations) {
            let mut existing = HashSet::new();
            for piece in candidates.chunks(SIEVE) {
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
        candidates: &[Candidate],
        absent: &BTreeMap<Resource, (Bounds, Vec<Candidate>)>,
        max_tombstones: u64,
    ) -> Result<(), ImportError> {
        // A deleted organization takes its memberships with it, which are not counted again.
        let parents = [Resource::Organizations, Resource::Users];
        let parents = parents.iter().filter_map(|parent| absent.get(parent));
        let parents =
            parents.flat_map(|(_, candidates)| candidates).map(|parent| parent.id.clone()).collect();
        let surplus = candidates.iter().filter(|candidate| !candidate.goes_with(&parents)).count() as u64;
        let rows = self.count(resource.entity()).await?;
        if surplus > max_tombstones.max(rows / 100) {
            return Err(ImportError::TooManyDeletions { resource, surplus, rows });
        }
        Ok(())
    }

    /// Looks at one object again, and turns its row into a tombstone if the object does not exist. Returns
    /// whether the object does not exist.
    async fn look_at(
        &self,
        run: &Run<'_, DB>,
        report: &mut TableReport,
        candidate: &Candidate,
        bounds: Bounds,
    ) -> Result<bool, ImportError> {
        let at = match run.wait(run.api.look(report.resource, candidate.absent())).await? {
            Look::Gone { at } => at,
            Look::Exists { object, read_at } => {
                run.take_found(report, object, read_at).await?;
                return Ok(false);
            }
            Look::Unknown => {
                report.unconfirmed += 1;
                return Ok(false);
            }
        };
        if run.lease.is_none() {
            report.tombstoned += 1;
            report.drift.push(Drift { id: candidate.id.clone(), kind: DriftKind::Surplus });
            return Ok(true);
        }
        let mut transaction = run.transaction().await?;
        let entity = report.resource.entity();
        let is_buried = self.bury(&mut transaction, entity, &candidate.id, at, bounds, run.origin).await?;
        transaction.commit().await?;
        report.tombstoned += u64::from(is_buried);
        Ok(is_buried)
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
