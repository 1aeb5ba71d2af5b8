//! The result of applying an event.

use std::fmt;

#[cfg(feature = "metrics")]
use crate::apply::change::Origin;

/// What an event changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Applied {
    /// The row for the event's object was inserted.
    Inserted,
    /// The row for the event's object was updated.
    Updated,
    /// The row for the event's object became a tombstone, or its tombstone changed: an earlier deletion moves
    /// `deleted_at` back, and a membership's deletion can add missing ids.
    Tombstoned,
    /// The event's object did not change, because its row is newer, equal or a tombstone.
    ///
    /// Other rows may have changed, because the event can contain copies of other objects. A membership's
    /// tombstone may have received missing ids and `created_at`.
    Stale,
    /// The event was ignored.
    Ignored(IgnoredReason),
}

impl Applied {
    /// Returns whether the row for the event's object changed.
    #[must_use]
    pub const fn is_change(self) -> bool {
        matches!(self, Self::Inserted | Self::Updated | Self::Tombstoned)
    }

    /// Returns the name of the variant in `snake_case`.
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

/// What an event changed, before the metrics contain it.
#[must_use]
pub(crate) struct Uncounted {
    pub(crate) applied: Applied,
    /// The table of the event's object; `None` if the event was ignored.
    pub(crate) table: Option<&'static str>,
}

impl Uncounted {
    /// Adds the result to the metrics.
    pub(crate) fn count(self) -> Applied {
        let Self { applied, table } = self;
        #[cfg(feature = "metrics")]
        if let Some(table) = table {
            crate::metrics::applied(table, applied.as_str(), Origin::Event.as_str(), 1);
        }
        #[cfg(not(feature = "metrics"))]
        let _ = table;
        applied
    }
}

/// Why an event was ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IgnoredReason {
    /// The sync does not store events of this type.
    ///
    /// These are events about sent emails, sent text messages and payment attempts, unknown types, and types
    /// that need a setting, such as sessions ([`keep_sessions`](crate::ClerkSync::keep_sessions)).
    NotKept,
    /// The event belongs to an instance other than the one set with
    /// [`instance_id`](crate::ClerkSync::instance_id).
    OtherInstance,
    /// The data has no id, so the sync cannot find the object that was changed or deleted.
    ///
    /// Handlers acknowledge the event, because a retry would not help. To detect it, call
    /// [`ClerkSync::apply`](crate::ClerkSync::apply) or [`apply_in`](crate::ClerkSync::apply_in).
    WithoutId,
}

impl fmt::Display for IgnoredReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotKept => "the sync does not store events of this type",
            Self::OtherInstance => "the event belongs to a different Clerk instance",
            Self::WithoutId => "the event's data has no id",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_reasons_have_a_text() {
        let ignored = Applied::Ignored(IgnoredReason::NotKept);
        for (applied, name, is_change) in [
            (Applied::Inserted, "inserted", true),
            (Applied::Updated, "updated", true),
            (Applied::Tombstoned, "tombstoned", true),
            (Applied::Stale, "stale", false),
            (ignored, "ignored", false),
        ] {
            assert_eq!((applied.as_str(), applied.is_change()), (name, is_change));
            // The text can be padded, as in a table.
            assert_eq!(format!("{applied:>12}"), format!("{name:>12}"));
        }
        assert_eq!(IgnoredReason::WithoutId.to_string(), "the event's data has no id");
    }
}
