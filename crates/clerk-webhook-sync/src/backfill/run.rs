//! What imports and comparisons have in common.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select, try_join};
use sqlx::Transaction;
use tokio::runtime::Handle;
use tokio::task::{JoinError, spawn_blocking};

use crate::apply::batch::{Comparison, piece};
use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::backend_api::{BackendApi, BackendApiError, Cursor, Listing, MAX_IDS, Object, Page, Resource};
use crate::backfill::error::ImportError;
use crate::backfill::options::{ReconcileOptions, RunOptions, millis};
use crate::backfill::report::{Skipped, TableReport};
use crate::backfill::rows::Bounds;
use crate::backfill::state::{INSTANCE, Lease, POSITION, RENEWAL, SavedPosition};
use crate::error::SyncError;
use crate::observe::listed::observe_listed;
use crate::observe::{Observation, Observed};
use crate::schema::tables::Entity;
use crate::settings::Settings;
use crate::sync::ClerkSync;

/// How long after a change its event can arrive, as long as nothing fails.
const RECENT: Duration = ReconcileOptions::DEFAULT_GRACE;

/// The order of the tables: what others refer to comes first.
pub(super) const ORDER: [Resource; 8] = [
    Resource::Permissions,
    Resource::Roles,
    Resource::Users,
    Resource::Organizations,
    Resource::Memberships,
    Resource::Invitations,
    Resource::Domains,
    Resource::WaitlistEntries,
];

/// A run over the tables.
pub(super) struct Run<'a, DB: SyncDatabase> {
    pub(super) sync: &'a ClerkSync<DB>,
    pub(super) api: &'a BackendApi,
    /// `None` in a dry run, which writes nothing.
    pub(super) lease: Option<Lease>,
    /// The origin that the hook receives; `None` if the hook is not called.
    pub(super) origin: Option<Origin>,
    /// What the run is in the metrics.
    #[cfg(feature = "metrics")]
    source: Origin,
    options: &'a RunOptions,
    /// Whether a dry run lists the differences.
    lists_drift: bool,
    pub(super) instance_id: String,
    /// Whether the tables remember the instance.
    is_adopted: AtomicBool,
}

impl<'a, DB: SyncDatabase> Run<'a, DB> {
    /// Checks the instance before anything is written, and takes the lease.
    pub(super) async fn begin(
        sync: &'a ClerkSync<DB>,
        api: &'a BackendApi,
        options: &'a RunOptions,
        origin: Origin,
    ) -> Result<Self, ImportError> {
        let mut run = Self {
            sync,
            api,
            lease: None,
            origin: options.hooks.then_some(origin),
            #[cfg(feature = "metrics")]
            source: origin,
            options,
            // An import that writes nothing reports only numbers, because most objects may be missing.
            lists_drift: origin == Origin::Reconcile,
            instance_id: String::new(),
            is_adopted: AtomicBool::new(false),
        };
        run.instance_id = run.unless_stopped(sync.check_instance(api)).await?;
        run.lease = (!options.dry_run).then(Lease::new);
        if let Some(lease) = &run.lease {
            run.unless_stopped(sync.acquire(lease)).await?;
        }
        Ok(run)
    }

    /// Gives the lease back, also after an error.
    pub(super) async fn end<T>(mut self, result: Result<T, ImportError>) -> Result<T, ImportError> {
        if let Some(lease) = &self.lease {
            let given_back = self.sync.give_back(lease).await;
            // Until now, dropping this future gives the lease back.
            self.lease = None;
            if result.is_ok() {
                given_back?;
            }
        }
        result
    }

