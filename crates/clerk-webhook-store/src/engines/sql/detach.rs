//! A future that finishes even if its caller drops it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that continues in a task if it is dropped before it has finished.
///
/// If sqlx's future is dropped while it waits for the answer to BEGIN, a Postgres connection that is inside a transaction returns
/// to the pool. If the future is dropped while it tests a connection, sqlx closes the connection, and with it a database in
/// memory. Spawning a task for each call would also prevent that, but costs two thread switches.
#[derive(Debug)]
pub struct DetachOnDrop<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    unfinished: Option<Pin<Box<F>>>,
    /// That of the first poll: it may be dropped anywhere.
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
        // One that panics is not there any more.
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
        // Without a runtime, everything that is waited for has ended too.
        if let (Some(future), Some(runtime)) = (self.unfinished.take(), self.runtime.take()) {
            // What comes of it is dropped there.
            drop(runtime.spawn(future));
        }
    }
}
