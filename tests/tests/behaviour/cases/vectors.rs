//! The test vectors, unchanged with each vector's clock, and signed again with the current time.

use clerk_webhook_core::{MessageId, Outcome, Timestamp};
use clerk_webhook_tests::vectors::{Vector, own_vectors};

use super::super::case::Case;
use super::super::stacks::Setup;
use super::super::wire_request::WireRequest;

/// The number of vectors with an invalid secret. No receiver can be built with it, so nothing can be sent.
/// All other vectors can be sent, because their headers contain no control character except the tab.
const WITHOUT_RECEIVER: usize = 11;

/// The kind of the vectors with a signature header that contains a byte outside ASCII.
const NOT_UTF8: &str = "a signature header that is not UTF-8";

pub fn cases() -> Vec<Case> {
    let vectors = own_vectors();
    let (without, vectors): (Vec<_>, Vec<_>) =
        vectors.into_iter().partition(|vector| vector.expect == "invalid_secret");
    assert_eq!(without.len(), WITHOUT_RECEIVER);
    let mut cases: Vec<_> = vectors.iter().map(recorded).collect();
    // With a different timestamp, vectors about the timestamp would test something else.
    let timeless = |vector: &&Vector| vector.expect == "ok" && vector.group != "timestamp";
    cases.extend(vectors.iter().filter(timeless).map(signed_again));
    cases
}

fn recorded(vector: &Vector) -> Case {
    let case = Case::new(Setup::SetClock, &vector.name).clock(vector.now());
    let case = if vector.name.contains("non_ascii") { case.kind(NOT_UTF8) } else { case };
    judged(case, vector, &delivery(vector, |_, value| value))
}

/// Replaces the timestamp and the signature, and leaves the rest of the vector unchanged.
fn signed_again(vector: &Vector) -> Case {
    let secret = vector.secret().unwrap();
    let id: MessageId = delivery(vector, |_, value| value).message_id().parse().unwrap();
    let body = vector.body();
    let signature = |timestamp: Timestamp| {
        let [_, _, (_, signature)] = secret.sign(&id, timestamp, &body).to_pairs();
        signature
    };
    let (then, now) = (vector.now(), Timestamp::now());
    let delivery = delivery(vector, |name, value| {
        let Ok(text) = std::str::from_utf8(&value) else { return value };
        let text = if name.to_ascii_lowercase().ends_with("-timestamp") {
            text.replace(&then.as_secs().to_string(), &now.as_secs().to_string())
        } else {
            text.replace(&signature(then), &signature(now))
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

/// Expects the vector's verdict. Without a verdict about the event, the body must be an event.
fn judged(case: Case, vector: &Vector, delivery: &WireRequest) -> Case {
    let outcome = match (vector.expect.as_str(), vector.expect_event.as_deref()) {
        ("ok", None | Some("ok")) => return case.accepts(delivery),
        ("ok", Some("invalid_json" | "invalid_event")) => Outcome::NotAnEvent,
        ("missing_header", _) => Outcome::MissingHeader,
        ("duplicate_header" | "invalid_header" | "invalid_timestamp", _) => Outcome::Malformed,
        ("timestamp_too_old" | "timestamp_too_new", _) => Outcome::ExpiredTimestamp,
        ("no_matching_signature", _) => Outcome::InvalidSignature,
        (verdict, _) => panic!("{} has an unknown verdict: {verdict}", vector.name),
    };
    case.rejects(delivery, outcome)
}
