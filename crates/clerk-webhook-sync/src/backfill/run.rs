//! What imports and comparisons have in common.

use std::future::Future;
use std::pin::pin;

use clerk_webhook_core::Timestamp;
use futures_util::future::try_join;
use sqlx::Transaction;
use tokio::task::spawn_blocking;

use crate::apply::batch::PIECE;
use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::backend_api::{BackendApi, BackendApiError, Cursor, Listing, Object, Page, Resource};
use crate::backfill::error::ImportError;
use crate::backfill::options::OnProgress;
use crate::backfill::report::{Skipped, TableReport};
use crate::backfill::state::{INSTANCE, Lease, POSITION, Position, RENEWAL};
use crate::error::SyncError;
use crate::observe::Observation;
use crate::observe::listed::observe_listed;
use crate::schema::tables::Entity;
use crate::settings::Settings;
use crate::sync::ClerkSync;

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
    pub(super) on_progress: Option<OnProgress>,
    pub(super) instance_id: String,
}

impl<'a, DB: SyncDatabase> Run<'a, DB> {
    /// Checks the instance before anything is written, and takes the lease.
    pub(super) async fn begin(
        sync: &'a ClerkSync<DB>,
        api: &'a BackendApi,
        writes: bool,
        origin: Option<Origin>,
        on_progress: Option<OnProgress>,
    ) -> Result<Self, ImportError> {
        let instance_id = sync.check_instance(api).await?;
        let lease = writes.then(Lease::new);
        if let Some(lease) = &lease {
            sync.acquire(lease).await?;
            sync.adopt(&instance_id).await?;
        }
        Ok(Self { sync, api, lease, origin, on_progress, instance_id })
    }

    /// Gives the lease back, also after an error.
    pub(super) async fn end<T>(self, result: Result<T, ImportError>) -> Result<T, ImportError> {
        if let Some(lease) = &self.lease {
            let given_back = self.sync.give_back(lease).await;
            if result.is_ok() {
                given_back?;
            }
        }
        result
    }

