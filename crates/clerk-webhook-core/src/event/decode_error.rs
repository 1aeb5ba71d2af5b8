//! Errors that occur while decoding data.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed};

use super::track::{Path, Tracked};
use crate::error_text::debug_is_display;

/// The error for data that does not match a type.
///
/// It contains the path of the mismatch and the expected type, and states whether the field is missing or
/// `null`. It never contains the value, which may be personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct DecodeError {
    path: String,
    expectation: String,
}

impl DecodeError {
    /// Decodes data again and records the path of the failure.
    pub(super) fn track<'de>(
        seed: impl DeserializeSeed<'de>,
        json: &'de str,
        error: &serde_json::Error,
    ) -> Self {
        let path = Path::default();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let again = seed.deserialize(Tracked { inner: &mut deserializer, path: &path }).err();
        let error = again.as_ref().unwrap_or(error);
        // Other errors, such as exceeding the depth limit of `serde_json`, can occur inside ignored fields,
        // whose names may be personal data.
        if !error.is_data() {
            path.clear();
        }
        let expectation = Expectation::of(&error.to_string());
        if let Some(name) = &expectation.missing {
            path.push_field(name);
        }
        Self { path: path.to_string(), expectation: expectation.text }
    }

    /// Returns the path of the mismatch, such as `data.email_addresses[0].id`.
    ///
    /// The path contains only the type's field names. `*` replaces map keys, which may be personal data.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Decodes the JSON text of data into a type that the caller chooses.
pub(super) fn read<T: DeserializeOwned>(json: &str) -> Result<T, DecodeError> {
    serde_json::from_str(json).map_err(|error| DecodeError::track(PhantomData::<T>, json, &error))
}

/// The expectation in a serde message, without the value that the message quotes.
struct Expectation {
    /// The name of the missing field.
    missing: Option<String>,
    text: String,
}

impl Expectation {
    fn of(message: &str) -> Self {
        let message = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
        let missing = message.strip_prefix("missing field `").and_then(|name| name.strip_suffix('`'));
        let text = if missing.is_some() {
            "is missing".to_owned()
        } else if let Some((found, expected)) = message.rsplit_once(", expected ") {
            // The text after "expected" comes from the decoded type, so it contains no received value.
            let is_null = found == "invalid type: null";
            format!("{}expected {expected}", if is_null { "is null, " } else { "" })
        } else {
            "does not have the expected structure".to_owned()
        };
        Self { missing: missing.map(str::to_owned), text }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.expectation)
    }
}

impl std::error::Error for DecodeError {}

