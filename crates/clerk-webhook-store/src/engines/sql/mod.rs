//! The parts that the SQLite store and the Postgres store share.

pub(crate) mod detach;
mod error;
mod table;
mod transaction;

use std::error::Error;
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use sqlx::{ColumnIndex, Decode, Row, Type};

use crate::store::claim::LeaseState;

pub use error::{ConnectError, advise};
pub use table::InvalidTableName;
pub(crate) use table::{SchemaOf, TableName, statements};
#[cfg(feature = "postgres")]
pub use transaction::PostgresTransaction;
#[cfg(feature = "sqlite")]
pub use transaction::SqliteTransaction;
pub use transaction::{Committing, DeliveryTransaction};

/// How many times a claim is tried. A try is repeated if another caller changes the row between the claim and
/// the lookup.
pub(crate) const TRIES: u32 = 8;

/// The retry delay if it is unknown when the other caller's lease expires.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// 100 years: longer than any lease, and within the range of every database.
const LONGEST_MILLIS: i64 = 100 * 366 * 24 * 60 * 60 * 1000;

/// The state of a delivery that could not be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Completed(Timestamp),
    /// Another caller has a lease, which expires after this duration.
    Leased(Duration),
    /// The delivery can be claimed now: the row was changed or deleted after the claim.
    Free,
}

impl Found {
    /// Reads the row that the lookup statement returned. A missing row means that the delivery is free.
    pub(crate) fn from_row<'r, R: Row>(row: Option<&'r R>) -> Result<Self, sqlx::Error>
    where
        &'static str: ColumnIndex<R>,
        i64: Decode<'r, R::Database> + Type<R::Database>,
    {
        let Some(row) = row else { return Ok(Self::Free) };
        Ok(Self::from_columns(row.try_get("state")?, row.try_get("updated_at")?, row.try_get("lease_left")?))
    }

    fn from_columns(state: i64, updated_at: i64, lease_left: i64) -> Self {
        match (state, u64::try_from(lease_left)) {
            (1, _) => Self::Completed(Timestamp::from_millis(updated_at)),
            (0, Ok(left @ 1..)) => Self::Leased(Duration::from_millis(left)),
            _ => Self::Free,
        }
    }
}

/// Reads the attempt number from the row that a claim or a mark returns.
pub(crate) fn attempt<'r, R: Row, N>(row: &'r R) -> Result<u32, sqlx::Error>
where
    &'static str: ColumnIndex<R>,
    N: Decode<'r, R::Database> + Type<R::Database> + TryInto<u32, Error: Error + Send + Sync + 'static>,
{
    row.try_get::<N, _>("attempt")?.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Returns `Held` if the statement changed a row, because it changes only a row that the lease owns.
pub fn state_of(rows: u64) -> LeaseState {
    if rows > 0 { LeaseState::Held } else { LeaseState::Lost }
}

/// Returns whole milliseconds, rounded up, so that a lease below 1 ms does not expire immediately.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    let millis = duration.as_nanos().div_ceil(1_000_000);
    i64::try_from(millis).unwrap_or(LONGEST_MILLIS).min(LONGEST_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_durations_up_and_limits_them_to_100_years() {
        for (duration, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1_500), 2),
            (Duration::from_secs(60), 60_000),
            (Duration::MAX, 3_162_240_000_000),
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
