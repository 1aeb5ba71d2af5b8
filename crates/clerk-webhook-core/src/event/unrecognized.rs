//! Data that is authentic but has no type here.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::decode_error::{self, DecodeError};
use super::event_type::EventType;

/// The data of an event that this version has no type for, as it was sent.
#[derive(Clone)]
pub struct Unrecognized {
    event_type: EventType,
    reason: UnrecognizedReason,
    raw: Box<RawValue>,
}

impl Unrecognized {
    pub(super) fn new(event_type: &EventType, reason: UnrecognizedReason, raw: &RawValue) -> Self {
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
        decode_error::read(self.raw.get())
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
