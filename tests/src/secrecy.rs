//! Nothing that a stranger or a log can read may show a secret, a signature or a payload.

use std::error::Error;

use crate::SECRET;

/// How many characters a signature has in base64, without its padding.
const SIGNATURE: usize = 43;

/// An event with personal data in every place where a payload may have it.
pub const PRIVATE: &str = r#"{
    "data": { "id": "user_private", "first_name": "private", "private": "private" },
    "event_attributes": { "http_request": { "client_ip": "private" } },
    "type": "user.created"
}"#;

/// Checks a text for the secret, for anything as long as a signature, and for the data of [`PRIVATE`].
///
/// # Panics
///
/// Panics if the text shows one of them.
#[track_caller]
pub fn assert_shows_nothing_private(text: &str) {
    let is_base64 = |character: char| character.is_ascii_alphanumeric() || "+/".contains(character);
    let mut words = text.split(|character| !is_base64(character));
    assert!(words.all(|word| word.len() < SIGNATURE), "{text}");
    for hidden in ["private", &SECRET["whsec_".len()..]] {
        assert!(!text.contains(hidden), "{text}");
    }
}

/// Returns the texts of an error and of all its sources.
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
