//! Data that could not be decoded into a payload type.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::decode_error::{self, DecodeError};
use super::event_type::EventType;

/// The received data of an event that could not be decoded into a payload type.
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

    /// Returns the event type.
    #[must_use]
    pub fn event_type(&self) -> &EventType {
        &self.event_type
    }

    /// Returns the reason why the data was not decoded.
    #[must_use]
    pub fn reason(&self) -> &UnrecognizedReason {
        &self.reason
    }

    /// Returns the JSON text of the data exactly as received.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.raw.get()
    }

    /// Decodes the data into your own type.
    ///
    /// # Errors
    ///
    /// Returns an error if the data does not match the type. The error contains the path of the mismatch,
    /// never the value.
    pub fn data_as<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        decode_error::read(self.raw.get())
    }
}

impl PartialEq for Unrecognized {
    fn eq(&self, other: &Self) -> bool {
        self.event_type == other.event_type && self.raw.get() == other.raw.get()
    }
}

/// Omits the data, because it can be personal.
impl fmt::Debug for Unrecognized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unrecognized")
            .field("event_type", &self.event_type)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// The reason why data was not decoded into a payload type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnrecognizedReason {
    /// This version of the crate does not know the event type.
    UnknownType,
    /// The event type is known, but the data does not match its payload type.
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
