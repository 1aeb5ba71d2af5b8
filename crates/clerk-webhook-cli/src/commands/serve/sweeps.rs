//! Runs imports and comparisons beside the deliveries.

use std::sync::Arc;
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::{ClerkSync, Report, SweepEvent, SweepKind, Sweeper, SyncDatabase};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::api::Api;
use super::config::Config;
use super::deliver::Deliveries;
use super::sweep_log::SweepLog;
use crate::text::date;

/// What the sweeper of this process needs.
pub(super) struct Sweeping<'a> {
    pub(super) config: &'a Config,
    pub(super) api: &'a Arc<Api>,
    pub(super) observer: Observer,
    pub(super) stop: &'a CancellationToken,
}

impl Sweeping<'_> {
    /// Starts the sweeper. Without a secret key, it only sets the metrics of earlier sweeps.
    pub(super) fn spawn<DB: SyncDatabase>(self, sync: &ClerkSync<DB>) -> JoinHandle<()> {
        let Self { config, api, observer, stop } = self;
        let has_key = api.current().is_some();
        let api = Arc::clone(api);
        let mut sweeper = Sweeper::with_api_source(sync, move || api.current())
            .on_event(move |event| observer.observe(event));
        if !config.backfill || !has_key {
            sweeper = sweeper.without_import();
        }
        sweeper = match config.reconcile_every.filter(|_| has_key) {
            Some(every) => sweeper.every(every),
            None => sweeper.without_comparison(),
        };
        tokio::spawn(sweeper.run(stop.clone().cancelled_owned()))
    }
}

/// Tells the status what the sweeper does, and warns if only sweeps change the tables.
pub(super) struct Observer {
    pub(super) deliveries: Arc<Deliveries>,
    pub(super) log: Arc<SweepLog>,
    pub(super) every: Option<Duration>,
}

impl Observer {
    fn observe(&self, event: &SweepEvent<'_>) {
        match *event {
            SweepEvent::Scheduled { at, .. } => self.log.set_next(at),
            SweepEvent::Started { kind, .. } => self.log.begin(kind),
            SweepEvent::Progress { progress, .. } => self.log.add(progress),
            SweepEvent::Ended { kind, result, .. } => {
                self.log.end(result);
                if let (SweepKind::Reconcile, Ok(report)) = (kind, result) {
                    self.warn_if_nothing_arrives(report);
                }
            }
            _ => {}
        }
    }

    /// Warns if a comparison repaired rows, and no delivery has arrived that could have changed them.
    fn warn_if_nothing_arrives(&self, report: &Report) {
        let repaired: u64 =
            report.tables.iter().map(|table| table.inserted + table.updated + table.tombstoned).sum();
        // The interval varies by 10 %.
        let since = self.every.map(|every| before(report.started_at, every.mul_f64(1.1)));
        let last_at = self.deliveries.last_at();
        let has_arrived = last_at.zip(since).is_some_and(|(last, since)| last >= since);
        if repaired > 0 && !has_arrived {
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

fn before(time: Timestamp, delay: Duration) -> Timestamp {
    let delay = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(time.as_millis().saturating_sub(delay))
}
