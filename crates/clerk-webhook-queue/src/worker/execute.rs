//! The interface between the worker and the code that runs a handler.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use clerk_webhook_core::Answer;

use crate::queue::job_queue::Job;
use crate::worker::note::Note;
use crate::worker::taken::TakenAt;

pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Runs the handlers of jobs.
pub(super) trait Execute: Send + Sync + 'static {
    /// Runs a job's handler, and returns the answer that the sender would get if it ran in a request.
    fn execute<'a>(&'a self, job: &'a Job, at: TakenAt, note: Note) -> Boxed<'a, Answer>;

    /// Stops the handlers that are still running after `limit`, and returns their number.
    fn shutdown(&self, limit: Duration) -> Boxed<'_, usize>;
}
