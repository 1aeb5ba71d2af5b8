//! A queue of any engine, with the engine's explanation of its errors.

use clerk_webhook_queue::JobQueue;

use crate::failure::Failure;

/// A queue whose errors become failures of the command.
pub(super) struct Target<'q, Q: JobQueue> {
    pub(super) queue: &'q Q,
    explain: &'q dyn Fn(Q::Error) -> Failure,
}

impl<'q, Q: JobQueue> Target<'q, Q> {
    pub(super) fn new(queue: &'q Q, explain: &'q dyn Fn(Q::Error) -> Failure) -> Self {
        Self { queue, explain }
    }

    /// Waits for a call to the queue.
    pub(super) async fn ask<T>(&self, call: impl Future<Output = Result<T, Q::Error>>) -> Result<T, Failure> {
        call.await.map_err(self.explain)
    }
}
