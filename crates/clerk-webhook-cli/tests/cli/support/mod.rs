//! What the modules share.

pub(crate) mod captured;
pub(crate) mod endpoint;
pub(crate) mod folder;
pub(crate) mod listener;
pub(crate) mod process;
pub(crate) mod scenario;
pub(crate) mod server;

use std::time::Duration;

/// How long a test waits for something before it fails: far longer than it takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
