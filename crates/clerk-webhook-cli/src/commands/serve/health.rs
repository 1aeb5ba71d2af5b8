//! Readiness: whether this process can handle deliveries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clerk_webhook_sync::{NotReady, SchemaVersion};
use serde::Serialize;

use crate::database::why;
use crate::sync::{Target, on};

/// How long the result of a check of the database is used. The database is asked only when somebody asks, so that
/// a serverless database can sleep.
const CACHED: Duration = Duration::from_secs(5);

/// What the process knows about its readiness.
pub(super) struct Readiness {
    target: Arc<Target>,
    /// Requests during a check wait for its result.
    checked: tokio::sync::Mutex<Option<(Instant, Checked)>>,
    secrets: Problem,
    worker: Problem,
    is_stopping: AtomicBool,
}

/// The result of asking the database.
#[derive(Clone)]
struct Checked {
    database: Result<(), String>,
    schema: Result<(), String>,
}

/// A problem that another task reports.
#[derive(Default)]
pub(super) struct Problem(Mutex<Option<String>>);

impl Problem {
    /// Sets the problem, or removes it. Returns whether this changes anything.
    pub(super) fn set(&self, problem: Option<String>) -> bool {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_changed = *current != problem;
        *current = problem;
        is_changed
    }

    fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The answer of `/readyz`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks: Option<[Check; 5]>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    error: Option<String>,
    age_ms: u64,
}

impl Report {
    pub(super) fn is_ready(&self) -> bool {
        self.status == READY
    }

    /// Removes the checks, which are only for the administrator.
    pub(super) fn without_checks(self) -> Self {
        Self { checks: None, ..self }
    }
}

const READY: &str = "ready";
const UNREADY: &str = "unready";

impl Readiness {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self {
            target,
            checked: tokio::sync::Mutex::default(),
            secrets: Problem::default(),
            worker: Problem::default(),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Makes the process unready until it ends.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Returns the problem of the last reload of the secrets. It does not make the process unready, because the
    /// last good secrets are used.
    pub(super) fn secrets(&self) -> &Problem {
        &self.secrets
    }

    /// Returns the problem of the forward's worker, which makes the process unready.
    pub(super) fn worker(&self) -> &Problem {
        &self.worker
    }

    pub(super) async fn report(&self) -> Report {
        let (checked_at, Checked { database, schema }) = self.checked().await;
        let age_ms = u64::try_from(checked_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let of_database = |name, result: Result<(), String>| Check {
            name,
            ok: result.is_ok(),
            error: result.err(),
            age_ms,
        };
        let worker = self.worker.get();
        let is_stopping = self.is_stopping.load(Ordering::Relaxed);
        let stopping = is_stopping.then(|| "the process is shutting down".to_owned());
        let checks = [
            of_database("database", database),
            of_database("schema", schema),
            Check { name: "secrets", ok: true, error: self.secrets.get(), age_ms: 0 },
            Check { name: "worker", ok: worker.is_none(), error: worker, age_ms: 0 },
            Check { name: "shutdown", ok: !is_stopping, error: stopping, age_ms: 0 },
        ];
        let status = if checks.iter().all(|check| check.ok) { READY } else { UNREADY };
        Report { status, checks: Some(checks) }
    }

    /// Returns the last result, or asks the database if the last result is too old.
    async fn checked(&self) -> (Instant, Checked) {
        let mut checked = self.checked.lock().await;
        if let Some(fresh) = checked.as_ref().filter(|(at, _)| at.elapsed() < CACHED) {
            return fresh.clone();
        }
        let result = (Instant::now(), ask(&self.target).await);
        checked.insert(result).clone()
    }
}

async fn ask(target: &Target) -> Checked {
    let unknown = |reason: String| Checked {
        database: Err(reason),
        schema: Err("unknown, because the database does not answer".to_owned()),
    };
    match on!(&target.sync, sync => sync.check().await) {
        Ok(()) => Checked { database: Ok(()), schema: Ok(()) },
        Err(NotReady::OldTables(SchemaVersion { found, needed, .. })) => Checked {
            database: Ok(()),
            schema: Err(format!("the tables are at version {found}, this version needs {needed}")),
        },
        Err(NotReady::Database(error)) => unknown(why(&error)),
        Err(NotReady::NoAnswer { limit, .. }) => unknown(format!("no answer in {} s", limit.as_secs())),
        Err(error) => unknown(error.to_string()),
    }
}
