//! The parts that the queues in SQL databases share.

use std::time::Duration;

use crate::queue::delivery_queue::Enqueued;
use crate::queue::job_queue::MAX_ERROR_LENGTH;

/// The last error of a job whose worker crashed during the last attempt.
pub(super) const CRASHED: &str =
    "the lease of the last attempt expired: the worker crashed, or a handler blocked its thread";

/// The last error of a job whose stored body has been changed, so that it is not an event.
pub(super) const NOT_AN_EVENT: &str = "the stored body is not an event";

/// The pause between two statements that retry many dead letters, so that other statements need not wait for
/// long.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// Returns the first [`MAX_ERROR_LENGTH`] bytes of a text, or fewer, so that no character is split.
pub(super) fn truncated(error: &str) -> &str {
    let end = (0..=MAX_ERROR_LENGTH.min(error.len())).rev().find(|end| error.is_char_boundary(*end));
    &error[..end.unwrap_or_default()]
}

pub(super) fn enqueued(rows: u64) -> Enqueued {
    if rows > 0 { Enqueued::New } else { Enqueued::Duplicate }
}
