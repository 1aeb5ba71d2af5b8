//! Runs a handler so that it ends, one way or another.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// How a handler ended.
#[derive(Debug)]
pub(crate) enum Ended<T> {
    /// By itself.
    Returned(T),
    /// By a panic.
    Panicked,
    /// Its time was over.
    TimedOut,
    /// The application is shut down.
    Stopped,
}

/// Runs a handler until it returns, panics, needs more time than it has, or is told to stop.
pub(crate) async fn supervise<T>(
    handler: impl Future<Output = T>,
    time_limit: Duration,
    stop: &CancellationToken,
) -> Ended<T> {
    let cut_off = first(stop.cancelled(), tokio::time::sleep(time_limit));
    match first(catch_panic(handler), cut_off).await {
        First::One(returned) => returned.map_or(Ended::Panicked, Ended::Returned),
        First::Other(First::One(())) => Ended::Stopped,
        First::Other(First::Other(())) => Ended::TimedOut,
    }
}

/// The output of the one of two futures that was ready first.
pub(crate) enum First<A, B> {
    One(A),
    Other(B),
}

/// Waits for one of two futures and drops the other one; where both are ready, it is the first.
pub(crate) async fn first<A: Future, B: Future>(one: A, other: B) -> First<A::Output, B::Output> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|cx| match one.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(First::One(output)),
        Poll::Pending => other.as_mut().poll(cx).map(First::Other),
    })
    .await
}

async fn catch_panic<T>(future: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        // After a panic the future is dropped and never polled again, so nobody sees what it has left half done.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_handler_ends_one_way_or_another() {
        let stop = CancellationToken::new();
        let returned = supervise(async { 1 }, Duration::ZERO, &stop).await;
        assert!(matches!(returned, Ended::Returned(1)));
        let panicked = supervise(async { panic!("meant to") }, LONG, &stop).await;
        assert!(matches!(panicked, Ended::<()>::Panicked));
        let timed_out = supervise(std::future::pending(), Duration::from_millis(1), &stop).await;
        assert!(matches!(timed_out, Ended::<()>::TimedOut));
        stop.cancel();
        let stopped = supervise(std::future::pending(), LONG, &stop).await;
        assert!(matches!(stopped, Ended::<()>::Stopped));
    }
}
