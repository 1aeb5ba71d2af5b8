//! Recognizes requests that came through a proxy.

use http::HeaderMap;

/// Headers that a proxy or a tunnel adds, even if it rewrites the host.
const HEADERS: [&str; 7] = [
    "cf-connecting-ip",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
];

/// Returns whether a proxy or a tunnel passed the request on.
pub(crate) fn is_proxied(headers: &HeaderMap) -> bool {
    HEADERS.iter().any(|name| headers.contains_key(*name))
}
