//! Column values.

use serde::ser::{Error as _, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// A column's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Boolean,
    /// `TEXT` in SQLite, `JSONB` in Postgres.
    Json,
}

/// A column's value, which can be a null of the column's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Json(Option<String>),
}

impl Kind {
    pub(crate) const fn null(self) -> Value {
        match self {
            Self::Text => Value::Text(None),
            Self::Integer => Value::Integer(None),
            Self::Boolean => Value::Boolean(None),
            Self::Json => Value::Json(None),
        }
    }
}

impl Value {
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Integer(_) => Kind::Integer,
            Self::Boolean(_) => Kind::Boolean,
            Self::Json(_) => Kind::Json,
        }
    }

    #[cfg(feature = "backend-api")]
    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Self::Text(None) | Self::Integer(None) | Self::Boolean(None) | Self::Json(None))
    }

    /// Returns the text of a text or of JSON.
    #[cfg(feature = "backend-api")]
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Json(text) => text.as_deref(),
            _ => None,
        }
    }

    #[cfg(feature = "backend-api")]
    pub(crate) const fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => *number,
            _ => None,
        }
    }

    #[cfg(all(feature = "backend-api", feature = "postgres"))]
    pub(crate) const fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(yes) => *yes,
            _ => None,
        }
    }

    /// Creates a value from an id, shortened by [`id`].
    pub(crate) fn id(text: &str) -> Self {
        Self::Text(Some(id(text)))
    }

    /// Creates a value from a text. Replaces the character U+0000, which Postgres cannot store.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Some(clean(text)))
    }
}

/// Serializes the value as a member of a JSON object.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => text.serialize(serializer),
            Self::Integer(number) => number.serialize(serializer),
            Self::Boolean(yes) => yes.serialize(serializer),
            Self::Json(json) => {
                let json: Option<&RawValue> =
                    json.as_deref().map(serde_json::from_str).transpose().map_err(S::Error::custom)?;
                json.serialize(serializer)
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.as_deref().map(clean))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(clean))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl From<clerk_webhook_core::Timestamp> for Value {
    fn from(at: clerk_webhook_core::Timestamp) -> Self {
        Self::Integer(Some(at.as_millis()))
    }
}

impl From<Option<clerk_webhook_core::Timestamp>> for Value {
    fn from(at: Option<clerk_webhook_core::Timestamp>) -> Self {
        Self::Integer(at.map(clerk_webhook_core::Timestamp::as_millis))
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Boolean(Some(yes))
    }
}

impl From<Option<bool>> for Value {
    fn from(yes: Option<bool>) -> Self {
        Self::Boolean(yes)
    }
}

/// The length in bytes up to which an id is stored unchanged. A Postgres index entry is limited to 2,704
/// bytes.
const LONGEST_ID: usize = 255;

/// Returns an id as the tables store it. An id that is too long for an index is stored as `sha256:` and its
/// SHA-256.
pub(crate) fn id(text: &str) -> String {
    let text = clean(text);
    if text.len() > LONGEST_ID { format!("sha256:{}", digest(&text)) } else { text }
}

/// Returns an email address in lower case, for comparisons that ignore case.
pub(crate) fn fold(address: &str) -> String {
    clean(address).to_lowercase()
}

/// Returns the SHA-256 of a text, in hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    Sha256::digest(text).iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Replaces U+0000 with U+FFFD.
pub(crate) fn clean(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_too_long_for_an_index_is_stored_as_its_digest() {
        for short in ["", "user_1", &"x".repeat(255), &id(&"x".repeat(256))] {
            assert_eq!(id(short), short);
        }
        assert_eq!(id(&"x".repeat(256)).len(), "sha256:".len() + 64);
        assert_ne!(id(&"x".repeat(256)), id(&"x".repeat(257)));
        // The limit counts bytes, not characters.
        assert_ne!(id(&"\u{e4}".repeat(128)), "\u{e4}".repeat(128));
    }

    #[test]
    fn a_digest_is_the_sha_256_in_hexadecimal_digits() {
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
