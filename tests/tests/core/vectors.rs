//! The verdicts about the test vectors.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::event::EventErrorKind;
use clerk_webhook_core::{ReceiveErrorKind, Verifier, VerifyErrorKind};
use clerk_webhook_tests::beside_checkout;
use clerk_webhook_tests::vectors::{Vector, read, vectors};
use serde::Deserialize;
use serde_json::Value;

fn word(kind: VerifyErrorKind) -> &'static str {
    match kind {
        VerifyErrorKind::MissingHeader => "missing_header",
        VerifyErrorKind::DuplicateHeader => "duplicate_header",
        VerifyErrorKind::InvalidHeader => "invalid_header",
        VerifyErrorKind::InvalidTimestamp => "invalid_timestamp",
        VerifyErrorKind::TimestampTooOld => "timestamp_too_old",
        VerifyErrorKind::TimestampTooNew => "timestamp_too_new",
        VerifyErrorKind::NoMatchingSignature => "no_matching_signature",
        _ => "unknown",
    }
}

/// Verifies the vector with every API, checks that all verdicts are equal, and returns the reason for a rejection.
fn reason(vector: &Vector) -> Option<&'static str> {
    let Ok(verifier) = vector.verifier() else { return Some("invalid_secret") };
    let (headers, body) = (vector.headers(), vector.body());
    let verified = verifier.verify(&headers, &body);
    if let Ok(verified) = &verified {
        // The secret at this index verifies the delivery without the others.
        let secrets = vec![vector.secrets[verified.secret_index()].clone()];
        let alone = Vector { secrets, ..vector.clone() };
        assert!(alone.verifier().unwrap().verify(&headers, &body).is_ok(), "{}", vector.name);
    }
    let reason = verified.err().map(|error| word(error.kind()));

    let streamed = verifier.begin_verify(&headers).and_then(|mut verification| {
        body.chunks(7).for_each(|frame| verification.update(frame));
        verification.finish()
    });
    assert_eq!(streamed.err().map(|error| word(error.kind())), reason, "{}", vector.name);

    let map: http::HeaderMap = headers
        .iter()
        .map(|(name, value)| {
            (name.parse::<http::HeaderName>().unwrap(), http::HeaderValue::from_bytes(value).unwrap())
        })
        .collect();
    let mapped = verifier.verify(&map, &body);
    assert_eq!(mapped.err().map(|error| word(error.kind())), reason, "{}", vector.name);
    reason
}

/// Checks that an authentic body is an event exactly if it is an object whose type is a string.
fn receive(vector: &Vector, verifier: &Verifier) {
    let expected = match serde_json::from_slice::<Value>(&vector.body()) {
        Err(_) => Some(ReceiveErrorKind::Event(EventErrorKind::InvalidJson)),
        Ok(Value::Object(event)) if event.get("type").is_some_and(Value::is_string) => None,
        Ok(_) => Some(ReceiveErrorKind::Event(EventErrorKind::InvalidEvent)),
    };
    let received = verifier.receive(&vector.headers(), vector.body());
    assert_eq!(received.err().map(|error| error.kind()), expected, "{}", vector.name);
}

fn run(vectors: &[Vector]) {
    for vector in vectors {
        assert_eq!(reason(vector), vector.reason.as_deref(), "{}", vector.name);
        if vector.reason.is_none() {
            receive(vector, &vector.verifier().unwrap());
        }
    }
}

#[test]
fn vectors_have_the_expected_verdicts() {
    run(&vectors());
}

/// A vector from the test suite of another library.
#[derive(Deserialize)]
struct PeerVector {
    name: String,
    group: String,
    secret: String,
    headers: Vec<(String, String)>,
    body_base64: Option<String>,
    body_repeat: Option<Repeat>,
    now_unix: i64,
    expect: String,
}

#[derive(Deserialize)]
struct Repeat {
    byte: String,
    count: usize,
}

impl From<PeerVector> for Vector {
    fn from(peer: PeerVector) -> Self {
        let repeated = |Repeat { byte, count }| STANDARD.encode(byte.repeat(count));
        Self {
            name: peer.name,
            rule: peer.group,
            secrets: vec![peer.secret],
            now: peer.now_unix,
            now_milliseconds: 0,
            tolerance: 300,
            headers: peer.headers,
            body_base64: peer.body_base64.or(peer.body_repeat.map(repeated)).unwrap(),
            reason: Some(peer.expect).filter(|expected| expected != "ok"),
        }
    }
}

fn peer_vectors(path: &Path) -> Vec<Vector> {
    read::<Vec<PeerVector>>(path).into_iter().map(Vector::from).collect()
}

#[test]
fn peer_vectors_have_the_expected_verdicts() {
    if let Some(path) = beside_checkout("vectors/peers.json", "comparing with the peers' vectors") {
        run(&peer_vectors(&path));
    }
}
