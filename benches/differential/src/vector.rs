//! The test vectors of the repository.

use std::fs;
use std::path::Path;
use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::Timestamp;
use serde::Deserialize;

use crate::case::{Case, Clock};

/// The maximum distance from the clock at which a timestamp still moves with the clock, in seconds.
const NEAR: u64 = 24 * 60 * 60;

/// A delivery, the settings of its receiver, and the expected verdict.
#[derive(Debug, Deserialize)]
pub struct Vector {
    /// The name.
    pub name: String,
    /// The name of the rule.
    pub rule: String,
    /// The texts of the receiver's secrets.
    pub secrets: Vec<String>,
    /// The receiver's tolerance, in seconds.
    pub tolerance: u64,
    /// The reason for the rejection, or `None` if the delivery must be accepted.
    pub reason: Option<String>,
    now: i64,
    #[serde(default)]
    now_milliseconds: i64,
    headers: Vec<(String, String)>,
    body_base64: String,
}

impl Vector {
    /// Returns the delivery at the vector's time, once for each secret.
    pub fn cases(&self) -> impl Iterator<Item = Case> {
        let clock = Clock { now: self.time(self.now), is_of_system: false };
        self.secrets.iter().map(move |secret| Case {
            secret: secret.clone(),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), latin1(value))).collect(),
            body: STANDARD.decode(&self.body_base64).expect("the body must be base64"),
            clock,
        })
    }

    /// Returns the delivery at the system clock's time, with timestamps at the same distance from it, and
    /// without white space around the values of headers, as HTTP servers pass them on.
    pub fn cases_at(&self, now: i64) -> impl Iterator<Item = Case> {
        self.cases().map(move |mut case| {
            // Before signing again, because a signature of the id without its blanks would not be recognized.
            for (_, value) in &mut case.headers {
                *value = value.trim_ascii().to_vec();
            }
            case.change_signed(|case| {
                for (name, value) in &mut case.headers {
                    if name.to_ascii_lowercase().ends_with("-timestamp") {
                        *value = self.moved(value, now);
                    }
                }
            });
            case.clock = Clock { now: self.time(now), is_of_system: true };
            case
        })
    }

    fn time(&self, seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000 + self.now_milliseconds)
    }

    /// Returns a timestamp at the same distance from `now` as this one has from the vector's clock, in the
    /// same unusual notation.
    fn moved(&self, timestamp: &[u8], now: i64) -> Vec<u8> {
        let Ok(text) = str::from_utf8(timestamp) else { return timestamp.to_vec() };
        let is_digit = |character: char| character.is_ascii_digit();
        let digits = text.trim_start_matches(|character| !is_digit(character) || character == '0');
        let digits = digits.split(|character| !is_digit(character)).next().unwrap_or_default();
        match digits.parse::<i64>() {
            Ok(seconds) if seconds.abs_diff(self.now) <= NEAR => {
                text.replace(digits, &(seconds - self.now + now).to_string()).into_bytes()
            }
            _ => timestamp.to_vec(),
        }
    }
}

/// Returns all vectors.
///
/// # Panics
///
/// Panics if the file does not exist or is invalid.
#[must_use]
pub fn vectors() -> Vec<Vector> {
    #[derive(Deserialize)]
    struct File {
        cases: Vec<Vector>,
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/vectors.json");
    let json = fs::read(path).expect("the file of the vectors must exist");
    let File { cases } = serde_json::from_slice(&json).expect("the file of the vectors must be valid");
    cases
}

/// Encodes as Latin-1: each character in a vector becomes one byte in the request.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).expect("the character must be in Latin-1"))
        .collect()
}
