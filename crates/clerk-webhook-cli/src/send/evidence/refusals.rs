//! Refusals: what the body of a response blames.

use clerk_webhook_core::Outcome;

use super::body::has;
use super::finding::{Evidence, Kind};

/// Messages of the libraries of Svix and Clerk. They have the same cause with every status.
pub(super) const OF_LIBRARIES: &[&str] = &[
    "no matching signature found",
    "missing required headers",
    "missing required webhook headers",
    "invalid signature headers",
    "message timestamp too",
    "unable to verify incoming webhook",
    "missing webhook signing secret",
    "from clerk dashboard to .env",
];

const SECRET: &[&str] = &["signing secret", "signing_secret", "webhook secret", "webhook_secret"];

/// Reads a refusal from a message in lower case.
pub(super) fn read(status: u16, message: &str) -> Evidence {
    named(message).unwrap_or_else(|| match status {
        401 | 403 => refusal(
            "refused_unexplained",
            "the endpoint rejects the request, or authentication in front of it does",
            "run `clerk-webhook doctor URL --send` to find out which. Exempt this path from authentication, because the \
             signature is the authentication, and compare the secret with the endpoint's",
        ),
        _ => refusal(
            "refused_unexplained",
            "the endpoint rejects the request, and the response does not say why",
            "see the endpoint's log, and compare the secret. `clerk-webhook doctor URL --send` shows whether the endpoint \
             rejects the signature or something else",
        ),
    })
}

/// Reads what a message in lower case blames.
pub(super) fn named(message: &str) -> Option<Evidence> {
    let about = |noun: &str, adjectives: &[&str]| {
        adjectives.iter().any(|word| has(message, &[&format!("{word} {noun}"), &format!("{noun} {word}")]))
    };
    let blames_header =
        message.contains("header") || (message.contains("svix") && !message.contains("secret"));
    // Frameworks also have a field `timestamp` in the JSON of their errors.
    let blames_timestamp =
        about("timestamp", &["invalid", "expired", "stale", "too", "is too", "outside", "is outside"]);
    let unknown = ["unknown", "unsupported", "unrecognized", "unhandled", "not handled"];
    let blames_type = message.contains("event type")
        || about("event", &unknown)
        || has(message, &["unknown type", "unsupported type"]);
    let is_missing =
        has(message, &["missing", "not set", "not configured", "please add"]) && !message.contains("invalid");
    Some(if has(message, SECRET) && is_missing {
        Evidence::new(
            Kind::Outcome(Outcome::Misconfigured),
            "misconfigured",
            "the response says that the endpoint has no signing secret",
            "set the endpoint's signing secret in the environment of the application, and restart the application",
        )
    } else if blames_header && has(message, &["missing", "no svix", "required", "invalid signature headers"])
    {
        refusal(
            "refused_headers",
            "the response blames missing or malformed headers",
            "check that no proxy removes svix-id, svix-timestamp, and svix-signature, and that the endpoint reads these names",
        )
    } else if blames_timestamp && !message.contains("signature") {
        refusal(
            "refused_signature",
            "the response blames the timestamp of the signature",
            "compare the endpoint's clock with this machine's clock",
        )
    } else if has(message, SECRET) || has(message, &["signature", "hmac", "verif"]) {
        refusal(
            "refused_signature",
            "the response blames the signature or its verification",
            "compare the secret and the clock with the endpoint's, and verify the raw body, before a parser changes it",
        )
    } else if blames_type {
        refusal(
            "refused_type",
            "the response blames the event type, and not the signature",
            "acknowledge event types that nobody handles with 2xx; otherwise Svix retries them for 28 hours",
        )
    } else {
        return None;
    })
}

fn refusal(finding: &'static str, says: &'static str, advice: &'static str) -> Evidence {
    Evidence::new(Kind::Refusal, finding, says, advice)
}
