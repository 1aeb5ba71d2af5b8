//! When to sweep, and what happens after a failure.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, Shared, select};
use tokio::time::{Instant, interval_at, sleep};

use crate::apply::engine::SyncDatabase;
use crate::backend_api::BackendApi;
use crate::backfill::error::ImportError;
use crate::backfill::options::{BackfillOptions, ReconcileOptions};
use crate::backfill::report::{Progress, Report};
use crate::backfill::state::ImportState;
use crate::sweeper::event::{SweepEvent, SweepKind};
use crate::sweeper::settings::{Observer, Sweeper};
use crate::sweeper::{log, schedule};

/// How long to wait after the end of another process's lease, unless that process renews it.
const AFTER_LEASE: Duration = Duration::from_secs(1);

/// How long to wait at most before looking at the lease again.
const LEASE: Duration = Duration::from_secs(20);

/// The delays after failures: doubled from the first to the last.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LAST_RETRY: Duration = Duration::from_secs(60 * 60);

/// How long a sweep may take to stop before it is dropped.
const STOPPING: Duration = Duration::from_secs(2);

/// How often the progress is logged.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

impl<DB: SyncDatabase> Sweeper<DB> {
    /// Sweeps until `stop` completes. Without an import and comparisons, it returns earlier.
    ///
    /// A running sweep then stops within 2 s and gives its lease back. Await the spawned task at the shutdown, before
    /// you close the pool. If the future is dropped instead, a task gives the lease back, unless the runtime ends.
    pub fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send {
        let stop = stop.boxed().shared();
        let running = Running {
            started_at: Timestamp::now(),
            stop,
            observers: self.observers.clone().into(),
            sweeper: self,
        };
        async move { running.run().await }
    }
}

/// A sweeper that runs.
struct Running<DB: SyncDatabase> {
    sweeper: Sweeper<DB>,
    observers: Arc<[Observer]>,
    stop: Shared<BoxFuture<'static, ()>>,
    started_at: Timestamp,
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

impl<DB: SyncDatabase> Running<DB> {
    async fn run(&self) {
        #[cfg(feature = "metrics")]
        if let Some(state) = self.state().await {
            state.record();
        }
        if self.sweeper.imports {
            self.import().await;
        }
        if let Some(every) = self.sweeper.every {
            self.compare(every).await;
        }
    }

    /// Imports until an import of any process has completed.
    async fn import(&self) {
        let mut retry = FIRST_RETRY;
        while !self.is_stopping() {
            let next = match self.state().await {
                Some(state) if state.backfilled_at.is_some() => return,
                Some(_) => self.sweep(SweepKind::Backfill).await,
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
        let mut scheduled = None;
        while !self.is_stopping() {
            let last =
                self.state().await.and_then(|state| state.last_reconciled_at().max(state.backfilled_at));
            let next = schedule::next(self.started_at, last, every, interval).max(not_before);
            if scheduled.replace(next) != Some(next) {
                self.emit(&SweepEvent::Scheduled { at: next });
            }
            let delay = schedule::until(Timestamp::now(), next);
            if !delay.is_zero() {
                // Another process may sweep in the meantime, which moves the time.
                self.pause(delay).await;
                continue;
            }
            let delay = match self.sweep(SweepKind::Reconcile).await {
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

    async fn sweep(&self, kind: SweepKind) -> Next {
        let Some(api) = (self.sweeper.api)() else { return Next::Retry };
        self.emit(&SweepEvent::Started { kind });
        let result = self.run_one(kind, &api).await;
        self.emit(&SweepEvent::Ended { kind, result: result.as_ref() });
        match result {
            Ok(_) => Next::Done,
            Err(ImportError::AlreadyRunning | ImportError::LeaseLost) => Next::Wait,
            Err(ImportError::Stopped) => Next::Stop,
            Err(error) if error.is_refusal() => Next::GiveUp,
            Err(_) => Next::Retry,
        }
    }

    /// Runs a sweep, and logs its progress.
    async fn run_one(&self, kind: SweepKind, api: &BackendApi) -> Result<Report, ImportError> {
        let last = Arc::new(Mutex::new(None));
        let on_progress = {
            let (last, observers) = (Arc::clone(&last), Arc::clone(&self.observers));
            move |progress: &Progress| {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
                for observer in &*observers {
                    observer(&SweepEvent::Progress { kind, progress });
                }
            }
        };
        let (sync, stop) = (&self.sweeper.sync, self.stop.clone());
        let run = async {
            match kind {
                SweepKind::Backfill => {
                    let options = BackfillOptions::default().on_progress(on_progress).until(stop);
                    sync.backfill(api, options).await
                }
                SweepKind::Reconcile => {
                    let options = ReconcileOptions::default().on_progress(on_progress).until(stop);
                    sync.reconcile(api, options).await
                }
            }
        };
        let lines = async {
            let mut ticks = interval_at(Instant::now() + BETWEEN_LINES, BETWEEN_LINES);
            loop {
                ticks.tick().await;
                log::progress(kind, last.lock().unwrap_or_else(PoisonError::into_inner).as_ref());
            }
        };
        let gave_up = async {
            self.stop.clone().await;
            sleep(STOPPING).await;
        };
        match select(pin!(run), select(pin!(lines), pin!(gave_up))).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => Err(ImportError::Stopped),
        }
    }

    /// Waits until no other process owns the lease, or until this one stops. Asks only the database.
    async fn other_ended(&self) {
        while !self.is_stopping() {
            let Some(end) = self.state().await.and_then(|state| state.leased_until) else { return };
            let left = schedule::until(Timestamp::now(), end);
            self.pause((left + AFTER_LEASE).min(LEASE)).await;
        }
    }

    /// Waits, or returns earlier if the process stops.
    async fn pause(&self, delay: Duration) {
        select(pin!(sleep(delay)), self.stop.clone()).await;
    }

    fn is_stopping(&self) -> bool {
        self.stop.clone().now_or_never().is_some()
    }

    async fn state(&self) -> Option<ImportState> {
        self.sweeper.sync.import_state().await.inspect_err(log::unknown_state).ok()
    }

    fn emit(&self, event: &SweepEvent<'_>) {
        log::event(event);
        for observer in &*self.observers {
            observer(event);
        }
    }
}

/// Returns a random number. The keys of the hasher are random.
fn random() -> u16 {
    let [first, second, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    u16::from_ne_bytes([first, second])
}