    /// Waits for work that can be dropped. Returns an error if the run is stopped first.
    async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, ImportError>>,
    ) -> Result<T, ImportError> {
        let Some(stop) = &self.options.until else { return work.await };
        match select(stop.clone(), pin!(work)).await {
            Either::Left(_) => Err(ImportError::Stopped),
            Either::Right((done, _)) => done,
        }
    }

    /// Waits for an answer of the API, and renews the lease until it arrives.
    pub(super) async fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, BackendApiError>>,
    ) -> Result<T, ImportError> {
        let mut answer = pin!(answer);
        loop {
            let answered = async { Ok(tokio::time::timeout(RENEWAL, &mut answer).await) };
            match self.unless_stopped(answered).await? {
                Ok(answer) => return Ok(answer?),
                Err(_) => self.keep().await?,
            }
        }
    }

    /// Renews the lease.
    pub(super) async fn keep(&self) -> Result<(), ImportError> {
        match &self.lease {
            Some(lease) if !self.sync.renew(lease).await? => Err(ImportError::LeaseLost),
            _ => Ok(()),
        }
    }

    /// Lists a table, and writes the objects that differ, or only compares them. Returns the listing; `None`
    /// if the feature is off.
    ///
    /// With a position, the transaction of a page's last rows also remembers how far the import has come.
    pub(super) async fn list(
        &self,
        report: &mut TableReport,
        resume: Option<Cursor>,
        position: Option<&SavedPosition>,
    ) -> Result<Option<Listing>, ImportError> {
        let mut listing = self.api.list(report.resource, resume);
        let mut next = self.next(&mut listing).await;
        loop {
            let page = match next {
                Err(ImportError::Api(error)) if error.is_feature_off() => {
                    report.skipped = Some(Skipped::FeatureOff);
                    return Ok(None);
                }
                page => page?,
            };
            let Some(page) = page else {
                report.seen += listing.without_id();
                report.unreadable += listing.without_id();
                report.unlisted = listing.missing();
                return Ok(Some(listing));
            };
            report.seen += (page.observations.len() + page.unreadable.len()) as u64;
            report.expected = page.total.or(report.expected);
            // The next page arrives while this one is written. If it does not arrive, this one is written anyway.
            let arriving = async { Ok(self.next(&mut listing).await) };
            let writing = async {
                let taken = self.take(report, page, position).await;
                self.show(report);
                taken
            };
            ((), next) = try_join(writing, arriving).await?;
        }
    }

    /// Returns the next page.
    ///
    /// Reads the objects on another thread, because this takes as long as to write them.
    async fn next(&self, listing: &mut Listing) -> Result<Option<ObservedPage>, ImportError> {
        let Some(page) = self.wait(listing.next()).await? else { return Ok(None) };
        let (entity, settings) = (listing.resource().entity(), self.sync.settings().clone());
        let (cursor, recent) = (listing.cursor(), listing.started_at().saturating_sub(millis(RECENT)));
        let observing =
            spawn_blocking(move || ObservedPage { cursor, recent, ..observe_page(entity, &page, &settings) });
        let stopped = |error: JoinError| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The task is not canceled, unless the runtime ends, and then this future ends too.
            Err(_) => ImportError::Sync(SyncError::undecodable("the runtime is shutting down".to_owned())),
        };
        observing.await.map(Some).map_err(stopped)
    }

    async fn take(
        &self,
        report: &mut TableReport,
        page: ObservedPage,
        position: Option<&SavedPosition>,
    ) -> Result<(), ImportError> {
        for (id, error) in &page.unreadable {
            warn_unreadable(report.resource.entity(), id, error);
        }
        report.unreadable += page.unreadable.len() as u64;
        let observations = self.leave_to_events(report, page.observations, page.recent).await?;
        if self.lease.is_none() {
            for (observation, comparison) in self.compare(report.resource, observations).await? {
                report.note(&observation.id, comparison, self.lists_drift);
            }
            return Ok(());
        }
        let position = page.cursor.zip(position);
        let mut pieces = pieces(observations, piece(DB::DIALECT)).peekable();
        loop {
            self.unless_stopped(async { Ok(()) }).await?;
            let piece = pieces.next().unwrap_or_default();
            let mut transaction = self.transaction().await?;
            let entity = report.resource.entity();
            let counts = self.sync.write_listed(&mut transaction, entity, piece, self.origin).await?;
            let is_last = pieces.peek().is_none();
            if is_last && let Some((cursor, position)) = &position {
                let position = SavedPosition {
                    users: Some(cursor.clone()),
                    seen: report.seen,
                    unreadable: report.unreadable,
                    ..(*position).clone()
                };
                self.sync.remember(&mut transaction, POSITION, &position.encoded()).await?;
            }
            transaction.commit().await?;
            #[cfg(feature = "metrics")]
            counts.record(entity.table().name, self.source);
            report.add(counts);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Compares objects with their rows without writing.
    async fn compare(
        &self,
        resource: Resource,
        observations: Vec<Observation>,
    ) -> Result<Vec<(Observation, Comparison)>, ImportError> {
        let mut compared = Vec::with_capacity(observations.len());
        for piece in pieces(observations, piece(DB::DIALECT)) {
            let mut transaction = self.sync.begin_bulk().await?;
            let comparisons = self.sync.compare(&mut transaction, resource.entity(), &piece).await?;
            transaction.commit().await?;
            compared.extend(piece.into_iter().zip(comparisons));
        }
        Ok(compared)
    }

    /// Leaves missing and outdated objects that have just changed to their events, if this run does not call the
    /// hook. An event whose object is already in its row does not call the hook either. Returns the other objects.
    async fn leave_to_events(
        &self,
        report: &mut TableReport,
        observations: Vec<Observation>,
        recent: i64,
    ) -> Result<Vec<Observation>, ImportError> {
        if self.sync.hook().is_none() || self.origin.is_some() {
            return Ok(observations);
        }
        let is_recent = |observation: &Observation| match &observation.observed {
            Observed::Version { order, .. } => order.updated_at >= recent,
            Observed::Deleted { .. } => false,
        };
        let (recent, mut others) = observations.into_iter().partition(is_recent);
        for (observation, comparison) in self.compare(report.resource, recent).await? {
            match comparison {
                Comparison::Missing | Comparison::Stale => report.left_to_events += 1,
                _ => others.push(observation),
            }
        }
        Ok(others)
    }

    /// Writes an object that a look has found, or only compares it.
    pub(super) async fn take_found(
        &self,
        report: &mut TableReport,
        object: Object,
        read_at: i64,
    ) -> Result<(), ImportError> {
        let page = Page { objects: vec![object], total: None, read_at };
        let page = observe_page(report.resource.entity(), &page, self.sync.settings());
        // Clerk counts the object, although no page contained it.
        report.unlisted = report.unlisted.saturating_sub(1);
        self.take(report, page, None).await
    }

    /// Begins a transaction of this run, which must own the lease.
    pub(super) async fn transaction(&self) -> Result<Transaction<'static, DB>, ImportError> {
        // The statements of a hook, whose plans the connection keeps, need the planner's own settings.
        let calls_hook = self.sync.hook().is_some() && self.origin.is_some();
        let begun = if calls_hook { self.sync.begin().await } else { self.sync.begin_bulk().await };
        let mut transaction = begun?;
        if let Some(lease) = &self.lease {
            if !self.sync.renew_in(&mut transaction, lease).await? {
                return Err(ImportError::LeaseLost);
            }
            if !self.is_adopted.load(Ordering::Relaxed) {
                self.sync.adopt(&mut transaction, &self.instance_id).await?;
                self.is_adopted.store(true, Ordering::Relaxed);
            }
        }
        Ok(transaction)
    }

    pub(super) fn show(&self, report: &TableReport) {
        if let Some(on_progress) = &self.options.on_progress {
            on_progress(&report.progress());
        }
    }
}

