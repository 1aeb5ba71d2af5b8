//! The test vectors in `vectors/`, which are made with Python's standard library.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clerk_webhook_core::{SecretError, SigningSecret, Timestamp, Verifier};
use serde::Deserialize;

use crate::folder;

/// A delivery, the settings of its receiver, and the expected verdict.
#[derive(Clone, Debug, Deserialize)]
pub struct Vector {
    /// The name, in `snake_case`.
    pub name: String,
    /// The name of the rule.
    pub rule: String,
    /// The texts of the receiver's secrets.
    pub secrets: Vec<String>,
    /// The receiver's clock, in seconds.
    pub now: i64,
    /// The milliseconds of the receiver's clock after these seconds.
    #[serde(default)]
    pub now_milliseconds: i64,
    /// The receiver's tolerance, in seconds.
    pub tolerance: u64,
    /// The header names and values. A character of a value is one byte on the wire.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body_base64: String,
    /// The reason for the rejection, or `None` if the delivery must be accepted.
    pub reason: Option<String>,
}

impl Vector {
    /// Returns the receiver's secrets.
    ///
    /// # Errors
    ///
    /// Returns an error if a secret is invalid, as in several vectors.
    pub fn secrets(&self) -> Result<Vec<SigningSecret>, SecretError> {
        self.secrets.iter().map(|text| SigningSecret::parse(text)).collect()
    }

    /// Returns the receiver.
    ///
    /// # Errors
    ///
    /// Returns an error if a secret is invalid, as in several vectors.
    pub fn verifier(&self) -> Result<Verifier, SecretError> {
        let now = self.now();
        let builder = Verifier::builder().secrets(self.secrets()?).clock(move || now);
        builder.tolerance(Duration::from_secs(self.tolerance)).build()
    }

    /// Returns the time on the receiver's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now * 1000 + self.now_milliseconds)
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
    /// Panics if the vector is invalid.
    #[must_use]
    pub fn body(&self) -> Bytes {
        STANDARD.decode(&self.body_base64).expect("the body is in base64").into()
    }
}

/// Returns all vectors.
///
/// # Panics
///
/// Panics if the file is invalid.
#[must_use]
pub fn vectors() -> Vec<Vector> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Vector>,
    }
    let File { cases } = read(&folder("../vectors/vectors.json"));
    cases
}

/// Reads a JSON file.
///
/// # Panics
///
/// Panics if the file does not exist or has other fields.
#[must_use]
pub fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    serde_json::from_slice(&fs::read(path).expect("the file exists")).expect("the file has these fields")
}

/// Returns the valid secrets of all vectors, each of them once.
#[must_use]
pub fn all_secrets() -> Vec<SigningSecret> {
    let mut texts: Vec<_> = vectors().into_iter().flat_map(|vector| vector.secrets).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.iter().filter_map(|text| SigningSecret::parse(text).ok()).collect()
}

/// Encodes a text as bytes: one character of a vector is one byte on the wire.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).expect("the character is one byte"))
        .collect()
}
