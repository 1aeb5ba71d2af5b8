//! Runs imports and comparisons beside the deliveries.
//!
//! The lease of the tables lets one process write at a time. If another process owns it, this one waits.

use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::{BackendApi, BackfillOptions, ImportError, ImportState, ReconcileOptions, Report};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::api::Api;
use super::deliver::Deliveries;
use super::progress::{Counts, Follower};
use super::schedule;
use super::sweep_log::{Ended, Kind, SweepLog, reconciled_at};
use super::sweep_report;
use crate::sync::{Target, explain_sync, on};
use crate::text::date;

/// How long to wait after the end of another process's lease, unless that process renews it.
const AFTER_LEASE: Duration = Duration::from_secs(1);

/// How long to wait at most before looking at the lease again.
const LEASE: Duration = Duration::from_secs(20);

/// The delays after failures: doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LAST_RETRY: Duration = Duration::from_secs(60 * 60);

/// How long a sweep may take to stop before it is dropped. Its lease then expires.
const STOPPING: Duration = Duration::from_secs(2);

/// How often the progress is logged.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

pub(super) struct Sweeper {
    pub(super) target: Arc<Target>,
    pub(super) api: Arc<Api>,
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) log: Arc<SweepLog>,
    pub(super) stop: CancellationToken,
    pub(super) started_at: Timestamp,
    pub(super) backfill: bool,
    pub(super) every: Option<Duration>,
}

/// What happens after a sweep.
enum Next {
    Done,
    /// Another process is sweeping.
    Wait,
    /// The sweep failed, and may succeed later.
    Retry,
    /// The sweep was refused, to protect the tables.
    GiveUp,
    Stop,
}

impl Sweeper {
    /// Imports if no import has completed, and then compares by schedule, until the process stops.
    pub(super) async fn run(self) {
        if self.api.current().is_none() {
            return;
        }
        if self.backfill {
            self.import().await;
        }
        if let Some(every) = self.every {
            self.compare(every).await;
        }
    }

    /// Imports until an import of any process has completed.
    async fn import(&self) {
        let mut retry = FIRST_RETRY;
        while !self.stop.is_cancelled() {
            let next = match self.state().await {
                Some(state) if state.backfilled_at.is_some() => return,
                Some(_) => self.sweep(Kind::Backfill).await,
                None => Next::Retry,
            };
            match next {
                Next::Done => return,
                Next::Wait => self.other_ended().await,
                Next::Retry => {
                    self.pause(retry).await;
                    retry = (retry * 2).min(LAST_RETRY);
                }
                Next::GiveUp | Next::Stop => return,
            }
        }
    }

    /// Compares by schedule.
    async fn compare(&self, every: Duration) {
        let mut interval = schedule::varied(every, random());
        // Until when a failed or refused comparison is not repeated.
        let mut not_before = self.started_at;
        let mut retry = FIRST_RETRY.min(every);
        while !self.stop.is_cancelled() {
            let last = self.state().await.and_then(|state| reconciled_at(&state).max(state.backfilled_at));
            let next = schedule::next(self.started_at, last, every, interval).max(not_before);
            if self.log.next_at() != Some(next) {
                info!(at = date(next), "next comparison with Clerk");
            }
            self.log.set_next(Some(next));
            let delay = schedule::until(Timestamp::now(), next);
            if !delay.is_zero() {
                // Another process may sweep in the meantime, which moves the time.
                self.pause(delay).await;
                continue;
            }
            let delay = match self.sweep(Kind::Reconcile).await {
                Next::Done => {
                    interval = schedule::varied(every, random());
                    retry = FIRST_RETRY.min(every);
                    interval
                }
                Next::Wait => {
                    self.other_ended().await;
                    Duration::ZERO
                }
                Next::Retry => {
                    let delay = retry;
                    retry = (retry * 2).min(LAST_RETRY).min(every);
                    delay
                }
                Next::GiveUp => interval,
                Next::Stop => return,
            };
            not_before = schedule::after(Timestamp::now(), delay);
        }
    }