impl<DB: SyncDatabase> Drop for Run<'_, DB> {
    /// Gives the lease back if the run is dropped before its end, unless the runtime ends too.
    fn drop(&mut self) {
        if let (Some(lease), Ok(runtime)) = (self.lease.take(), Handle::try_current()) {
            let sync = self.sync.clone();
            runtime.spawn(async move { sync.give_back(&lease).await });
        }
    }
}

/// The objects of a page as observations.
struct ObservedPage {
    observations: Vec<Observation>,
    /// The ids of the objects that cannot be read, and why.
    unreadable: Vec<(String, SyncError)>,
    /// How many objects Clerk counts.
    total: Option<u64>,
    /// The last user of the page.
    cursor: Option<Cursor>,
    /// The time from which a change is recent, on Clerk's clock.
    recent: i64,
}

fn observe_page(entity: Entity, page: &Page, settings: &Settings) -> ObservedPage {
    let mut observations = Vec::with_capacity(page.objects.len());
    let mut unreadable = Vec::new();
    for object in &page.objects {
        match observe_listed(entity, object.json.get(), page.read_at, settings) {
            Ok(observation) => observations.push(observation),
            Err(error) => unreadable.push((object.id.clone(), error)),
        }
    }
    let recent = page.read_at.saturating_sub(millis(RECENT));
    ObservedPage { observations, unreadable, total: page.total, cursor: None, recent }
}

