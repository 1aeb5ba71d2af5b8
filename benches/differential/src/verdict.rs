//! What a library can say of a delivery.

use std::fmt;

/// One of the three headers, whatever its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The id of the message.
    Id,
    /// The time of the attempt.
    Timestamp,
    /// The list of signatures.
    Signature,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Id, Self::Timestamp, Self::Signature];
}

/// The verdict of a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LibraryVerdict {
    /// The delivery is authentic and of late.
    Accepted,
    /// It is not, or the library cannot tell.
    Refused(Reason),
    /// The library panicked.
    Panicked,
}

impl LibraryVerdict {
    /// Returns whether the delivery got in.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        self == Self::Accepted
    }
}

impl fmt::Display for LibraryVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted => f.write_str("accepted"),
            Self::Refused(reason) => write!(f, "refused: {reason:?}"),
            Self::Panicked => f.write_str("panicked"),
        }
    }
}

/// Why a delivery was refused, as coarse as all libraries tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// There is no verifier for this secret.
    Secret,
    /// A header is absent, or counts as such.
    Missing(Part),
    /// A header is there more than once.
    Repeated(Part),
    /// A header has characters or a length that it cannot have.
    Malformed(Part),
    /// The timestamp is not a whole number of seconds.
    NotSeconds,
    /// The timestamp lies too far in the past.
    TooOld,
    /// The timestamp lies too far in the future.
    TooNew,
    /// The body is not text.
    Payload,
    /// No signature matches.
    Signature,
}
