//! `--notify`: a notification of Postgres in the transaction that changes a row.

use std::sync::Arc;

use clerk_webhook_core::Failure;
use clerk_webhook_sync::{Change, ClerkSync, Origin, RowChange};
use serde_json::json;
use sqlx::{PgConnection, Postgres};

/// Adds the notifications of events and comparisons. An import would send one for each object.
pub(super) fn add(sync: ClerkSync<Postgres>, channel: &str) -> ClerkSync<Postgres> {
    let channel: Arc<str> = channel.into();
    sync.on_change(move |change, connection| {
        let channel = Arc::clone(&channel);
        Box::pin(async move { send(&change, &channel, connection).await })
    })
}

async fn send(change: &Change, channel: &str, connection: &mut PgConnection) -> Result<(), Failure> {
    let Some((table, id, origin)) = parts(change) else { return Ok(()) };
    if origin == Origin::Backfill {
        return Ok(());
    }
    let payload = json!({ "table": table, "id": id }).to_string();
    // A persistent statement would have a name, which poolers in transaction mode do not support.
    let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(channel).bind(payload).persistent(false);
    notify.execute(connection).await?;
    Ok(())
}

/// Returns the table, the id of the row, and what changed it.
fn parts(change: &Change) -> Option<(&'static str, &str, Origin)> {
    fn of<'c, T>(table: &'static str, row: &'c RowChange<T>) -> Option<(&'static str, &'c str, Origin)> {
        Some((table, &row.id, row.origin))
    }
    match change {
        Change::User(row) => of("users", row),
        Change::Organization(row) => of("organizations", row),
        Change::Membership(row) => of("memberships", row),
        Change::Invitation(row) => of("invitations", row),
        Change::Domain(row) => of("domains", row),
        Change::Role(row) => of("roles", row),
        Change::Permission(row) => of("permissions", row),
        Change::Session(row) => of("sessions", row),
        Change::SubscriptionItem(row) => of("subscription_items", row),
        Change::Subscription(row) => of("subscriptions", row),
        Change::WaitlistEntry(row) => of("waitlist_entries", row),
        _ => None,
    }
}
