//! The tables that the types of events change.

use clerk_webhook_core::EventType;

use super::config::KeptTables;

/// The beginnings of the event types, up to the dot, with their tables.
const TABLES: [(&str, &str); 11] = [
    ("user", "users"),
    ("organization", "organizations"),
    ("organizationMembership", "memberships"),
    ("organizationInvitation", "invitations"),
    ("organizationDomain", "domains"),
    ("role", "roles"),
    ("permission", "permissions"),
    ("session", "sessions"),
    ("subscription", "subscriptions"),
    ("subscriptionItem", "subscription_items"),
    ("waitlistEntry", "waitlist_entries"),
];

/// Returns the table of the object that events of this type describe.
fn of_event(event_type: &EventType) -> Option<&'static str> {
    let (object, _) = event_type.as_str().split_once('.')?;
    TABLES.iter().find(|(known, _)| *known == object).map(|(_, table)| *table)
}

/// Returns the types of the events that the endpoint needs, in alphabetical order.
pub(super) fn needed_events(kept: KeptTables) -> Vec<&'static str> {
    let is_kept = |table: &str| match table {
        "sessions" => kept.sessions,
        "subscriptions" | "subscription_items" => kept.billing,
        "waitlist_entries" => kept.waitlist,
        _ => true,
    };
    let needed = EventType::ALL.iter().filter(|known| of_event(known).is_some_and(is_kept));
    needed.map(EventType::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_the_events_of_the_kept_tables() {
        let needed = needed_events(KeptTables::default());
        for expected in ["user.created", "organizationMembership.deleted", "role.updated"] {
            assert!(needed.contains(&expected), "{expected}");
        }
        for other in ["session.created", "subscription.created", "waitlistEntry.created", "email.created"] {
            assert!(!needed.contains(&other), "{other}");
        }
        let all = needed_events(KeptTables { sessions: true, billing: true, waitlist: true });
        assert!(all.contains(&"session.created") && all.contains(&"subscriptionItem.active"), "{all:?}");
        assert!(!all.contains(&"paymentAttempt.created") && !all.contains(&"sms.created"), "{all:?}");
    }
}
