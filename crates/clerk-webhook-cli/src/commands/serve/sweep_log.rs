//! What `/status` tells about sweeps: imports and comparisons.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::ImportState;
use serde::Serialize;

use crate::text::date;

/// The kinds of sweeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Backfill,
    Reconcile,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A sweep that has ended. Another process may have run it, so only some of its numbers are known.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Ended {
    pub(super) kind: Kind,
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
    running: Option<Kind>,
    last: Option<Ended>,
    next_at: Option<Timestamp>,
}

impl SweepLog {
    pub(super) fn begin(&self, kind: Kind) {
        self.lock().running = Some(kind);
    }

    /// Ends the running sweep. `None` if another process runs one.
    pub(super) fn end(&self, ended: Option<Ended>) {
        let mut state = self.lock();
        state.running = None;
        if ended.is_some() {
            state.last = ended;
        }
    }

    pub(super) fn running(&self) -> Option<Kind> {
        self.lock().running
    }

    /// Returns the last sweep of this process, or else what the tables remember of the last complete one.
    pub(super) fn last(&self, remembered: Option<&ImportState>) -> Option<Ended> {
        self.lock().last.clone().or_else(|| of_state(remembered?))
    }

    pub(super) fn set_next(&self, at: Option<Timestamp>) {
        self.lock().next_at = at;
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
    let compared_at = reconciled_at(state);
    let ended = |kind| Ended {
        kind,
        started_at: None,
        finished_at: None,
        result: "ok",
        inserted: None,
        updated: None,
        tombstoned: None,
    };
    match (state.backfilled_at, compared_at) {
        (imported, Some(compared)) if imported.is_none_or(|imported| imported < compared) => {
            Some(Ended { started_at: Some(date(compared)), ..ended(Kind::Reconcile) })
        }
        (Some(imported), _) => Some(Ended { finished_at: Some(date(imported)), ..ended(Kind::Backfill) }),
        (None, _) => None,
    }
}

/// Returns when the last comparison began. Not the earliest of all tables, because a table whose feature was turned
/// off is no longer compared.
pub(super) fn reconciled_at(state: &ImportState) -> Option<Timestamp> {
    state.reconciled_at.values().max().copied()
}
