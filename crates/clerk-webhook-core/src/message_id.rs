//! The message id.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::{self, FromStr};

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize, Serializer};
use smallvec::SmallVec;

use crate::error_text::debug_is_display;

/// The id of a message, from the `svix-id` header.
///
/// All deliveries of a message have the same id, including retries and deliveries to other endpoints. Use the
/// id to detect duplicates.
///
/// An id has 1 to 256 visible ASCII characters and no dot. Svix sends `msg_` followed by 27 characters. Ids
/// of up to 64 characters need no allocation.
///
/// ```
/// use clerk_webhook_core::MessageId;
///
/// let id: MessageId = "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa".parse()?;
/// assert_eq!(id.as_str(), "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa");
/// assert!("two.parts".parse::<MessageId>().is_err());
/// # Ok::<(), clerk_webhook_core::InvalidMessageId>(())
/// ```
#[derive(Clone)]
pub struct MessageId(SmallVec<[u8; 64]>);

impl MessageId {
    /// The maximum number of characters in an id.
    pub const MAX_LENGTH: usize = 256;

    /// Reads an id from the bytes of a header value.
    ///
    /// Rejects a dot, because dots separate the parts of the signed content. The id `a.1` with timestamp `2`
    /// would have the same signature as the id `a` with timestamp `1` and a body that begins with `2.`.
    pub(crate) fn from_header(value: &[u8]) -> Result<Self, InvalidMessageId> {
        if value.is_empty() || value.len() > Self::MAX_LENGTH {
            return Err(InvalidMessageId);
        }
        // The compiler can vectorize the loop because it has no early exit.
        let valid = value.iter().fold(true, |valid, byte| valid & byte.is_ascii_graphic() & (*byte != b'.'));
        if valid { Ok(Self(SmallVec::from_slice(value))) } else { Err(InvalidMessageId) }
    }

    /// Returns the id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The constructor accepts only ASCII. Checking the text again here takes a few nanoseconds and avoids
        // `unsafe`.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_header(text.as_bytes())
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MessageId").field(&self.as_str()).finish()
    }
}

impl AsRef<str> for MessageId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for MessageId {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for MessageId {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for MessageId {}

impl PartialOrd for MessageId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MessageId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

// `Borrow<str>` requires the same hash as `str`.
impl Hash for MessageId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The error for text that is not a valid message id.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidMessageId;

impl fmt::Display for InvalidMessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message id consists of 1 to 256 visible ASCII characters without a dot")
    }
}

impl std::error::Error for InvalidMessageId {}

debug_is_display!(InvalidMessageId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_an_invalid_length_or_character() {
        for valid in ["a", "msg_1", "!~", &"x".repeat(256)] {
            assert_eq!(valid.parse::<MessageId>().unwrap().as_str(), valid);
        }
        for invalid in ["", " ", "a b", "a.b", "é", "a\n", "a\u{7f}", &"x".repeat(257), &"x".repeat(70_000)]
        {
            assert!(invalid.parse::<MessageId>().is_err(), "{invalid:?}");
        }
        let error = "a.b".parse::<MessageId>().unwrap_err();
        let text = "a message id consists of 1 to 256 visible ASCII characters without a dot";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn finds_a_map_key_by_its_text() {
        let id: MessageId = "msg_1".parse().unwrap();
        let map = std::collections::HashMap::from([(id.clone(), 1)]);
        assert_eq!(map.get("msg_1"), Some(&1));
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"msg_1\"");
        assert_eq!(serde_json::from_str::<MessageId>("\"msg_1\"").unwrap(), id);
        assert!(serde_json::from_str::<MessageId>("\"msg.1\"").is_err());
    }

    #[test]
    fn formats_and_sorts_like_its_text() {
        let ids = ["Z", "a", "aa", "b"].map(|text| text.parse::<MessageId>().unwrap());
        assert!(ids.is_sorted() && ids.iter().map(MessageId::as_str).is_sorted());
        assert_eq!(ids[2].cmp(&ids[1]), Ordering::Greater);
        assert_ne!(ids[1], ids[2]);
        assert_eq!(AsRef::<str>::as_ref(&ids[2]), "aa");
        assert_eq!(format!("{:>3}", ids[2]), " aa");
        assert_eq!(format!("{:?}", ids[2]), "MessageId(\"aa\")");
    }
}
