//! The log lines of the queues, and the counter of dead letters.

use clerk_webhook_core::{EventType, MessageId};
use clerk_webhook_store::Scope;

/// Logs and counts that a job became a dead letter, so that the operator can retry or discard it.
pub(crate) fn dead_letter(
    scope: &Scope,
    message_id: &MessageId,
    event_type: &EventType,
    attempts: u32,
    last_error: &str,
) {
    #[cfg(feature = "metrics")]
    crate::queue::metrics::dead_letter(scope, event_type);
    #[cfg(feature = "tracing")]
    tracing::error!(
        target: "clerk_webhook",
        message_id = message_id.as_str(),
        event_type = event_type.as_str(),
        attempts,
        last_error,
        "the event became a dead letter: fix the cause, then retry or discard the event"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (message_id, event_type, attempts, last_error);
    #[cfg(not(feature = "metrics"))]
    let _ = scope;
}

/// Logs that the database acknowledges events before they are durable.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn not_durable(setting: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        target: "clerk_webhook",
        setting,
        "events that the queue has accepted can be lost if the machine of the database crashes"
    );
    #[cfg(not(feature = "tracing"))]
    let _ = setting;
}
