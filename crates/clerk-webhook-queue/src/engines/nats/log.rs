//! The log line of a job that cannot be taken.

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
