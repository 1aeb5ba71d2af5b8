//! What a connection may take: one of so many slots, bytes, and time.

use std::time::Duration;

use clerk_webhook_core::Verifier;

/// How many connections there are at once: each may hold a body of the largest size.
pub(super) const MAX_CONNECTIONS: usize = 128;

/// How many connections of the page there are besides.
pub(super) const MAX_PAGE_CONNECTIONS: usize = 64;

/// How large the headers of a request may be.
pub(super) const MAX_HEADER_BYTES: usize = 64 * 1024;

/// How long headers may take, and how long a connection may wait for its next request.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a body may take.
pub(crate) const BODY_TIMEOUT: Duration = Verifier::DEFAULT_READ_TIMEOUT;

/// How long an answer may wait for the other end to take some of it.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection takes requests; a page connects anew by itself.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);

/// How long the last request of a connection may take: longer than any answer waits.
pub(super) const LAST_REQUEST: Duration = Duration::from_secs(60);