debug_is_display!(DecodeError);

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use serde::Deserialize;
    use serde_json::Value;
    use serde_json::value::RawValue;

    use super::super::data::TypedData;
    use super::super::event_type::EventType;
    use super::*;

    fn reason(event_type: EventType, json: &str) -> DecodeError {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let error = TypedData(&event_type).deserialize(raw).unwrap_err();
        DecodeError::track(TypedData(&event_type), raw.get(), &error)
    }

    fn error_of<T: DeserializeOwned>(json: &str) -> String {
        read::<T>(json).err().unwrap().to_string()
    }

    #[test]
    fn shows_the_path_and_not_the_value() {
        let error = reason(EventType::UserCreated, r#"{"id":"user_1","created_at":"4242, expected mine"}"#);
        assert_eq!(error.to_string(), "data.created_at: expected milliseconds since the Unix epoch");
        assert_eq!(error.path(), "data.created_at");
        let error = reason(EventType::UserCreated, r#"{"id":42}"#);
        assert_eq!(error.to_string(), "data.id: expected a string");
        let error = reason(EventType::SessionCreated, r#"{"status":42}"#);
        assert_eq!(error.to_string(), "data.status: expected a string");
        // Errors for the application's own types do not contain the value either.
        assert_eq!(error_of::<Vec<u8>>(r#"[1,"secret"]"#), "data[1]: expected u8");
        assert!(!reason(EventType::UserCreated, r#""secret""#).to_string().contains("secret"));
        assert!(!reason(EventType::UserCreated, "[424242]").to_string().contains("424242"));
    }

    #[test]
    fn distinguishes_a_missing_a_null_and_an_empty_field() {
        for (json, expected) in [
            ("{}", "data.id: is missing"),
            (r#"{"id":null}"#, "data.id: is null, expected a string"),
            (r#"{"id":""}"#, "data.id: expected a string that is not empty"),
        ] {
            assert_eq!(reason(EventType::UserCreated, json).to_string(), expected);
        }
        let error = reason(EventType::SessionEnded, r#"{"id":"sess_1"}"#);
        assert_eq!(error.path(), "data.user_id");
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "the fields are only decoded")]
    struct Limits {
        by_user: HashMap<String, Limit>,
        #[serde(default)]
        list: Vec<Option<Limit>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "the fields are only decoded")]
    struct Limit {
        seats: u8,
    }

    #[test]
    fn replaces_map_keys_and_shows_field_names() {
        let email = "alice@example.com";
        let error = error_of::<Limits>(&format!(r#"{{"by_user":{{"{email}":{{"seats":"many"}}}}}}"#));
        assert_eq!(error, "data.by_user.*.seats: expected u8");
        let error = error_of::<Limits>(&format!(r#"{{"by_user":{{"{email}":{{}}}}}}"#));
        assert_eq!(error, "data.by_user.*.seats: is missing");
        let error = error_of::<Limits>(r#"{"by_user":{},"list":[null,{"seats":1},{"seats":null}]}"#);
        assert_eq!(error, "data.list[2].seats: is null, expected u8");
        assert_eq!(error_of::<BTreeMap<String, u8>>(&format!(r#"{{"{email}":""}}"#)), "data.*: expected u8");
        let error = error_of::<BTreeMap<u64, u8>>(&format!(r#"{{"{email}":1}}"#));
        assert!(!error.contains("alice"), "{error}");
        let deep = format!(r#"{{"{email}":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert_eq!(error_of::<Value>(&deep), "data: does not have the expected structure");
    }

    #[test]
    fn does_not_show_the_keys_of_a_flattened_map() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "the fields are only decoded")]
        struct Open<T> {
            known: u8,
            #[serde(flatten)]
            others: HashMap<String, T>,
        }

        assert_eq!(error_of::<Open<u8>>(r#"{"alice":1,"known":"x"}"#), "data.known: expected u8");
        for json in [r#"{"known":1,"alice":"x"}"#, r#"{"alice":"x","known":1}"#] {
            let error = error_of::<Open<u8>>(json);
            assert!(!error.contains("alice"), "{error}");
        }
        let deep = format!(r#"{{"alice":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(!error_of::<Open<Value>>(&deep).contains("alice"));
    }

    #[test]
    fn does_not_show_unknown_fields() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "the fields are only decoded")]
        struct Closed {
            known: u8,
        }

        assert_eq!(error_of::<Closed>(r#"{"alice":1}"#), "data: expected `known`");
    }

    #[test]
    fn recording_the_path_does_not_change_the_decoded_value() {
        #[derive(Debug, PartialEq, Deserialize)]
        enum Kind {
            Unit,
            Newtype(u8),
            Struct { a: Option<i64> },
        }

        #[derive(Debug, PartialEq, Deserialize)]
        struct Id(String);

        #[derive(Debug, PartialEq, Deserialize)]
        struct Everything {
            kinds: Vec<Kind>,
            ids: BTreeMap<u64, Id>,
            pair: (f64, char),
            value: Value,
            raw: Box<Text>,
            unit: (),
        }

        /// JSON that is compared by its text.
        #[derive(Debug, Deserialize)]
        #[serde(transparent)]
        struct Text(Box<RawValue>);

        impl PartialEq for Text {
            fn eq(&self, other: &Self) -> bool {
                self.0.get() == other.0.get()
            }
        }

        let json = r#"{"kinds":["Unit",{"Newtype":7},{"Struct":{"a":null}}],"ids":{"12":"user_1"},
            "pair":[1.5,"x"],"value":{"a":[1,"b",null,true,-2]},"raw":{ "b":1.0 },"unit":null,"more":{}}"#;
        let path = Path::default();
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let tracked = Everything::deserialize(Tracked { inner: &mut deserializer, path: &path }).unwrap();
        assert_eq!(tracked, serde_json::from_str(json).unwrap());
        assert_eq!(path.to_string(), "data");
        assert_eq!(error_of::<Everything>(&json.replace('7', "\"x\"")), "data.kinds[1]: expected u8");
    }
}
