//! The log lines of jobs that cannot be taken.

use super::error::NatsQueueError;

/// Logs that a job cannot be read or written. The other jobs continue.
pub(super) fn unusable_job(stream: &str, message_id: &str, error: &NatsQueueError) {
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "clerk_webhook",
        stream,
        message_id,
        %error,
        "the queue skips a job that it cannot read or write: follow the advice of the error"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (stream, message_id, error);
}

/// Logs that jobs or dead letters no longer exist, although no client of the queue has deleted them.
pub(super) fn vanished_jobs(stream: &str, number: usize) {
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "clerk_webhook",
        stream,
        number,
        "events of the queue were deleted on the server, and are lost: deliver them again from the Clerk Dashboard"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (stream, number);
}
