//! Checks that a text shows no secret, no signature and no payload.

use std::error::Error;

use crate::SECRET;

/// The length of a signature in base64 without padding.
const SIGNATURE: usize = 43;

/// An event with private data in every part of a payload that may contain some.
pub const PRIVATE: &str = r#"{
    "data": { "id": "user_private", "first_name": "private", "private": "private" },
    "event_attributes": { "http_request": { "client_ip": "private" } },
    "type": "user.created"
}"#;

/// Checks that a text contains no signing secret, no word as long as a signature, and no data of [`PRIVATE`].
///
/// # Panics
///
/// Panics if the text contains one of them.
#[track_caller]
pub fn assert_shows_nothing_private(text: &str) {
    let is_base64 = |character: char| character.is_ascii_alphanumeric() || "+/".contains(character);
    let mut words = text.split(|character| !is_base64(character));
    assert!(words.all(|word| word.len() < SIGNATURE), "{text}");
    for hidden in ["private", &SECRET["whsec_".len()..]] {
        assert!(!text.contains(hidden), "{text}");
    }
}

/// Returns the `Display` and `Debug` texts of an error and of all its sources.
#[must_use]
pub fn texts(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        text.push_str(&format!(" {error} {error:?}"));
        next = error.source();
    }
    text
}
