//! Texts for logs and metrics.

use clerk_webhook_core::EventType;

/// Returns the name of a known event type, or `_OTHER` as in the core, so that the number of time series is
/// bounded.
pub(crate) fn type_name(event_type: &EventType) -> &str {
    if event_type.is_known() { event_type.as_str() } else { "_OTHER" }
}
