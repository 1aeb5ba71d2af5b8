//! Test vectors that were made and checked with libraries in other languages.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clerk_webhook_core::{SecretError, SigningSecret, Timestamp};
use serde::Deserialize;

use crate::folder;

/// A delivery, the clock and the signing secret of its receiver, and the expected verdict.
#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    /// The name, in `snake_case`.
    pub name: String,
    /// The topic.
    pub group: String,
    secret: String,
    secret_kind: Option<String>,
    headers: Vec<(String, String)>,
    body_base64: Option<String>,
    body_repeat: Option<Repeat>,
    now_unix: i64,
    now_subsec_ms: Option<i64>,
    /// The expected verdict about the signature.
    pub expect: String,
    /// The expected verdict about the event, if the vector has one.
    pub expect_event: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Repeat {
    byte: serde_json::Value,
    count: usize,
}

impl Vector {
    /// Returns the signing secret of the receiver.
    ///
    /// # Errors
    ///
    /// Returns an error if the secret is invalid. Many vectors have an invalid secret.
    pub fn secret(&self) -> Result<SigningSecret, SecretError> {
        match self.secret_kind.as_deref() {
            Some("raw") => SigningSecret::from_bytes(&latin1(&self.secret)),
            _ => SigningSecret::parse(&self.secret),
        }
    }

    /// Returns the time on the receiver's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_unix * 1000 + self.now_subsec_ms.unwrap_or_default())
    }

    /// Returns the header names and values in order, including repetitions.
    #[must_use]
    pub fn headers(&self) -> Vec<(&str, Vec<u8>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), latin1(value))).collect()
    }

    /// Returns the body.
    ///
    /// # Panics
    ///
    /// Panics if the vector has no body.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match (&self.body_base64, &self.body_repeat) {
            (Some(encoded), _) => STANDARD.decode(encoded).expect("the body is in base64").into(),
            (None, Some(Repeat { byte, count })) => {
                let byte = match byte {
                    serde_json::Value::String(text) => latin1(text).first().copied(),
                    number => number.as_u64().and_then(|number| u8::try_from(number).ok()),
                };
                vec![byte.expect("the repeated value is a byte"); *count].into()
            }
            (None, None) => panic!("{} has no body", self.name),
        }
    }
}

/// Returns the repository's vectors.
#[must_use]
pub fn own_vectors() -> Vec<Vector> {
    vectors_in(&folder("vectors/own.json"))
}

/// Returns the vectors in a file.
///
/// # Panics
///
/// Panics if the file does not exist or contains no vectors.
#[must_use]
pub fn vectors_in(path: &Path) -> Vec<Vector> {
    let json = fs::read(path).expect("the file exists");
    serde_json::from_slice(&json).expect("the file contains vectors")
}

/// Returns the valid signing secrets of the repository's vectors, each of them once.
#[must_use]
pub fn own_secrets() -> Vec<SigningSecret> {
    let mut vectors = own_vectors();
    vectors.sort_by(|one, other| one.secret.cmp(&other.secret));
    vectors.dedup_by(|one, other| one.secret == other.secret);
    vectors.iter().filter_map(|vector| vector.secret().ok()).collect()
}

/// Encodes a text as bytes: one character of a vector is one byte on the wire.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).expect("the character is one byte"))
        .collect()
}
