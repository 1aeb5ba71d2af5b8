//! The time at which a lease expires.

use std::future::{Future, poll_fn};
use std::pin::Pin;
#[cfg(feature = "conformance")]
use std::sync::OnceLock;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Replaces the wall clock in a simulation, whose virtual time must not depend on the machine.
#[cfg(feature = "conformance")]
pub static WALL_CLOCK: OnceLock<fn() -> SystemTime> = OnceLock::new();

/// Returns the time of the wall clock.
#[must_use]
pub fn wall_clock() -> SystemTime {
    #[cfg(feature = "conformance")]
    if let Some(clock) = WALL_CLOCK.get() {
        return clock();
    }
    SystemTime::now()
}

/// The earliest time at which a lease expires, measured on two clocks.
///
/// On Linux, the monotonic clock stops while the machine is suspended. The wall clock can be set back. So the
/// deadline is over as soon as one of the clocks has reached it. If the wall clock is set forward, a handler
/// is stopped too early, and the sender retries the delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) monotonic: Instant,
    wall: SystemTime,
}

impl Deadline {
    /// Returns the deadline of a lease that begins now.
    pub(crate) fn after(lease: Duration) -> Self {
        let now = wall_clock();
        Self { monotonic: Instant::now() + lease, wall: now.checked_add(lease).unwrap_or(now) }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over_at(Instant::now(), wall_clock())
    }

    fn is_over_at(&self, monotonic: Instant, wall: SystemTime) -> bool {
        monotonic >= self.monotonic || wall >= self.wall
    }
}

/// A deadline that one future moves while another future checks it.
pub(crate) struct MovingDeadline(Mutex<Deadline>);

impl MovingDeadline {
    pub(crate) fn new(deadline: Deadline) -> Self {
        Self(Mutex::new(deadline))
    }

    pub(crate) fn get(&self) -> Deadline {
        *self.lock()
    }

    pub(crate) fn set(&self, deadline: Deadline) {
        *self.lock() = deadline;
    }

    /// Returns the output of a future, or `None` if the deadline is over before the future is ready.
    ///
    /// Checks the deadline before each poll, because another process may own the delivery after this process
    /// or the machine has been paused.
    pub(crate) fn before<F: Future>(
        &self,
        mut future: Pin<&mut F>,
    ) -> impl Future<Output = Option<F::Output>> {
        poll_fn(move |cx| {
            if self.get().is_over() {
                return Poll::Ready(None);
            }
            future.as_mut().poll(cx).map(Some)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Deadline> {
        // No code panics while it holds this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(60);

    #[test]
    fn a_deadline_is_over_when_one_of_the_clocks_reaches_it() {
        let deadline = Deadline::after(LEASE);
        let (monotonic, wall) = (deadline.monotonic, deadline.wall);
        let before = Duration::from_millis(1);
        assert!(!deadline.is_over_at(monotonic - before, wall - before));
        assert!(deadline.is_over_at(monotonic, wall - LEASE * 60), "the wall clock was set back");
        assert!(deadline.is_over_at(monotonic - LEASE, wall), "the machine was suspended");
        assert!(!deadline.is_over());
    }
}
