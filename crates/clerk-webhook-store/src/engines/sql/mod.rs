//! What the stores on SQL databases share.

mod table;
mod transaction;

use std::time::Duration;

use clerk_webhook_core::Timestamp;

pub use table::InvalidTableName;
pub(crate) use table::{SchemaOf, TableName};
pub use transaction::DeliveryTransaction;

/// How often a claim is tried where the row changes between two statements. Each time somebody else got something done.
pub(crate) const TRIES: u32 = 8;

/// When it is worth another attempt where nobody knows for how long the delivery is taken.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// A hundred years: beyond any lease, and within what every database counts.
const LONGEST_MILLIS: i64 = 100 * 366 * 24 * 60 * 60 * 1000;

/// What a row says about a delivery that could not be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Completed(Timestamp),
    /// Somebody has it for so long.
    Leased(Duration),
    /// It can be claimed again: the row has changed since, or has gone.
    Free,
}

impl Found {
    /// Reads a row of the statement that looks up a delivery.
    pub(crate) fn from_columns(state: i64, updated_at: i64, lease_left: i64) -> Self {
        match (state, u64::try_from(lease_left)) {
            (1, _) => Self::Completed(Timestamp::from_millis(updated_at)),
            (0, Ok(left @ 1..)) => Self::Leased(Duration::from_millis(left)),
            _ => Self::Free,
        }
    }
}

/// Returns whole milliseconds, rounded up: a lease of less than one is not one that has ended.
pub(crate) fn millis(duration: Duration) -> i64 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    i64::try_from(millis).unwrap_or(LONGEST_MILLIS).min(LONGEST_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded_up_and_end_at_a_hundred_years() {
        for (duration, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1_500), 2),
            (Duration::from_secs(60), 60_000),
            (Duration::MAX, LONGEST_MILLIS),
        ] {
            assert_eq!(millis(duration), expected, "{duration:?}");
        }
    }

    #[test]
    fn a_row_is_completed_leased_or_free() {
        assert_eq!(Found::from_columns(1, 5, -1), Found::Completed(Timestamp::from_millis(5)));
        assert_eq!(Found::from_columns(0, 5, 7), Found::Leased(Duration::from_millis(7)));
        for (state, left) in [(0, 0), (0, -7), (2, 7)] {
            assert_eq!(Found::from_columns(state, 5, left), Found::Free, "{state} {left}");
        }
    }
}
