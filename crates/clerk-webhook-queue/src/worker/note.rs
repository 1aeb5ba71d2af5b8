//! How far a handler got, and the error with which it failed.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use clerk_webhook_core::{Failure, Handled};

/// What is known about a handler after its run.
#[derive(Clone, Debug, Default)]
pub(super) struct Note(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
pub(super) struct Noted {
    /// Whether the handler started.
    pub(super) started: bool,
    /// Whether the handler returned. A handler that panics, times out or is stopped does not return.
    pub(super) finished: bool,
    /// Whether the handler succeeded, but the queue could not be told so.
    pub(super) unrecorded: bool,
    /// The handler's failure or panic.
    pub(super) failed: Option<Failed>,
}

/// Why a handler failed, and the delay that it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) error: String,
    pub(super) delay: Option<Duration>,
}

impl Note {
    /// Runs a handler, and notes its start, its end, and its failure or its panic.
    pub(super) async fn observe(
        self,
        handling: impl Future<Output = Result<Handled, Failure>>,
    ) -> Result<Handled, Failure> {
        self.lock().started = true;
        let _panics = NotePanic(&self);
        let result = handling.await;
        self.lock().finished = true;
        if let Err(failure) = &result {
            self.set(failure.to_string(), failure.delay());
        }
        result
    }

    /// Notes that the queue could not be reached. If the handler had succeeded, only its job's completion is
    /// missing.
    pub(super) fn unreachable(&self) {
        let mut noted = self.lock();
        noted.unrecorded = noted.finished && noted.failed.is_none();
    }

    pub(super) fn take(&self) -> Noted {
        std::mem::take(&mut *self.lock())
    }

    fn set(&self, error: String, delay: Option<Duration>) {
        self.lock().failed = Some(Failed { error, delay });
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes a handler's panic when it is dropped, because the panic unwinds through the future that contains
/// this value.
struct NotePanic<'a>(&'a Note);

impl Drop for NotePanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.set("the handler panicked".to_owned(), None);
        }
    }
}