#[cfg(feature = "tracing")]
fn warn_unreadable(entity: Entity, id: &str, error: &SyncError) {
    tracing::warn!(
        target: "clerk_webhook",
        table = entity.table().name,
        id,
        error = %error,
        "an object from Clerk's Backend API cannot be read, so its row stays as it is"
    );
}

#[cfg(not(feature = "tracing"))]
const fn warn_unreadable(_: Entity, _: &str, _: &SyncError) {}

/// Splits observations into the transactions that write them.
fn pieces(observations: Vec<Observation>, size: usize) -> impl Iterator<Item = Vec<Observation>> {
    let mut rest = observations.into_iter();
    std::iter::from_fn(move || {
        let piece: Vec<_> = rest.by_ref().take(size).collect();
        (!piece.is_empty()).then_some(piece)
    })
}

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Returns the reports of the tables that a run includes, in the order of the run.
    pub(super) fn reports(&self, selected: Option<&[Resource]>) -> Vec<TableReport> {
        let is_kept = |resource: Resource| resource != Resource::WaitlistEntries || self.settings().waitlist;
        let is_selected = |resource: &Resource| match selected {
            Some(selected) => selected.contains(resource),
            None => is_kept(*resource),
        };
        let selected = ORDER.into_iter().filter(is_selected);
        selected
            .map(|resource| TableReport {
                skipped: (!is_kept(resource)).then_some(Skipped::NotKept),
                ..TableReport::new(resource)
            })
            .collect()
    }

    /// Returns the instance of the secret key, unless the tables or the settings belong to another one.
    pub(super) async fn check_instance(&self, api: &BackendApi) -> Result<String, ImportError> {
        let key = api.instance().await?.id;
        let expected = self.settings().instance_id.as_deref().map(str::to_owned);
        let remembered = self.recall(INSTANCE).await?;
        let is_known = expected.is_some() || remembered.is_some();
        match expected.into_iter().chain(remembered).find(|tables| *tables != key) {
            Some(tables) => Err(ImportError::OtherInstance { tables, key }),
            None if is_known || self.is_related(api).await? => Ok(key),
            None => Err(ImportError::UnrelatedInstance { key }),
        }
    }

    /// Returns whether a user or an organization of the tables exists in the instance of the secret key, or the
    /// tables contain none. Only events filled these tables, and events do not tell whose they are.
    async fn is_related(&self, api: &BackendApi) -> Result<bool, ImportError> {
        let mut is_related = true;
        for resource in [Resource::Users, Resource::Organizations] {
            let rows = self.rows_after(resource.entity(), "", Bounds::NONE).await?;
            is_related &= rows.is_empty();
            for piece in rows.chunks(MAX_IDS) {
                let ids: Vec<&str> = piece.iter().map(|row| &*row.id).collect();
                match api.existing(resource, &ids).await {
                    Ok(page) if page.objects.is_empty() => {}
                    Ok(_) => return Ok(true),
                    Err(error) if error.is_feature_off() => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(is_related)
    }
}
