//! The test vectors, unchanged with each vector's clock, and signed again with the current time.

use std::str;

use clerk_webhook_core::{MessageId, Outcome, Timestamp, Verifier};
use clerk_webhook_tests::vectors::{Vector, vectors};
use serde_json::Value;

use super::super::case::Case;
use super::super::stacks::Setup;
use super::super::wire_request::WireRequest;

/// The kind of the vectors with a header that contains a byte outside ASCII.
const NOT_UTF8: &str = "a signature header that is not UTF-8";

pub fn cases() -> Vec<Case> {
    // Without a valid secret, no receiver can be built. All receivers of the tests have the default tolerance.
    let is_possible = |vector: &Vector| {
        vector.reason.as_deref() != Some("invalid_secret")
            && vector.tolerance == Verifier::DEFAULT_TOLERANCE.as_secs()
    };
    let vectors: Vec<_> = vectors().into_iter().filter(is_possible).collect();
    let mut cases: Vec<_> = vectors.iter().map(recorded).collect();
    // With a different timestamp, vectors about the timestamp would test something else.
    let timeless = |vector: &&Vector| {
        vector.reason.is_none() && !["tolerance", "whole-seconds"].contains(&&*vector.rule)
    };
    cases.extend(vectors.iter().filter(timeless).map(signed_again));
    cases
}

fn recorded(vector: &Vector) -> Case {
    let case = Case::new(Setup::SetClock, &vector.name).clock(vector.now());
    let is_text = vector.headers().iter().all(|(_, value)| str::from_utf8(value).is_ok());
    let case = if is_text { case } else { case.kind(NOT_UTF8) };
    judged(case, vector, &delivery(vector, |_, value| value))
}

/// Replaces the timestamp and the signatures, and leaves the rest of the vector unchanged.
fn signed_again(vector: &Vector) -> Case {
    let secrets = vector.secrets().unwrap();
    let id: MessageId = delivery(vector, |_, value| value).message_id().parse().unwrap();
    let body = vector.body();
    let signatures = |timestamp: Timestamp| {
        secrets
            .iter()
            .map(|secret| secret.sign(&id, timestamp, &body).to_pairs()[2].1.clone())
            .collect::<Vec<_>>()
    };
    let (then, now) = (vector.now(), Timestamp::now());
    let renewed: Vec<_> = signatures(then).into_iter().zip(signatures(now)).collect();
    let delivery = delivery(vector, |name, value| {
        let Ok(text) = str::from_utf8(&value) else { return value };
        let text = if name.to_ascii_lowercase().ends_with("-timestamp") {
            text.replace(&then.as_secs().to_string(), &now.as_secs().to_string())
        } else {
            renewed.iter().fold(text.to_owned(), |text, (old, new)| text.replace(&**old, new))
        };
        text.into_bytes()
    });
    judged(Case::new(Setup::AllSecrets, format!("{}, signed again", vector.name)), vector, &delivery)
}

fn delivery(vector: &Vector, value: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> WireRequest {
    let headers = vector.headers().into_iter();
    headers.fold(WireRequest::unsigned(vector.body()), |delivery, (name, bytes)| {
        delivery.header(name, value(name, bytes))
    })
}

/// Expects the vector's verdict. An authentic delivery is an event if its body is a JSON object whose type is a string.
fn judged(case: Case, vector: &Vector, delivery: &WireRequest) -> Case {
    let is_event =
        || serde_json::from_slice::<Value>(&vector.body()).is_ok_and(|event| event["type"].is_string());
    let outcome = match vector.reason.as_deref() {
        None if is_event() => return case.accepts(delivery),
        None => Outcome::NotAnEvent,
        Some("missing_header") => Outcome::MissingHeader,
        Some("duplicate_header" | "invalid_header" | "invalid_timestamp") => Outcome::Malformed,
        Some("timestamp_too_old" | "timestamp_too_new") => Outcome::ExpiredTimestamp,
        Some("no_matching_signature") => Outcome::InvalidSignature,
        Some(reason) => panic!("{} has an unknown reason: {reason}", vector.name),
    };
    case.rejects(delivery, outcome)
}
