//! Runs a handler, catches its panics, and stops it after its time limit.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use clerk_webhook_core::{Outcome, Stopped};
use tokio::task::unconstrained;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The error if a shutdown stops a handler or prevents its start.
const SHUTDOWN: &str = "the application is shutting down";

/// Returns an error after the application has asked to stop.
pub(super) fn check_running(stop: &CancellationToken) -> Result<(), Stopped> {
    if stop.is_cancelled() { Err(Stopped::new(Outcome::Failed, SHUTDOWN)) } else { Ok(()) }
}

/// Runs a handler until it returns, panics, exceeds its time limit, or the application asks it to stop.
///
/// The caller pins the handler: a future that takes another future by value reserves space for it twice.
pub(super) async fn supervise<T>(
    handler: Pin<&mut impl Future<Output = T>>,
    time_limit: Duration,
    stop: &CancellationToken,
) -> Result<T, Stopped> {
    check_running(stop)?;
    let began = Instant::now();
    let mut handler = pin!(catch_panic(handler));
    if let Some(returned) = poll_once(handler.as_mut()).await {
        return returned;
    }
    let left = time_limit.saturating_sub(began.elapsed());
    let (stopped, timeout) = (pin!(stop.cancelled()), pin!(tokio::time::sleep(left)));
    // The race is unconstrained, because a handler that never waits uses up the task's budget, and the timer
    // would never be polled.
    let cut_off = pin!(unconstrained(race(stopped, timeout)));
    match race(handler, cut_off).await {
        Winner::First(returned) => returned,
        Winner::Second(Winner::First(())) => Err(Stopped::new(Outcome::Failed, SHUTDOWN)),
        Winner::Second(Winner::Second(())) => Err(Stopped::new(
            Outcome::HandlerTimeout,
            "the handler did not finish within `handler_timeout`: move slow work into a job",
        )),
    }
}

/// Polls a future once, because a future that is ready needs no timer.
pub(super) fn poll_once<F: Future>(mut future: Pin<&mut F>) -> impl Future<Output = Option<F::Output>> {
    poll_fn(move |cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
}

/// The output of the future that was ready first.
pub(super) enum Winner<A, B> {
    First(A),
    Second(B),
}

/// Waits for one of two futures. If both are ready, the first one wins, and the second one is not polled.
pub(super) fn race<A: Future, B: Future>(
    mut first: Pin<&mut A>,
    mut second: Pin<&mut B>,
) -> impl Future<Output = Winner<A::Output, B::Output>> {
    poll_fn(move |cx| match first.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Winner::First(output)),
        Poll::Pending => second.as_mut().poll(cx).map(Winner::Second),
    })
}

fn catch_panic<T>(mut future: Pin<&mut impl Future<Output = T>>) -> impl Future<Output = Result<T, Stopped>> {
    poll_fn(move |cx| {
        // Unwind safe: after a panic, the future is never polled again.
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        let stopped = |_: Box<dyn Any + Send>| Stopped::new(Outcome::Failed, "the handler panicked");
        polled.map_or_else(|panic| Poll::Ready(Err(stopped(panic))), |poll| poll.map(Ok))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn why<T>(result: Result<T, Stopped>) -> (Outcome, String) {
        let stopped = result.err().unwrap();
        (stopped.answer().outcome(), stopped.error().unwrap().to_string())
    }

    #[tokio::test]
    async fn stops_a_handler_on_panic_timeout_and_shutdown() {
        let stop = CancellationToken::new();
        assert_eq!(supervise(pin!(async { 1 }), Duration::ZERO, &stop).await.ok(), Some(1));
        let panicked = why(supervise(pin!(async { panic!("intended") }), LONG, &stop).await);
        assert_eq!(panicked, (Outcome::Failed, "the handler panicked".to_owned()));
        let timeout = (
            Outcome::HandlerTimeout,
            "the handler did not finish within `handler_timeout`: move slow work into a job".to_owned(),
        );
        let pending = pin!(std::future::pending::<()>());
        assert_eq!(why(supervise(pending, Duration::from_millis(1), &stop).await), timeout);
        let busy = pin!(async {
            loop {
                tokio::task::consume_budget().await;
            }
        });
        assert_eq!(why::<()>(supervise(busy, Duration::from_millis(1), &stop).await), timeout);
        stop.cancel();
        let shutdown = (Outcome::Failed, SHUTDOWN.to_owned());
        let not_started = pin!(async { panic!("a handler started during the shutdown") });
        assert_eq!(why(supervise(not_started, LONG, &stop).await), shutdown);
        assert_eq!(why(supervise(pin!(std::future::pending::<()>()), LONG, &stop).await), shutdown);
    }
}