    /// Waits for an answer of the API, and renews the lease until it arrives.
    pub(super) async fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, BackendApiError>>,
    ) -> Result<T, ImportError> {
        let mut answer = pin!(answer);
        loop {
            match tokio::time::timeout(RENEWAL, &mut answer).await {
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
        position: Option<&Position>,
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
                report.unlisted = listing.missing();
                return Ok(Some(listing));
            };
            // The next page arrives while this one is written. If it does not arrive, this one is written anyway.
            let arriving = async { Ok(self.next(&mut listing).await) };
            ((), next) = try_join(self.take(report, page, position), arriving).await?;
            self.show(report);
        }
    }

    /// Returns the next page.
    ///
    /// Reads the objects on another thread, because this takes as long as to write them.
    async fn next(&self, listing: &mut Listing) -> Result<Option<ObservedPage>, ImportError> {
        let Some(page) = self.wait(listing.next()).await? else { return Ok(None) };
        let (entity, settings) = (listing.resource().entity(), self.sync.settings().clone());
        let cursor = listing.cursor();
        let observing = spawn_blocking(move || ObservedPage { cursor, ..observe_page(entity, &page, &settings) });
        // The task is not canceled, unless the runtime ends, and then this future ends too.
        let stopped = |_| ImportError::Sync(SyncError::undecodable("the runtime is shutting down".to_owned()));
        observing.await.map(Some).map_err(stopped)
    }

    async fn take(
        &self,
        report: &mut TableReport,
        page: ObservedPage,
        position: Option<&Position>,
    ) -> Result<(), ImportError> {
        report.seen += page.observations.len() as u64 + page.unreadable;
        report.unreadable += page.unreadable;
        report.expected = page.total.or(report.expected);
        if self.lease.is_none() {
            return self.note(report, page.observations).await;
        }
        let position = page.cursor.zip(position);
        let mut pieces = pieces(page.observations).peekable();
        loop {
            let piece = pieces.next().unwrap_or_default();
            let mut transaction = self.transaction().await?;
            let entity = report.resource.entity();
            let counts = self.sync.write_listed(&mut transaction, entity, piece, self.origin).await?;
            let is_last = pieces.peek().is_none();
            if is_last && let Some((cursor, position)) = &position {
                let position = Position {
                    complete: position.complete.clone(),
                    users: Some(cursor.clone()),
                    seen: report.seen,
                };
                self.sync.remember(&mut transaction, POSITION, &position.encoded()).await?;
            }
            transaction.commit().await?;
            report.add(counts);
            if is_last {
                return Ok(());
            }
        }
    }

    /// Compares objects with their rows without writing.
    async fn note(
        &self,
        report: &mut TableReport,
        observations: Vec<Observation>,
    ) -> Result<(), ImportError> {
        for piece in pieces(observations) {
            let mut transaction = self.sync.begin().await?;
            let entity = report.resource.entity();
            let comparisons = self.sync.compare(&mut transaction, entity, &piece).await?;
            transaction.commit().await?;
            for (observation, comparison) in piece.iter().zip(comparisons) {
                report.note(&observation.id, comparison);
            }
        }
        Ok(())
    }

    /// Writes an object that a look has found, or only compares it.
    pub(super) async fn take_found(
        &self,
        report: &mut TableReport,
        object: Object,
        read_at: i64,
    ) -> Result<(), ImportError> {
        let page = Page { objects: vec![object], total: report.expected, read_at };
        let page = observe_page(report.resource.entity(), &page, self.sync.settings());
        self.take(report, page, None).await
    }

    /// Begins a transaction of this run, which must own the lease.
    pub(super) async fn transaction(&self) -> Result<Transaction<'static, DB>, ImportError> {
        let mut transaction = self.sync.begin().await?;
        if let Some(lease) = &self.lease
            && !self.sync.renew_in(&mut transaction, lease).await?
        {
            return Err(ImportError::LeaseLost);
        }
        Ok(transaction)
    }

    pub(super) fn show(&self, report: &TableReport) {
        if let Some(on_progress) = &self.on_progress {
            on_progress(&report.progress());
        }
    }
}

/// The objects of a page as observations.
struct ObservedPage {
    observations: Vec<Observation>,
    /// How many objects cannot be read.
    unreadable: u64,
    /// How many objects Clerk counts.
    total: Option<u64>,
    /// The last user of the page.
    cursor: Option<Cursor>,
}

fn observe_page(entity: Entity, page: &Page, settings: &Settings) -> ObservedPage {
    let mut observations = Vec::with_capacity(page.objects.len());
    let mut unreadable = 0;
    for object in &page.objects {
        match observe_listed(entity, object.json.get(), page.read_at, settings) {
            Ok(observation) => observations.push(observation),
            Err(error) => {
                unreadable += 1;
                warn_unreadable(entity, &object.id, &error);
            }
        }
    }
    ObservedPage { observations, unreadable, total: page.total, cursor: None }
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
fn pieces(observations: Vec<Observation>) -> impl Iterator<Item = Vec<Observation>> {
    let mut rest = observations.into_iter();
    std::iter::from_fn(move || {
        let piece: Vec<_> = rest.by_ref().take(PIECE).collect();
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
        match expected.into_iter().chain(remembered).find(|tables| *tables != key) {
            Some(tables) => Err(ImportError::OtherInstance { tables, key }),
            None => Ok(key),
        }
    }

    /// Remembers the instance whose objects the tables contain.
    async fn adopt(&self, instance_id: &str) -> Result<(), ImportError> {
        let mut transaction = self.begin().await?;
        if self.recall_in(&mut transaction, INSTANCE).await?.is_none() {
            self.remember(&mut transaction, INSTANCE, instance_id).await?;
        }
        Ok(transaction.commit().await?)
    }
}

pub(super) fn now() -> Timestamp {
    Timestamp::now()
}
