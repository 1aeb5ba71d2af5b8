//! The error with which a handler failed.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clerk_webhook_core::{Failure, Handled};

/// A handler's failure, or nothing if the handler succeeded or was stopped.
#[derive(Clone, Debug, Default)]
pub(super) struct Note(Arc<Mutex<Option<Failed>>>);

/// Why a handler failed, and the delay that it asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) error: String,
    pub(super) delay: Option<Duration>,
}

impl Note {
    /// Runs a handler, and notes its failure or its panic.
    pub(super) async fn observe(
        self,
        handling: impl Future<Output = Result<Handled, Failure>>,
    ) -> Result<Handled, Failure> {
        let _panics = NotePanic(&self);
        let result = handling.await;
        if let Err(failure) = &result {
            self.set(failure.to_string(), failure.delay());
        }
        result
    }

    pub(super) fn take(&self) -> Option<Failed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: String, delay: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Failed { error, delay });
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
