//! The clocks of the platform. `wasm32-unknown-unknown` has none: the standard library panics if it is asked
//! for the time there.

#[cfg(any(feature = "metrics", feature = "tracing"))]
use std::time::{Instant, SystemTime};

/// Whether the platform has clocks.
pub(crate) const EXISTS: bool = !cfg!(all(target_family = "wasm", target_os = "unknown"));

/// Returns the time of the system clock.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) fn system() -> Option<SystemTime> {
    EXISTS.then(SystemTime::now)
}

/// Returns the time of the monotonic clock.
#[cfg(any(feature = "metrics", feature = "tracing"))]
pub(crate) fn monotonic() -> Option<Instant> {
    EXISTS.then(Instant::now)
}
