//! A future that finishes even if its caller drops it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that continues in a task if it is dropped before it has finished.
///
/// sqlx's futures need this in two cases. If a future is dropped while it waits for the response to `BEGIN`,
/// a Postgres connection inside a transaction returns to the pool. If it is dropped while it tests a
/// connection, sqlx closes the connection, which deletes a database in memory. Spawning a task for each call
/// would also work, but costs two thread switches.
#[derive(Debug)]
pub struct DetachOnDrop<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    unfinished: Option<Pin<Box<F>>>,
    /// The runtime in which the future was first polled. The drop may happen outside of a runtime.
    runtime: Option<Handle>,
}

impl<F> DetachOnDrop<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    /// Wraps a future.
    pub fn new(future: F) -> Self {
        Self { unfinished: Some(Box::pin(future)), runtime: None }
    }
}

impl<F> Future for DetachOnDrop<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // The future is missing if an earlier poll panicked.
        let Some(mut future) = self.unfinished.take() else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() {
            if self.runtime.is_none() {
                self.runtime = Handle::try_current().ok();
            }
            self.unfinished = Some(future);
        }
        polled
    }
}

impl<F> Drop for DetachOnDrop<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    fn drop(&mut self) {
        // Without a runtime, the future cannot be waiting for I/O or a timer, so it needs no task.
        if let (Some(future), Some(runtime)) = (self.unfinished.take(), self.runtime.take()) {
            // Detaches the task, which drops the future's output.
            drop(runtime.spawn(future));
        }
    }
}
