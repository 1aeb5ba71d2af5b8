//! Imports the objects that Clerk holds.

use std::collections::BTreeSet;

use clerk_webhook_core::Timestamp;

use crate::apply::change::Origin;
use crate::apply::engine::SyncDatabase;
use crate::backend_api::{BackendApi, Resource};
use crate::backfill::error::ImportError;
use crate::backfill::options::BackfillOptions;
use crate::backfill::report::{Report, Skipped, TableReport};
use crate::backfill::run::Run;
use crate::backfill::state::{BACKFILLED, POSITION, SavedPosition};
use crate::sync::ClerkSync;

impl<DB: SyncDatabase> ClerkSync<DB> {
    /// Imports the objects that Clerk holds: users, organizations, memberships, invitations, domains, roles,
    /// permissions, and with [`keep_waitlist`](Self::keep_waitlist) the waitlist.
    ///
    /// Let the endpoint apply events before the first import. Otherwise changes during the import are missing
    /// until the next [`reconcile`](Self::reconcile). The import and events can write in any order: a row
    /// keeps the newest version of its object.
    ///
    /// An import of the same tables within 24 hours continues an interrupted one: it skips complete tables, and
    /// continues the users after the last one. Only one import or comparison writes at a time. After a crash, the next one waits
    /// for up to 15 seconds.
    ///
    /// Rows that already contain their object are not written. Objects that were erased with
    /// [`forget_user`](Self::forget_user) stay erased.
    ///
    /// Sessions and subscriptions are not imported, because the API describes them incompletely.
    ///
    /// # Errors
    ///
    /// Returns an error if the API or the database fails, if the secret key belongs to another instance than
    /// the tables, if another run is writing, or if the run was stopped. Rows that were written stay, and another call continues.
    pub async fn backfill(&self, api: &BackendApi, options: BackfillOptions) -> Result<Report, ImportError> {
        let started_at = Timestamp::now();
        let run = Run::begin(self, api, &options.run, Origin::Backfill).await?;
        let instance_id = run.instance_id.clone();
        let tables = self.import(&run, &options).await;
        let tables = run.end(tables).await?;
        let report = Report { instance_id, started_at, finished_at: Timestamp::now(), tables };
        #[cfg(feature = "metrics")]
        if !options.run.dry_run {
            report.record_end(Origin::Backfill, options.run.resources.is_none());
        }
        Ok(report)
    }

    async fn import(
        &self,
        run: &Run<'_, DB>,
        options: &BackfillOptions,
    ) -> Result<Vec<TableReport>, ImportError> {
        let mut reports = self.reports(options.run.resources.as_deref());
        let tables: BTreeSet<_> = reports.iter().map(|report| report.resource.as_str().to_owned()).collect();
        let mut position = SavedPosition::new(tables);
        if run.lease.is_some() && !options.restart {
            let saved = self.recall(POSITION).await?;
            let saved = saved.and_then(|text| serde_json::from_str(&text).ok());
            position = saved.filter(|saved: &SavedPosition| saved.precedes(&position)).unwrap_or(position);
        }
        for report in &mut reports {
            let name = report.resource.as_str();
            if report.skipped.is_some() {
                continue;
            }
            if position.complete.contains(name) {
                report.skipped = Some(Skipped::Imported);
                continue;
            }
            let resume = position.users.clone().filter(|_| report.resource == Resource::Users);
            if resume.is_some() {
                (report.seen, report.unreadable) = (position.seen, position.unreadable);
            }
            run.list(report, resume, Some(&position)).await?;
            if report.skipped.is_none() && report.is_certain() {
                position.complete.insert(name.to_owned());
            }
            if run.lease.is_some() {
                let mut transaction = run.transaction().await?;
                position.users = None;
                self.remember(&mut transaction, POSITION, &position.encoded()).await?;
                transaction.commit().await?;
            }
        }
        if run.lease.is_some() {
            let mut transaction = run.transaction().await?;
            self.forget(&mut transaction, POSITION).await?;
            if options.run.resources.is_none() && reports.iter().all(TableReport::is_certain) {
                let now = Timestamp::now().as_millis().to_string();
                self.remember(&mut transaction, BACKFILLED, &now).await?;
            }
            transaction.commit().await?;
        }
        Ok(reports)
    }
}
