//! What `/status` tells about sweeps: imports and comparisons.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::{ImportError, ImportState, Progress, Report, Resource, SweepKind};
use serde::Serialize;

use crate::text::date;

/// A sweep that has ended. Another process may have run it, so only some of its numbers are known.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ended {
    pub(super) kind: &'static str,
    pub(super) started_at: Option<String>,
    pub(super) finished_at: Option<String>,
    /// `ok`, `incomplete`, `refused` or `failed`.
    pub(super) result: &'static str,
    pub(super) inserted: Option<u64>,
    pub(super) updated: Option<u64>,
    pub(super) tombstoned: Option<u64>,
}

/// The sweeps of this process.
#[derive(Default)]
pub(super) struct SweepLog(Mutex<State>);

#[derive(Default)]
struct State {
    running: Option<Running>,
    last: Option<Ended>,
    next_at: Option<Timestamp>,
}

struct Running {
    kind: SweepKind,
    started_at: Timestamp,
    /// The numbers up to the last page of each table.
    tables: BTreeMap<Resource, Progress>,
}

impl SweepLog {
    pub(super) fn begin(&self, kind: SweepKind) {
        let running = Running { kind, started_at: Timestamp::now(), tables: BTreeMap::new() };
        self.lock().running = Some(running);
    }

    /// Adds a page to the running sweep.
    pub(super) fn add(&self, progress: &Progress) {
        if let Some(running) = &mut self.lock().running {
            running.tables.insert(progress.resource, progress.clone());
        }
    }

    /// Ends the running sweep. It is forgotten if another process runs one.
    pub(super) fn end(&self, result: Result<&Report, &ImportError>) {
        let mut state = self.lock();
        let Some(Running { kind, started_at, tables }) = state.running.take() else { return };
        let result = match result {
            Ok(report) if report.is_complete() => "ok",
            Err(ImportError::AlreadyRunning | ImportError::LeaseLost) => return,
            Ok(_) | Err(ImportError::Stopped) => "incomplete",
            Err(error) if error.is_refusal() => "refused",
            Err(_) => "failed",
        };
        let sum = |of: fn(&Progress) -> u64| Some(tables.values().map(of).sum());
        state.last = Some(Ended {
            kind: kind.as_str(),
            started_at: Some(date(started_at)),
            finished_at: Some(date(Timestamp::now())),
            result,
            inserted: sum(|table| table.inserted),
            updated: sum(|table| table.updated),
            tombstoned: sum(|table| table.tombstoned),
        });
    }

    /// Returns the kind of the running sweep.
    pub(super) fn running(&self) -> Option<&'static str> {
        self.lock().running.as_ref().map(|running| running.kind.as_str())
    }

    /// Returns the last sweep of this process, or else what the tables remember of the last complete one.
    pub(super) fn last(&self, remembered: Option<&ImportState>) -> Option<Ended> {
        self.lock().last.clone().or_else(|| of_state(remembered?))
    }

    pub(super) fn set_next(&self, at: Timestamp) {
        self.lock().next_at = Some(at);
    }

    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.lock().next_at
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the last complete sweep that the tables remember.
fn of_state(state: &ImportState) -> Option<Ended> {
    // Not the earliest of all tables, because a table whose feature was turned off is no longer compared.
    let compared_at = state.reconciled_at.values().max().copied();
    let ended = |kind: SweepKind| Ended {
        kind: kind.as_str(),
        started_at: None,
        finished_at: None,
        result: "ok",
        inserted: None,
        updated: None,
        tombstoned: None,
    };
    match (state.backfilled_at, compared_at) {
        (imported, Some(compared)) if imported.is_none_or(|imported| imported < compared) => {
            Some(Ended { started_at: Some(date(compared)), ..ended(SweepKind::Reconcile) })
        }
        (Some(imported), _) => {
            Some(Ended { finished_at: Some(date(imported)), ..ended(SweepKind::Backfill) })
        }
        (None, _) => None,
    }
}
