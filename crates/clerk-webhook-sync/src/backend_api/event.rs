//! What an application can observe of the requests.

use std::time::Duration;

/// An event of a [`BackendApi`](crate::BackendApi), for logs, metrics and progress reports.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiEvent {
    /// Clerk answered a request.
    #[non_exhaustive]
    Answered {
        /// The path without ids, such as `/users/{user_id}`.
        endpoint: &'static str,
        /// The status of the response.
        status: u16,
        /// The time from the request to the end of the response.
        elapsed: Duration,
    },
    /// The client waits before its next request.
    #[non_exhaustive]
    Waiting {
        /// How long the client waits.
        delay: Duration,
        /// Why the client waits.
        reason: WaitReason,
    },
}

/// Why a [`BackendApi`](crate::BackendApi) waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitReason {
    /// The client stays within its share of Clerk's rate limit.
    Share,
    /// Clerk rejected a request because of its rate limit (429).
    RateLimit,
    /// Clerk answered with this status. The client retries the request.
    Status(u16),
    /// Clerk did not answer, or only with a part of the response. The client retries the request.
    NoResponse,
}
