//! Data that is authentic but has no type here.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_json::value::RawValue;

use super::catalogue::{EventType, TypedData};

/// The data of an event that this version has no type for, as it was sent.
#[derive(Clone)]
pub struct Unrecognized {
    event_type: EventType,
    reason: UnrecognizedReason,
    raw: Box<RawValue>,
}

impl Unrecognized {
    /// Keeps data that was not decoded: with an error, or because its type is unknown.
    pub(super) fn new(event_type: &EventType, raw: &RawValue, error: Option<&serde_json::Error>) -> Self {
        let reason = match error {
            Some(error) => UnrecognizedReason::Undecodable(DecodeError::of(event_type, raw, error)),
            None => UnrecognizedReason::UnknownType,
        };
        Self { event_type: event_type.clone(), reason, raw: raw.to_owned() }
    }

    /// Returns the type that the event says it has.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// Returns why the data has no type.
    #[must_use]
    pub fn reason(&self) -> &UnrecognizedReason {
        &self.reason
    }

    /// Returns the data as the JSON text that was sent.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.raw.get()
    }

    /// Reads the data as a type of the application's own.
    ///
    /// # Errors
    ///
    /// Returns where the data does not fit the type.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        read(self.raw.get())
    }
}

impl PartialEq for Unrecognized {
    fn eq(&self, other: &Self) -> bool {
        self.event_type == other.event_type && self.raw.get() == other.raw.get()
    }
}

/// Does not show the data.
impl fmt::Debug for Unrecognized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unrecognized")
            .field("event_type", &self.event_type)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Why data has no type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnrecognizedReason {
    /// The event type is none that this version knows.
    UnknownType,
    /// The event type is known, but its data does not have the form that it should have.
    Undecodable(DecodeError),
}

impl fmt::Display for UnrecognizedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownType => f.write_str("the event type is unknown to this version"),
            Self::Undecodable(error) => error.fmt(f),
        }
    }
}

/// Where data departs from the form that its event type should have, or that the application wants it to have.
///
/// It names the place and what was expected there, never what was found: that may be personal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    path: String,
    expectation: String,
}

impl DecodeError {
    /// Reads data once more that is not what its event type says.
    fn of(event_type: &EventType, raw: &RawValue, error: &serde_json::Error) -> Self {
        Self::track(TypedData(event_type), raw.get(), error)
    }

    /// Reads data once more with an eye on where it fails.
    fn track<'de>(seed: impl DeserializeSeed<'de>, json: &'de str, error: &serde_json::Error) -> Self {
        let mut deserializer = serde_json::Deserializer::from_str(json);
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        let again = seed.deserialize(tracked);
        let message = again.err().map_or_else(|| error.to_string(), |error| error.to_string());
        let path = track.path().to_string();
        let path = if path == "." { "data".to_owned() } else { format!("data.{path}") };
        Self { path, expectation: expectation(&message) }
    }

    /// Returns the path to the place, such as `data.email_addresses[0].id`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Reads data as a type of the application's own.
pub(super) fn read<T: DeserializeOwned>(json: &str) -> Result<T, DecodeError> {
    serde_json::from_str(json).map_err(|error| DecodeError::track(PhantomData::<T>, json, &error))
}

/// Keeps what was expected of a message of serde, and drops what was found, which it quotes.
fn expectation(message: &str) -> String {
    // The expectation is written by a type, so it comes last and holds nothing that was sent.
    let without_position = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    if let Some((_, expected)) = without_position.rsplit_once(", expected ") {
        format!("expected {expected}")
    } else if without_position.starts_with("missing field `") {
        without_position.to_owned()
    } else {
        "does not have the form that it should have".to_owned()
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.expectation)
    }
}

impl std::error::Error for DecodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(event_type: EventType, json: &str) -> DecodeError {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let error = TypedData(&event_type).deserialize(raw).unwrap_err();
        DecodeError::of(&event_type, raw, &error)
    }

    #[test]
    fn a_reason_names_the_place_and_not_the_value() {
        let error = reason(EventType::UserCreated, r#"{"id":"user_1","created_at":"4242, expected mine"}"#);
        assert_eq!(error.to_string(), "data.created_at: expected milliseconds since the Unix epoch");
        assert_eq!(error.path(), "data.created_at");
        let error = reason(EventType::UserCreated, r#"{"id":42}"#);
        assert_eq!(error.to_string(), "data.id: expected a string");
        let error = reason(EventType::SessionCreated, r#"{"status":42}"#);
        assert_eq!(error.to_string(), "data.status: expected a string");
        assert_eq!(reason(EventType::UserCreated, "{}").to_string(), "data: missing field `id`");
        // Nor does that of a type of the application's own.
        let error = read::<std::collections::BTreeMap<String, u8>>(r#"{"a":"secret"}"#).unwrap_err();
        assert_eq!(error.to_string(), "data.a: expected u8");
        assert!(!reason(EventType::UserCreated, r#""secret""#).to_string().contains("secret"));
        assert!(!reason(EventType::UserCreated, "[424242]").to_string().contains("424242"));
    }
}
