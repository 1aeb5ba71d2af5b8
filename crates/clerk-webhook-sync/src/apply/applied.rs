//! What became of an event.

use std::fmt;

/// What an event has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Applied {
    /// Its object had no row and has one now.
    Inserted,
    /// The row of its object has changed.
    Updated,
    /// The row of its object is a tombstone now.
    Tombstoned,
    /// The row of its object is newer, the same, or a tombstone, and has not changed. Copies that the event shows of other
    /// objects may have.
    Stale,
    /// The event is not about anything that is kept.
    Ignored(IgnoredReason),
}

impl Applied {
    /// Returns whether the row of the event's object has changed.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Inserted | Self::Updated | Self::Tombstoned)
    }

    /// Returns it in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Updated => "updated",
            Self::Tombstoned => "tombstoned",
            Self::Stale => "stale",
            Self::Ignored(_) => "ignored",
        }
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an event was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IgnoredReason {
    /// Nothing is kept of events of this type: e-mails, text messages, attempts to pay, and whatever is not switched on,
    /// such as by [`keep_sessions`](crate::ClerkSync::keep_sessions).
    NotKept,
    /// It comes from another instance than the one that was set.
    OtherInstance,
    /// The event has no id, so it does not say which object was changed or deleted. Handlers acknowledge it, because a retry
    /// would not help. [`ClerkSync::apply`](crate::ClerkSync::apply) returns this reason.
    WithoutId,
}

impl fmt::Display for IgnoredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotKept => "nothing is kept of events of this type",
            Self::OtherInstance => "the event comes from another instance",
            Self::WithoutId => "the event does not say which object it is about",
        })
    }
}
