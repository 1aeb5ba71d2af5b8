//! Helpers that several modules share.

pub(crate) mod api;
pub(crate) mod captured;
#[cfg(feature = "sync")]
pub(crate) mod clerk;
pub(crate) mod endpoint;
pub(crate) mod folder;
pub(crate) mod listener;
pub(crate) mod process;
pub(crate) mod scenario;
pub(crate) mod server;

use std::time::Duration;

/// The time limit for every wait in a test. It is far longer than any wait takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
