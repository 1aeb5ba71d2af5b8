//! The limits on connections: number, bytes, and time.

use std::time::Duration;

use clerk_webhook_core::Verifier;

/// The number of simultaneous connections. Each may buffer a body of the maximum size.
pub(super) const MAX_CONNECTIONS: usize = 128;

/// The number of additional connections for the page.
pub(super) const MAX_PAGE_CONNECTIONS: usize = 64;

/// The maximum size of a request's headers.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The timeout for the headers of a request, and for an idle connection.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// The timeout for reading a body.
pub(crate) const BODY_TIMEOUT: Duration = Verifier::DEFAULT_READ_TIMEOUT;

/// How long a write may wait while the peer reads nothing.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection accepts requests. After this time, the page reconnects automatically.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);

/// The timeout for the last request of a connection: longer than any response takes.
pub(super) const LAST_REQUEST: Duration = Duration::from_secs(60);
