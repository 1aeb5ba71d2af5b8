//! The vectors, byte for byte with the clock that they were made for, and signed anew for the clock of the system.

use clerk_webhook_core::{MessageId, Outcome, Timestamp};
use clerk_webhook_tests::vectors::{Vector, own_vectors};

use super::super::case::Case;
use super::super::stacks::Setup;
use super::super::wire_request::WireRequest;

/// How many vectors are about a secret that no receiver can be built with, so that nothing can be sent to it. All
/// others can be on the wire: none of them has a control character but the tabulator in a header.
const WITHOUT_RECEIVER: usize = 11;

pub fn cases() -> Vec<Case> {
    let vectors = own_vectors();
    let (without, vectors): (Vec<_>, Vec<_>) =
        vectors.into_iter().partition(|vector| vector.expect == "invalid_secret");
    assert_eq!(without.len(), WITHOUT_RECEIVER);
    let mut cases: Vec<_> = vectors.iter().map(recorded).collect();
    // The others are about the time, and another one than theirs makes another case of them.
    let timeless = |vector: &&Vector| vector.expect == "ok" && vector.group != "timestamp";
    cases.extend(vectors.iter().filter(timeless).map(signed_anew));
    cases
}

fn recorded(vector: &Vector) -> Case {
    let case = Case::new(Setup::SetClock, &vector.name).clock(vector.now());
    judged(case, vector, &delivery(vector, |_, value| value))
}

/// Replaces timestamp and signature where they are, and leaves everything else as the vector has it.
fn signed_anew(vector: &Vector) -> Case {
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
    judged(Case::new(Setup::AllSecrets, format!("{}, signed anew", vector.name)), vector, &delivery)
}

fn delivery(vector: &Vector, value: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> WireRequest {
    let headers = vector.headers().into_iter();
    headers.fold(WireRequest::unsigned(vector.body()), |delivery, (name, bytes)| {
        delivery.header(name, value(name, bytes))
    })
}

/// Expects what the vector says. One without a verdict about the event is one, if only of an unknown type.
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
    case.refuses(delivery, outcome)
}
