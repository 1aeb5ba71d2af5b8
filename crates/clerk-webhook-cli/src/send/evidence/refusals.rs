//! Refusals: what the body of a 4xx response blames.

use super::body::has;
use super::finding::{Evidence, Kind};

/// Reads a refusal from the beginning of its body.
pub(super) fn read(status: u16, text: &str) -> Evidence {
    let new = |finding, says: &'static str, advice: &'static str| {
        Evidence::new(Kind::Refusal, finding, says, advice)
    };
    if has(text, &["missing", "no svix", "required"]) && has(text, &["header", "svix"]) {
        new(
            "refused_headers",
            "the response blames missing headers",
            "check that no proxy removes svix-id, svix-timestamp, and svix-signature, and that the endpoint reads these names",
        )
    } else if has(text, &["signature", "svix", "hmac", "webhook secret", "timestamp"]) {
        new(
            "refused_signature",
            "the response blames the signature or its timestamp",
            "compare the secret and the clock with the endpoint's, and verify the raw body, before a parser changes it",
        )
    } else if has(text, &["event type", "unhandled", "not handled", "unknown type", "unsupported type"])
        || (text.contains("event") && has(text, &["unknown", "unsupported", "unrecognized"]))
    {
        new(
            "refused_type",
            "the response blames the event type, and not the signature",
            "acknowledge event types that nobody handles with 2xx; otherwise Svix retries them for 28 hours",
        )
    } else if matches!(status, 401 | 403) {
        new(
            "refused_unexplained",
            "the endpoint rejects the request, or authentication in front of it does",
            "run `clerk-webhook doctor URL --send` to find out which. Exempt this path from authentication, because the \
             signature is the authentication, and compare the secret with the endpoint's",
        )
    } else {
        new(
            "refused_unexplained",
            "the endpoint rejects the request, and the response does not say why",
            "see the endpoint's log, and compare the secret. `clerk-webhook doctor URL --send` shows whether the endpoint \
             rejects the signature or something else",
        )
    }
}
