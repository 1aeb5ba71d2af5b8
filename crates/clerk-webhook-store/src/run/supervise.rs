//! Runs a handler so that it ends, one way or another.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::unconstrained;
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
///
/// It is pinned by the caller, as with the others here: an `async fn` has room for an argument twice, so a future that were
/// handed from one to the next would be copied again and again, and double its size each time.
pub(crate) async fn supervise<T>(
    handler: Pin<&mut impl Future<Output = T>>,
    handler_timeout: Duration,
    stop: &CancellationToken,
) -> Ended<T> {
    if stop.is_cancelled() {
        return Ended::Stopped;
    }
    let began = Instant::now();
    let mut handler = pin!(catch_panic(handler));
    if let Some(returned) = at_once(handler.as_mut()).await {
        return returned.map_or(Ended::Panicked, Ended::Returned);
    }
    let left = handler_timeout.saturating_sub(began.elapsed());
    let (stopped, late) = (pin!(stop.cancelled()), pin!(tokio::time::sleep(left)));
    // A handler that always has something to do uses up what Tokio grants a task, and a timer would then never be looked at.
    let cut_off = pin!(unconstrained(first(stopped, late)));
    match first(handler, cut_off).await {
        First::One(returned) => returned.map_or(Ended::Panicked, Ended::Returned),
        First::Other(First::One(())) => Ended::Stopped,
        First::Other(First::Other(())) => Ended::TimedOut,
    }
}

/// Polls a future once: what is ready at once needs no timer.
pub(crate) fn at_once<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
}

/// The output of the one of two futures that was ready first.
pub(crate) enum First<A, B> {
    One(A),
    Other(B),
}

/// Waits for one of two futures; where both are ready, it is the first, and the other one is not polled.
pub(crate) fn first<A: Future, B: Future>(
    mut one: Pin<&mut A>,
    mut other: Pin<&mut B>,
) -> impl Future<Output = First<A::Output, B::Output>> {
    poll_fn(move |cx| match one.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(First::One(output)),
        Poll::Pending => other.as_mut().poll(cx).map(First::Other),
    })
}

fn catch_panic<T>(
    mut future: Pin<&mut impl Future<Output = T>>,
) -> impl Future<Output = Result<T, Box<dyn Any + Send>>> {
    poll_fn(move |cx| {
        // After a panic the future is dropped and never polled again, so nobody sees what it has left half done.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_handler_ends_one_way_or_another() {
        let stop = CancellationToken::new();
        let returned = supervise(pin!(async { 1 }), Duration::ZERO, &stop).await;
        assert!(matches!(returned, Ended::Returned(1)));
        let panicked = supervise(pin!(async { panic!("meant to") }), LONG, &stop).await;
        assert!(matches!(panicked, Ended::<()>::Panicked));
        let timed_out = supervise(pin!(std::future::pending()), Duration::from_millis(1), &stop).await;
        assert!(matches!(timed_out, Ended::<()>::TimedOut));
        // It never waits, and so never lets go by itself.
        let busy = pin!(async {
            loop {
                tokio::task::consume_budget().await;
            }
        });
        let timed_out = supervise(busy, Duration::from_millis(1), &stop).await;
        assert!(matches!(timed_out, Ended::<()>::TimedOut));
        stop.cancel();
        let begun = pin!(async { panic!("is not begun any more") });
        assert!(matches!(supervise(begun, LONG, &stop).await, Ended::<()>::Stopped));
        let stopped = supervise(pin!(std::future::pending()), LONG, &stop).await;
        assert!(matches!(stopped, Ended::<()>::Stopped));
    }
}
