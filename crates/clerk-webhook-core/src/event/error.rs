//! Errors that occur while reading an event.

use std::error::Error;
use std::fmt;

use crate::error_text::debug_is_display;

/// The error for a verified body that is not an event.
#[derive(Clone, PartialEq, Eq)]
pub struct EventError {
    kind: EventErrorKind,
}

impl EventError {
    pub(super) fn new(kind: EventErrorKind) -> Self {
        Self { kind }
    }

    /// Returns the kind of failure.
    #[must_use]
    pub fn kind(&self) -> EventErrorKind {
        self.kind
    }
}

impl From<serde_json::Error> for EventError {
    fn from(error: serde_json::Error) -> Self {
        let kind = if error.is_data() { EventErrorKind::InvalidEvent } else { EventErrorKind::InvalidJson };
        Self { kind }
    }
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            EventErrorKind::InvalidJson => {
                "the body is not JSON in UTF-8: check whether a transformation on the endpoint changes it"
            }
            EventErrorKind::InvalidEvent => {
                "the body is JSON, but not an object whose `type` is a string: check whether a transformation of the \
                 endpoint changes it"
            }
        })
    }
}

impl Error for EventError {}

debug_is_display!(EventError);

/// The reason why a verified body is not an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventErrorKind {
    /// The body is not JSON, or not encoded in UTF-8.
    InvalidJson,
    /// The body is JSON, but not an object, or its `type` is not a string.
    InvalidEvent,
}
