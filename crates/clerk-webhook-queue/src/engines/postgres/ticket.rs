//! The payload of a ticket: which record it belongs to.

use clerk_webhook_core::MessageId;
use clerk_webhook_store::Scope;
use serde::{Deserialize, Serialize};

/// graphile_worker logs the payload of its jobs, so it contains nothing of the event except the message id.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Ticket {
    pub(crate) table: String,
    pub(crate) scope: String,
    pub(crate) message_id: String,
}

impl Ticket {
    /// The task identifier of the tickets.
    pub(crate) const TASK: &str = "clerk_webhook";

    pub(super) fn of(table: &str, scope: &Scope, message_id: &MessageId) -> Self {
        Self {
            table: table.to_owned(),
            scope: scope.as_str().to_owned(),
            message_id: message_id.as_str().to_owned(),
        }
    }

    /// Reads the message id from a payload. It is missing only if somebody has changed the ticket.
    pub(super) fn message_id(payload: &serde_json::Value) -> Option<MessageId> {
        payload.get("message_id")?.as_str()?.parse().ok()
    }
}