    /// Runs a sweep, and reports it.
    async fn sweep(&self, kind: Kind) -> Next {
        let Some(api) = self.api.current() else { return Next::Retry };
        let started_at = Timestamp::now();
        info!(%kind, "sweep started");
        self.log.begin(kind);
        let (result, counts) = self.run_one(kind, &api).await;
        let ended = |result: &'static str| Ended {
            kind,
            started_at: Some(date(started_at)),
            finished_at: Some(date(Timestamp::now())),
            result,
            inserted: Some(counts.inserted),
            updated: Some(counts.updated),
            tombstoned: Some(counts.tombstoned),
        };
        let error = match result {
            Ok(report) => {
                let is_complete = sweep_report::record(kind, &report);
                self.log.end(Some(ended(if is_complete { "ok" } else { "incomplete" })));
                self.warn_if_nothing_arrives(kind, &report);
                return Next::Done;
            }
            Err(error) => error,
        };
        match error {
            ImportError::AlreadyRunning | ImportError::LeaseLost => {
                info!(%kind, "another process is sweeping; waiting for its end");
                self.log.end(None);
                Next::Wait
            }
            ImportError::Stopped => {
                info!(%kind, "sweep stopped, because the process ends; the next one continues");
                self.log.end(Some(ended("incomplete")));
                Next::Stop
            }
            error if error.is_refusal() => {
                error!(%kind, error = %error, "sweep refused");
                self.log.end(Some(ended("refused")));
                Next::GiveUp
            }
            error => {
                error!(%kind, error = self.explain(&error), "sweep failed");
                self.log.end(Some(ended("failed")));
                Next::Retry
            }
        }
    }

    /// Runs a sweep, and logs its progress. Returns its result, and the numbers of changed rows.
    async fn run_one(&self, kind: Kind, api: &BackendApi) -> (Result<Report, ImportError>, Counts) {
        let follower = Arc::new(Follower::new(kind));
        let on_page = Arc::clone(&follower);
        let on_page = move |progress: &_| on_page.page(progress);
        let run = async {
            match kind {
                Kind::Backfill => {
                    let options = BackfillOptions::default().on_progress(on_page);
                    self.target.backfill(api, options.until(self.stop.clone().cancelled_owned())).await
                }
                Kind::Reconcile => {
                    let options = ReconcileOptions::default().on_progress(on_page);
                    self.target.reconcile(api, options.until(self.stop.clone().cancelled_owned())).await
                }
            }
        };
        let lines = async {
            let mut ticks = tokio::time::interval_at(Instant::now() + BETWEEN_LINES, BETWEEN_LINES);
            loop {
                ticks.tick().await;
                follower.log();
            }
        };
        let result = tokio::select! {
            result = run => result,
            () = lines => Err(ImportError::Stopped),
            () = self.gave_up() => Err(ImportError::Stopped),
        };
        (result, follower.total())
    }

    /// Waits until a sweep has had enough time to stop.
    async fn gave_up(&self) {
        self.stop.cancelled().await;
        sleep(STOPPING).await;
    }

    /// Waits until no other process owns the lease, or until this one stops. Asks only the database.
    async fn other_ended(&self) {
        loop {
            let state = self.state().await;
            let Some(end) = state.and_then(|state| state.leased_until) else { return };
            let left = schedule::until(Timestamp::now(), end);
            self.pause((left + AFTER_LEASE).min(LEASE)).await;
            if self.stop.is_cancelled() {
                return;
            }
        }
    }

    /// Waits, or returns earlier if the process stops.
    async fn pause(&self, delay: Duration) {
        tokio::select! {
            () = sleep(delay) => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn state(&self) -> Option<ImportState> {
        match on!(&self.target.sync, sync => sync.import_state().await) {
            Ok(state) => Some(state),
            Err(error) => {
                let error = explain_sync(&error, &self.target.prefix).message().to_owned();
                warn!(error, "cannot read when the last sweep was");
                None
            }
        }
    }

    fn explain(&self, error: &ImportError) -> String {
        match error {
            ImportError::Sync(error) => explain_sync(error, &self.target.prefix).message().to_owned(),
            error => match std::error::Error::source(error) {
                Some(source) => format!("{error} ({source})"),
                None => error.to_string(),
            },
        }
    }

    /// Warns if a comparison repaired rows, and no delivery has arrived that could have changed them.
    fn warn_if_nothing_arrives(&self, kind: Kind, report: &Report) {
        let repaired = sweep_report::changed_rows(report);
        // The interval varies by 10 %.
        let since = self.every.map(|every| schedule::before(report.started_at, every.mul_f64(1.1)));
        let last_at = self.deliveries.last_at();
        let has_arrived = last_at.zip(since).is_some_and(|(last, since)| last >= since);
        if kind == Kind::Reconcile && repaired > 0 && !has_arrived {
            let last_delivery_at = last_at.map_or("never".to_owned(), date);
            warn!(
                repaired,
                last_delivery_at,
                "the comparison repaired rows, but no delivery arrives. Check the URL and the signing secret of the \
                 endpoint in the Clerk Dashboard, and the event types that it subscribes to"
            );
        }
    }
}

/// Returns a random number. A failure of the system only makes processes begin at the same time.
fn random() -> u16 {
    let mut bytes = [0; 2];
    let _ = getrandom::fill(&mut bytes);
    u16::from_ne_bytes(bytes)
}
