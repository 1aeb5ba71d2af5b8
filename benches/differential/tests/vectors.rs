//! Compares the libraries over the test vectors of the repository.

mod support;

use std::fs;
use std::path::Path;
use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::Timestamp;
use clerk_webhook_differential::case::{Case, Clock};
use clerk_webhook_differential::key;
use clerk_webhook_differential::library::Library;
use clerk_webhook_differential::suite::{Suite, at_one_second};
use clerk_webhook_differential::verdict::{LibraryVerdict, Reason};
use serde::Deserialize;

use support::say;

/// The maximum distance from the clock at which a timestamp still moves with the clock, in seconds.
const NEAR: u64 = 24 * 60 * 60;

#[derive(Deserialize)]
struct Vector {
    name: String,
    secret: String,
    secret_kind: Option<String>,
    headers: Vec<(String, String)>,
    body_base64: Option<String>,
    body_repeat: Option<Repeat>,
    now_unix: i64,
    #[serde(default)]
    now_subsec_ms: i64,
    expect: String,
}

#[derive(Deserialize)]
struct Repeat {
    byte: char,
    count: usize,
}

impl Vector {
    /// Returns the delivery at the vector's time.
    fn case(&self) -> Case {
        let body = match (&self.body_base64, &self.body_repeat) {
            (Some(encoded), _) => STANDARD.decode(encoded).expect("the body must be base64"),
            (None, Some(Repeat { byte, count })) => latin1(&byte.to_string()).repeat(*count),
            (None, None) => panic!("{} has no body", self.name),
        };
        let is_raw = self.secret_kind.as_deref() == Some("raw");
        Case {
            secret: if is_raw { key::write(&latin1(&self.secret)) } else { self.secret.clone() },
            headers: self.headers.iter().map(|(name, value)| (name.clone(), latin1(value))).collect(),
            body,
            clock: Clock {
                now: Timestamp::from_millis(self.now_unix * 1000 + self.now_subsec_ms),
                is_of_system: false,
            },
        }
    }

    /// Returns the delivery at the system clock's time, with timestamps at the same distance from it.
    fn case_at(&self, now: i64) -> Case {
        let mut case = self.case();
        case.change_signed(|case| {
            for (name, value) in &mut case.headers {
                if name.to_ascii_lowercase().ends_with("-timestamp") {
                    *value = self.moved(value, now);
                }
            }
        });
        let now = Timestamp::from_millis(now * 1000 + self.now_subsec_ms);
        case.clock = Clock { now, is_of_system: true };
        case
    }

    /// Returns a timestamp at the same distance from `now` as this one has from the vector's clock, in the
    /// same unusual notation.
    fn moved(&self, timestamp: &[u8], now: i64) -> Vec<u8> {
        let Ok(text) = str::from_utf8(timestamp) else { return timestamp.to_vec() };
        let is_digit = |character: char| character.is_ascii_digit();
        let digits = text.trim_start_matches(|character| !is_digit(character) || character == '0');
        let digits = digits.split(|character| !is_digit(character)).next().unwrap_or_default();
        match digits.parse::<i64>() {
            Ok(seconds) if seconds.abs_diff(self.now_unix) <= NEAR => {
                text.replace(digits, &(seconds - self.now_unix + now).to_string()).into_bytes()
            }
            _ => timestamp.to_vec(),
        }
    }
}

/// Encodes as Latin-1: each character in a vector becomes one byte in the request.
fn latin1(text: &str) -> Vec<u8> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).expect("the character must be in Latin-1"))
        .collect()
}

fn word(verdict: LibraryVerdict) -> &'static str {
    match verdict {
        LibraryVerdict::Accepted => "ok",
        LibraryVerdict::Panicked => "panic",
        LibraryVerdict::Refused(reason) => match reason {
            Reason::Secret => "invalid_secret",
            Reason::Missing(_) => "missing_header",
            Reason::Repeated(_) => "duplicate_header",
            Reason::Malformed(_) => "invalid_header",
            Reason::NotSeconds => "invalid_timestamp",
            Reason::TooOld => "timestamp_too_old",
            Reason::TooNew => "timestamp_too_new",
            Reason::Signature => "no_matching_signature",
            Reason::Payload => "payload",
        },
    }
}

#[test]
fn libraries_disagree_over_the_vectors_only_as_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/own.json");
    let vectors: Vec<Vector> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let suite = Suite::of_this_project();
    let (mut judged, mut differed) = (0, 0);
    for vector in &vectors {
        let by_all = [at_one_second(|now| suite.judge(&vector.case_at(now))), suite.judge(&vector.case())];
        let judgements =
            by_all.map(|outcome| outcome.unwrap_or_else(|failure| panic!("{}: {failure}", vector.name)));
        for judgement in judgements.iter().flatten() {
            assert_eq!(word(judgement.ours), vector.expect, "{}", vector.name);
            judged += 1;
            differed += usize::from(judgement.ours != judgement.theirs);
        }
    }
    assert_eq!(judged, vectors.len() * Library::PEERS.len());
    say(&format!(
        "differential: {} vectors x {} peers, {differed} disagreements, all documented",
        vectors.len(),
        Library::PEERS.len(),
    ));
}
