//! Test vectors, which were made and checked with the libraries of other languages.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clerk_webhook_core::{SecretError, SigningSecret, Timestamp};
use serde::Deserialize;

use crate::folder;

/// A delivery, the clock and the secret of its receiver, and the verdict.
#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    /// What it is called, in `snake_case`.
    pub name: String,
    /// What it is about.
    pub group: String,
    secret: String,
    secret_kind: Option<String>,
    headers: Vec<(String, String)>,
    body_base64: Option<String>,
    body_repeat: Option<Repeat>,
    now_unix: i64,
    now_subsec_ms: Option<i64>,
    /// The verdict over the signature.
    pub expect: String,
    /// The verdict over the event, where the vector has one.
    pub expect_event: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Repeat {
    byte: serde_json::Value,
    count: usize,
}

impl Vector {
    /// Returns the secret of the receiver.
    ///
    /// # Errors
    ///
    /// Many vectors have one that must be refused.
    pub fn secret(&self) -> Result<SigningSecret, SecretError> {
        match self.secret_kind.as_deref() {
            Some("raw") => SigningSecret::from_bytes(&latin1(&self.secret)),
            _ => SigningSecret::parse(&self.secret),
        }
    }

    /// Returns what the clock of the receiver says.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_unix * 1000 + self.now_subsec_ms.unwrap_or_default())
    }

    /// Returns names and values in their order, with all repetitions.
    #[must_use]
    pub fn headers(&self) -> Vec<(&str, Vec<u8>)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), latin1(value))).collect()
    }

    /// Returns the body.
    ///
    /// # Panics
    ///
    /// Panics where the vector has none.
    #[must_use]
    pub fn body(&self) -> Bytes {
        match (&self.body_base64, &self.body_repeat) {
            (Some(encoded), _) => STANDARD.decode(encoded).expect("the body is in base64").into(),
            (None, Some(Repeat { byte, count })) => {
                let byte = match byte {
                    serde_json::Value::String(text) => latin1(text).first().copied(),
                    number => number.as_u64().and_then(|number| u8::try_from(number).ok()),
                };
                vec![byte.expect("what is repeated is a byte"); *count].into()
            }
            (None, None) => panic!("{} has no body", self.name),
        }
    }
}

/// Returns the vectors of the repository.
#[must_use]
pub fn own_vectors() -> Vec<Vector> {
    vectors_in(&folder("vectors/own.json"))
}

/// Returns the vectors in a file.
///
/// # Panics
///
/// Panics where there are none.
#[must_use]
pub fn vectors_in(path: &Path) -> Vec<Vector> {
    let json = fs::read(path).expect("the vectors are there");
    serde_json::from_slice(&json).expect("the file holds vectors")
}

/// Returns what receivers of all vectors of the repository need to know, each secret once.
#[must_use]
pub fn own_secrets() -> Vec<SigningSecret> {
    let mut vectors = own_vectors();
    vectors.sort_by(|one, other| one.secret.cmp(&other.secret));
    vectors.dedup_by(|one, other| one.secret == other.secret);
    vectors.iter().filter_map(|vector| vector.secret().ok()).collect()
}

/// One character of a vector is one byte on the wire.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(u32::from(character)).expect("it is one byte")).collect()
}
