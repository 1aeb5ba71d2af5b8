//! The parts that the queues share.

/// The last error of a job whose worker crashed during the last attempt.
pub(super) const CRASHED: &str =
    "the lease of the last attempt expired: the worker crashed, or a handler blocked its thread";

/// The last error of a job whose stored body has been changed, so that it is not an event.
pub(super) const NOT_AN_EVENT: &str = "the stored body is not an event";

/// The pause between two statements that retry many dead letters, so that other statements need not wait for
/// long.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

/// Returns the first `limit` bytes of a text, or fewer, so that no character is split.
pub(super) fn truncated(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) fn enqueued(rows: u64) -> crate::queue::delivery_queue::Enqueued {
    use crate::queue::delivery_queue::Enqueued;
    if rows > 0 { Enqueued::New } else { Enqueued::Duplicate }
}
