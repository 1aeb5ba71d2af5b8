//! What goes on when nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// A future that runs to its end in a task when it is dropped before.
///
/// A task from the beginning does the same, but costs two changes from thread to thread each time.
#[derive(Debug)]
pub(super) struct Uncut<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    unfinished: Option<Pin<Box<F>>>,
    /// That of the first poll: it may be dropped anywhere.
    runtime: Option<Handle>,
}

impl<F> Uncut<F>
where
    F: Future<Output: Send> + Send + 'static,
{
    pub(super) fn new(future: F) -> Self {
        Self { unfinished: Some(Box::pin(future)), runtime: None }
    }
}

impl<F> Future for Uncut<F>
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

impl<F> Drop for Uncut<F>
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
