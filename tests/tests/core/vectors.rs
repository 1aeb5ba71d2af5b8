//! The verdicts about the test vectors, which were made and checked with libraries in other languages.

use clerk_webhook_core::event::EventErrorKind;
use clerk_webhook_core::{ReceiveErrorKind, SecretError, Verifier, VerifyErrorKind};
use clerk_webhook_tests::beside_checkout;
use clerk_webhook_tests::vectors::{Vector, own_vectors, vectors_in};

fn verifier(vector: &Vector) -> Result<Verifier, SecretError> {
    let now = vector.now();
    Verifier::builder().secret(vector.secret()?).clock(move || now).build()
}

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

/// Verifies the vector with every API, checks that all verdicts are equal, and returns the verdict.
fn verdict(vector: &Vector) -> &'static str {
    let Ok(verifier) = verifier(vector) else { return "invalid_secret" };
    let (headers, body) = (vector.headers(), vector.body());
    let verdict = match verifier.verify(&headers, &body) {
        Ok(verified) => {
            assert_eq!(verified.secret_index(), 0, "{}", vector.name);
            "ok"
        }
        Err(error) => word(error.kind()),
    };

    let streamed = verifier.begin_verify(&headers).and_then(|mut verification| {
        body.chunks(7).for_each(|frame| verification.update(frame));
        verification.finish()
    });
    assert_eq!(streamed.map_or_else(|error| word(error.kind()), |_| "ok"), verdict, "{}", vector.name);

    // A `HeaderMap` cannot contain values with control characters.
    let map: Option<http::HeaderMap> = headers
        .iter()
        .map(|(name, value)| {
            Some((name.parse::<http::HeaderName>().ok()?, http::HeaderValue::from_bytes(value).ok()?))
        })
        .collect();
    if let Some(map) = map {
        let mapped = verifier.verify(&map, &body);
        assert_eq!(mapped.map_or_else(|error| word(error.kind()), |_| "ok"), verdict, "{}", vector.name);
    }
    verdict
}

fn event_verdict(vector: &Vector) -> &'static str {
    match verifier(vector).unwrap().receive(&vector.headers(), vector.body()).map_err(|error| error.kind()) {
        Ok(_) => "ok",
        Err(ReceiveErrorKind::Event(EventErrorKind::InvalidJson)) => "invalid_json",
        Err(ReceiveErrorKind::Event(EventErrorKind::InvalidEvent)) => "invalid_event",
        Err(_) => "something else",
    }
}

fn run(vectors: &[Vector]) -> usize {
    for vector in vectors {
        assert_eq!(verdict(vector), vector.expect, "{}", vector.name);
        if let Some(expected) = &vector.expect_event {
            assert_eq!(event_verdict(vector), expected, "{}", vector.name);
        }
    }
    vectors.len()
}

#[test]
fn own_vectors_have_the_expected_verdicts() {
    assert_eq!(run(&own_vectors()), 114);
}

#[test]
fn peer_vectors_have_the_expected_verdicts() {
    if let Some(path) = beside_checkout("vectors/peers.json", "comparing with the peers' vectors") {
        assert_eq!(run(&vectors_in(&path)), 53);
    }
}
