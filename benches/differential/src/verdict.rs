//! The verdicts of a library about a delivery.

use std::fmt;

/// One of the three headers, in either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The id of the message.
    Id,
    /// The timestamp of the attempt.
    Timestamp,
    /// The list of signatures.
    Signature,
}

impl Part {
    /// All three headers.
    pub const ALL: [Self; 3] = [Self::Id, Self::Timestamp, Self::Signature];
}

/// The verdict of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LibraryVerdict {
    /// The delivery is authentic and recent.
    Accepted,
    /// The library rejected the delivery.
    Refused(Reason),
    /// The library panicked.
    Panicked,
}

impl LibraryVerdict {
    /// Returns whether the delivery was accepted.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        self == Self::Accepted
    }
}

impl fmt::Display for LibraryVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Refused(reason) => write!(f, "rejected: {reason:?}"),
            Self::Panicked => f.write_str("panicked"),
        }
    }
}

/// The reason for a rejection, as precise as all libraries report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The secret is invalid.
    Secret,
    /// A header is missing, or the library treats it as missing.
    Missing(Part),
    /// A header occurs more than once.
    Repeated(Part),
    /// A header contains invalid characters or is too long.
    Malformed(Part),
    /// The timestamp is not a whole number of seconds.
    NotSeconds,
    /// The timestamp is too far in the past.
    TooOld,
    /// The timestamp is too far in the future.
    TooNew,
    /// The body is not UTF-8.
    Payload,
    /// No signature matches.
    Signature,
}
