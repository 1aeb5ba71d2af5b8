//! The limits on connections: number, bytes, and time.

use std::time::Duration;

use clerk_webhook_core::Verifier;

/// The maximum size of a request's headers.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The timeout for reading a body.
pub(crate) const BODY_TIMEOUT: Duration = Verifier::DEFAULT_READ_TIMEOUT;

/// How long a write may wait while the peer reads nothing.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection accepts requests. After this time, the client reconnects automatically.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);

/// The timeout for the last request of a connection: longer than any response takes.
pub(super) const LAST_REQUEST: Duration = Duration::from_secs(60);

/// The limits that differ between the servers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The number of simultaneous connections. Each may buffer a body of the maximum size.
    pub(crate) connections: usize,
    /// The number of additional connections for the page.
    pub(crate) page_connections: usize,
    /// The timeout for the headers of a request, and for an idle connection.
    pub(crate) header_timeout: Duration,
}

impl Limits {
    /// The limits of `listen` and `api`, which serve one developer.
    pub(crate) const LOCAL: Self =
        Self { connections: 128, page_connections: 64, header_timeout: Duration::from_secs(15) };

    /// The limits of each listener of `serve`.
    #[cfg(feature = "serve")]
    pub(crate) const SERVE: Self =
        Self { connections: 512, page_connections: 0, header_timeout: Duration::from_secs(10) };
}
