//! Shared code of the programs that the tests kill: their work, and the record that they write.
//!
//! This is a separate package, because Cargo builds the `receiver` program only for integration tests in the
//! same package.

pub mod record;
pub mod work;

use std::env;
use std::future::Future;
use std::str::FromStr;

/// Returns a future that waits for SIGTERM. A signal after this call counts, even before the first poll.
///
/// # Panics
///
/// Panics if the system does not let the process handle the signal.
#[cfg(unix)]
pub fn termination() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("could not listen for SIGTERM");
    async move {
        terminate.recv().await;
    }
}

#[cfg(not(unix))]
pub fn termination() -> impl Future<Output = ()> {
    std::future::pending()
}

/// Returns the value of a variable, if it is set.
///
/// # Panics
///
/// Panics if the value is invalid.
pub fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is invalid")))
}
