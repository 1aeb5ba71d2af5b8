//! Free-form JSON inside payloads.

use std::fmt;

use serde::de::{DeserializeOwned, Deserializer};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The application's free-form JSON, stored as received and decoded on demand.
///
/// `{}`, `[]`, `null` and a missing field are empty. `Debug` never shows the content, because private
/// metadata and template variables (such as one-time codes) are secrets.
///
/// ```
/// use clerk_webhook_core::event::payload::Metadata;
///
/// #[derive(serde::Deserialize)]
/// struct Plan { tier: String }
///
/// let metadata: Metadata = serde_json::from_str(r#"{"tier":"pro","seats":3}"#)?;
/// assert_eq!(metadata.data_as::<Plan>()?.tier, "pro");
/// assert_eq!(format!("{metadata:?}"), "Metadata(24 bytes)");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Metadata(Option<Box<RawValue>>);

impl Metadata {
    /// Returns whether the metadata is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the received JSON text; `{}` if the metadata is empty.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.as_deref().map_or("{}", RawValue::get)
    }

    /// Decodes the metadata into your own type.
    ///
    /// # Errors
    ///
    /// Returns an error from `serde_json` if the JSON does not match the type.
    pub fn data_as<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.as_json())
    }
}

impl From<Box<RawValue>> for Metadata {
    fn from(raw: Box<RawValue>) -> Self {
        let mut inner = raw.get().bytes().filter(|byte| !byte.is_ascii_whitespace());
        let empty = matches!(
            (inner.next(), inner.next(), inner.next()),
            (Some(b'{'), Some(b'}'), None) | (Some(b'['), Some(b']'), None) | (Some(b'n'), ..)
        );
        Self((!empty).then_some(raw))
    }
}

/// Compares the JSON values, ignoring white space and the order of keys.
impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
            || match (self.data_as::<serde_json::Value>(), other.data_as::<serde_json::Value>()) {
                (Ok(left), Ok(right)) => left == right,
                _ => false,
            }
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(raw) => write!(f, "Metadata({} bytes)", raw.get().len()),
            None => f.write_str("Metadata(empty)"),
        }
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(raw) => raw.serialize(serializer),
            None => serializer.collect_map(std::iter::empty::<((), ())>()),
        }
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Metadata {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn recognizes_empty_values() {
        for json in ["{}", "[]", "null", "{ \n}", "[\t]"] {
            assert!(read(json).is_empty(), "{json}");
            assert_eq!(read(json), Metadata::default());
        }
        for json in [r#"{"a":1}"#, "[0]", "0", "\"\"", "false"] {
            assert!(!read(json).is_empty(), "{json}");
            assert_eq!(read(json).as_json(), json);
        }
    }

    #[test]
    fn compares_json_values() {
        assert_eq!(read(r#"{"a":1,"b":2}"#), read(r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(read(r#"{"a":1}"#), read(r#"{"a":2}"#));
    }

    #[test]
    fn decodes_from_a_json_value() {
        let metadata: Metadata = serde_json::from_value(serde_json::json!({ "a": 1 })).unwrap();
        assert_eq!(metadata, read(r#"{"a":1}"#));
        assert_eq!(serde_json::to_value(&metadata).unwrap(), serde_json::json!({ "a": 1 }));
        assert_eq!(serde_json::to_string(&Metadata::default()).unwrap(), "{}");
    }

    #[test]
    fn debug_does_not_show_the_content() {
        assert_eq!(format!("{:?}", read(r#"{"otp_code":"424242"}"#)), "Metadata(21 bytes)");
        assert_eq!(format!("{:?}", Metadata::default()), "Metadata(empty)");
    }
}
