//! Incomplete payloads produce the same tables in every order.

use clerk_webhook_core::{Event, Timestamp};
use serde_json::{Value, json};
use sqlx::Sqlite;

use super::tables::dump;
use super::{memory, runtime};
use crate::ClerkSync;

const T: i64 = 1_700_000_000_000;

fn event(event_type: &str, at: i64, data: Value) -> Event {
    let body = json!({ "data": data, "timestamp": T + at, "type": event_type }).to_string();
    Event::from_trusted("msg_1".parse().unwrap(), Timestamp::from_millis(T), body.into()).unwrap()
}

/// Returns all permutations of the numbers below `count`.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let Some(last) = count.checked_sub(1) else { return vec![Vec::new()] };
    let insert =
        |order: Vec<usize>| (0..=last).map(move |place| [&order[..place], &[last], &order[place..]].concat());
    orders(last).into_iter().flat_map(insert).collect()
}

/// Returns the data without the member of this name.
fn without(mut data: Value, name: &str) -> Value {
    assert!(data.as_object_mut().unwrap().remove(name).is_some(), "{name}");
    data
}

/// Applies the events in all orders, asserts that the final rows are equal, and returns them.
fn rows(events: &[Event]) -> String {
    let runtime = runtime();
    runtime.block_on(async {
        let pool = memory().await;
        let sync: ClerkSync<Sqlite> = ClerkSync::new(pool.clone())
            .raw(crate::RawColumn::Full)
            .keep_sessions()
            .keep_billing()
            .keep_waitlist();
        sync.migrate().await.unwrap();
        let mut expected: Option<Vec<String>> = None;
        for order in orders(events.len()) {
            let mut transaction = pool.begin().await.unwrap();
            // Apply all events twice, because the sender can repeat deliveries.
            for index in order.iter().chain(&order) {
                sync.apply_in(&mut transaction, &events[*index]).await.unwrap();
            }
            let rows = dump::<Sqlite>("clerk_", &mut transaction).await;
            assert_eq!(*expected.get_or_insert_with(|| rows.clone()), rows, "{order:?}");
            transaction.rollback().await.unwrap();
        }
        expected.unwrap_or_default().join("\n")
    })
}

fn user(name: &str, at: i64) -> Value {
    let address = json!({ "email_address": format!("{name}@example.com"), "id": "idn_1" });
    json!({
        "email_addresses": [address], "first_name": name, "id": "user_1", "primary_email_address_id": "idn_1",
        "updated_at": T + at,
    })
}

fn membership(role: &str, at: i64) -> Value {
    json!({
        "created_at": T, "id": "orgmem_1", "role": role, "updated_at": T + at,
        "organization": { "id": "org_1", "name": "shown" },
        "public_user_data": { "first_name": "shown", "user_id": "user_1" },
    })
}

#[test]
fn a_user_without_addresses_never_replaces_a_complete_user() {
    let partial = |name: &str, at| without(user(name, at), "email_addresses");
    let events = [
        event("user.created", 10, user("ada", 1)),
        event("user.updated", 20, partial("partial", 15)),
        event("user.updated", 30, partial("later", 25)),
        event("organizationMembership.created", 40, membership("org:member", 35)),
    ];
    let ended = rows(&events);
    assert!(
        ended.contains("ada@example.com") && !ended.contains("partial") && !ended.contains("later"),
        "{ended}"
    );
    // Without a complete version, the newest incomplete one wins.
    let ended = rows(&events[1..3]);
    assert!(
        ended.contains("later") && !ended.contains("partial") && !ended.contains("example.com"),
        "{ended}"
    );
    let newest = event("user.updated", 22, user("grace", 18));
    let ended = rows(&[&events[..3], &[newest]].concat());
    assert!(
        ended.contains("grace@example.com") && !ended.contains("ada") && !ended.contains("later"),
        "{ended}"
    );
    let deleted = event("user.deleted", 5, json!({ "id": "user_1" }));
    let ended = rows(&[&events[..3], &[deleted]].concat());
    assert!(!ended.contains("example.com") && !ended.contains("later"), "{ended}");
}

#[test]
fn the_role_of_the_newest_complete_membership_wins() {
    let events = [
        event("organizationMembership.created", 10, membership("org:admin", 1)),
        event("organizationMembership.updated", 30, without(membership("", 25), "role")),
        event("organizationMembership.updated", 20, membership("org:member", 15)),
        event("user.created", 10, user("ada", 1)),
    ];
    let ended = rows(&events);
    assert!(ended.contains("org:member") && !ended.contains("org:admin"), "{ended}");
    assert!(rows(&events[..2]).contains("org:admin"));
}

#[test]
fn objects_without_an_essential_key_erase_nothing() {
    for (object, key, expected, data) in [
        ("organization", "name", "Acme", json!({ "name": "Acme" })),
        (
            "organizationDomain",
            "name",
            "acme.example",
            json!({ "name": "acme.example", "organization_id": "org_1" }),
        ),
        ("role", "permissions", "org:read", json!({ "key": "r", "permissions": [{ "key": "org:read" }] })),
        ("permission", "key", "org:write", json!({ "key": "org:write" })),
        ("subscription", "status", "active", json!({ "status": "active", "payer_id": "cpayer_1" })),
        ("waitlistEntry", "email_address", "ada@example.com", json!({ "email_address": "ada@example.com" })),
    ] {
        let at = |at: i64| {
            let mut data = data.clone();
            (data["id"], data["updated_at"]) = ("x_1".into(), (T + at).into());
            data
        };
        let events = [
            event(&format!("{object}.created"), 10, at(1)),
            event(&format!("{object}.updated"), 20, without(at(15), key)),
            event(&format!("{object}.updated"), 30, without(at(25), key)),
        ];
        let ended = rows(&events);
        assert!(ended.contains(expected), "{object}: {ended}");
    }
}

#[test]
fn an_end_wins_even_if_its_payload_lacks_fields() {
    let session = json!({ "client_id": "client_1", "expire_at": T, "id": "sess_1", "status": "active", "user_id": "user_1" });
    let item = json!({ "id": "csub_item_1", "plan": { "slug": "pro" }, "status": "active" });
    let invitation = json!({ "email_address": "ada@example.com", "id": "orginv_1", "status": "pending" });
    for (begun, ended, live, data, end) in [
        (
            "session.created",
            "session.revoked",
            "active",
            session,
            json!({ "id": "sess_1", "user_id": "user_1" }),
        ),
        ("subscriptionItem.active", "subscriptionItem.ended", "active", item, json!({ "id": "csub_item_1" })),
        (
            "organizationInvitation.created",
            "organizationInvitation.revoked",
            "pending",
            invitation,
            json!({ "id": "orginv_1" }),
        ),
    ] {
        let rows = rows(&[event(begun, 10, data), event(ended, 20, end)]);
        assert!(!rows.contains(live), "{ended}: {rows}");
    }
}
