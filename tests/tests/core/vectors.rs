//! Verdicts over the test vectors, which were made and checked with the libraries of other languages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clerk_webhook_core::event::EventErrorKind;
use clerk_webhook_core::{
    ReceiveErrorKind, SecretError, SigningSecret, Timestamp, Verifier, VerifyErrorKind,
};
use clerk_webhook_tests::{beside_checkout, folder};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    secret_kind: Option<String>,
    headers: Vec<(String, String)>,
    body_base64: Option<String>,
    body_repeat: Option<Repeat>,
    now_unix: i64,
    now_subsec_ms: Option<i64>,
    expect: String,
    expect_event: Option<String>,
}

#[derive(Deserialize)]
struct Repeat {
    byte: serde_json::Value,
    count: usize,
}

impl Vector {
    fn verifier(&self) -> Result<Verifier, SecretError> {
        let secret = match self.secret_kind.as_deref() {
            Some("raw") => SigningSecret::from_bytes(&latin1(&self.secret))?,
            _ => SigningSecret::parse(&self.secret)?,
        };
        let now = Timestamp::from_millis(self.now_unix * 1000 + self.now_subsec_ms.unwrap_or_default());
        Verifier::builder().secret(secret).clock(move || now).build()
    }

    fn headers(&self) -> Vec<(&str, Vec<u8>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), latin1(value))).collect()
    }

    fn body(&self) -> Bytes {
        match (&self.body_base64, &self.body_repeat) {
            (Some(encoded), _) => STANDARD.decode(encoded).unwrap().into(),
            (None, Some(Repeat { byte, count })) => {
                let byte = match byte {
                    serde_json::Value::String(text) => latin1(text)[0],
                    number => u8::try_from(number.as_u64().unwrap()).unwrap(),
                };
                vec![byte; *count].into()
            }
            (None, None) => panic!("{} has no body", self.name),
        }
    }
}

/// One character of a vector is one byte on the wire.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect()
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
        _ => "a new kind",
    }
}

/// Gives the vector to everything that verifies, and returns the verdict that all of it agrees on.
fn verdict(vector: &Vector) -> &'static str {
    let Ok(verifier) = vector.verifier() else { return "invalid_secret" };
    let (headers, body) = (vector.headers(), vector.body());
    let verdict = match verifier.verify(&headers, &body) {
        Ok(verified) => {
            assert_eq!(verified.secret_index(), 0, "{}", vector.name);
            "ok"
        }
        Err(error) => word(error.kind()),
    };

    let streamed = verifier.begin(&headers).and_then(|mut verification| {
        body.chunks(7).for_each(|frame| verification.update(frame));
        verification.finish()
    });
    assert_eq!(streamed.map_or_else(|error| word(error.kind()), |_| "ok"), verdict, "{}", vector.name);

    // Values with a line break and the like cannot be in a `HeaderMap`.
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
    let verifier = vector.verifier().unwrap();
    match verifier.receive(&vector.headers(), vector.body()).map_err(|error| error.kind()) {
        Ok(_) => "ok",
        Err(ReceiveErrorKind::Event(EventErrorKind::InvalidJson)) => "invalid_json",
        Err(ReceiveErrorKind::Event(EventErrorKind::InvalidEvent)) => "invalid_event",
        Err(_) => "something else",
    }
}

fn run(json: &[u8]) -> usize {
    let vectors: Vec<Vector> = serde_json::from_slice(json).unwrap();
    for vector in &vectors {
        assert_eq!(verdict(vector), vector.expect, "{}", vector.name);
        if let Some(expected) = &vector.expect_event {
            assert_eq!(event_verdict(vector), expected, "{}", vector.name);
        }
    }
    vectors.len()
}

#[test]
fn own_vectors_agree() {
    let json = std::fs::read(folder("vectors/own.json")).unwrap();
    assert_eq!(run(&json), 114);
}

#[test]
fn vectors_of_the_peers_agree() {
    if let Some(path) = beside_checkout("vectors/peers.json", "comparing with the vectors of the peers") {
        assert_eq!(run(&std::fs::read(path).unwrap()), 53);
    }
}
