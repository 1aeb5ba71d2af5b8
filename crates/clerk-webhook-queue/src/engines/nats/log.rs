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
        "cannot take a job of the queue, and skips it"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (stream, message_id, error);
}
