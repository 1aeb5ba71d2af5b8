//! Sessions, billing and the waitlist, which are stored only if a setting enables them.

use clerk_webhook_core::event::payload::BillingInterval;
use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_sync::{Applied, ClerkSync, IgnoredReason, RawColumn, SyncErrorKind};
use clerk_webhook_tests::{fixtures, message_id};
use serde_json::{Value, json};

use crate::databases::{Engine, T, deleted, event, migrated, on_both_engines, user};

on_both_engines!(
    sessions_are_listed_until_they_end,
    sessions_and_subscriptions_contain_no_personal_data,
    paid_plans_are_listed,
    a_copy_of_an_item_is_listed_until_an_event_of_the_item_arrives,
    items_that_their_subscription_no_longer_contains_are_not_listed,
    plans_end_with_their_subscription,
    plans_end_with_their_payer,
    waitlist_entries_are_found_and_erased_by_address,
);

/// A time in milliseconds in the year 2255.
const FAR_FUTURE: i64 = 9_000_000_000_000;

fn session(id: &str, status: &str, updated_at: i64) -> Value {
    json!({
        "abandon_at": FAR_FUTURE, "actor": { "sub": "user_admin" }, "client_id": "client_1", "created_at": T,
        "expire_at": FAR_FUTURE, "id": id, "last_active_at": updated_at, "last_active_organization_id": "org_1",
        "latest_activity": { "city": "Turin", "id": "sess_activity_1", "ip_address": "192.0.2.17", "is_mobile": false },
        "status": status, "updated_at": updated_at, "user": user("user_1", "Ada", T), "user_id": "user_1",
    })
}

fn payer(user_id: &str, organization_id: &str) -> Value {
    json!({
        "email": "ada@example.com", "first_name": "Ada", "id": "cpayer_1", "image_url": "", "last_name": "Lovelace",
        "organization_id": organization_id, "organization_name": "Acme", "user_id": user_id,
    })
}

/// Returns an item in the form that a subscription contains.
fn item(id: &str, plan: &str, status: &str, updated_at: i64) -> Value {
    json!({
        "created_at": T, "id": id, "interval": "annual", "is_free_trial": true, "period_end": FAR_FUTURE, "period_start": T,
        "plan": { "amount": 1450, "currency": "EUR", "id": "cplan_1", "is_recurring": true, "name": plan, "slug": plan },
        "plan_id": "cplan_1", "seats": { "quantity": 5 }, "status": status, "subscription_id": null,
        "updated_at": updated_at,
    })
}

/// Returns an item in the form that its own events contain.
fn whole_item(id: &str, plan: &str, status: &str, updated_at: i64) -> Value {
    let mut item = item(id, plan, status, updated_at);
    item["payer"] = payer("user_1", "");
    item["subscription_id"] = "csub_1".into();
    item
}

fn subscription(status: &str, updated_at: i64, items: Value) -> Value {
    json!({
        "active_at": T, "created_at": T, "id": "csub_1", "items": items, "past_due_at": T + 3, "payer": payer("user_1", ""),
        "payer_id": "cpayer_1", "status": status, "updated_at": updated_at,
    })
}

async fn plans<DB: Engine>(sync: &ClerkSync<DB>, payer: &str) -> Vec<String> {
    let items = sync.subscription_items_of(payer).await.unwrap();
    items.iter().map(|item| format!("{} {}", item.plan_slug.as_deref().unwrap(), item.status)).collect()
}

async fn sessions_are_listed_until_they_end<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions();
    let pending = event("session.pending", T + 10, session("sess_1", "pending", T));
    let created = event("session.created", T + 11, session("sess_1", "active", T));
    let ended = event("session.ended", T + 30, session("sess_1", "ended", T + 20));
    let other = event("session.created", T + 10, session("sess_2", "active", T + 2));
    let mut expired = session("sess_3", "active", T);
    expired["expire_at"] = (T + 5).into();
    let expired = event("session.created", T + 10, expired);
    // If two versions have the same `updated_at`, the later event wins.
    for (event, expected) in [
        (&created, Applied::Inserted),
        (&pending, Applied::Stale),
        (&other, Applied::Inserted),
        (&expired, Applied::Inserted),
    ] {
        assert_eq!(sync.apply(event).await.unwrap(), expected);
    }
    let sessions = sync.sessions_of("user_1").await.unwrap();
    let ids: Vec<_> = sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids, ["sess_1", "sess_2"]);
    // A resent event inserts a removed row again. Only `expire_at` shows that the session is over.
    <DB as Engine>::run(sync.pool(), &format!("DELETE FROM clerk_sessions WHERE expire_at < {FAR_FUTURE}"))
        .await;
    assert_eq!(sync.apply(&expired).await.unwrap(), Applied::Inserted);
    assert_eq!(sync.sessions_of("user_1").await.unwrap().len(), 2);
    let active = "SELECT id FROM clerk_active_sessions ORDER BY id";
    assert_eq!(DB::texts(sync.pool(), active).await.len(), 3);
    let [at, end] = [T, FAR_FUTURE].map(|at| Some(Timestamp::from_millis(at)));
    let session = &sessions[0];
    assert_eq!((session.created_at, session.last_active_at, Some(session.updated_at)), (at, at, at));
    assert_eq!((session.expire_at, session.abandon_at), (end, end));
    let texts = [&session.user_id, &session.client_id, &session.last_active_organization_id];
    assert_eq!(texts.map(|text| text.as_deref().unwrap()), ["user_1", "client_1", "org_1"]);
    assert_eq!(session.status, "active");

    assert_eq!(sync.apply(&ended).await.unwrap(), Applied::Updated);
    assert_eq!(sync.apply(&created).await.unwrap(), Applied::Stale);
    assert_eq!(sync.sessions_of("user_1").await.unwrap().len(), 1);
    // When a user is deleted, the user's sessions end without an event.
    sync.apply(&event("user.deleted", T + 40, deleted("user_1"))).await.unwrap();
    assert!(sync.sessions_of("user_1").await.unwrap().is_empty());
}

async fn sessions_and_subscriptions_contain_no_personal_data<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions().keep_billing().raw(RawColumn::Full);
    let items = json!([whole_item("csub_item_1", "pro", "active", T)]);
    for event in [
        event("session.created", T + 10, session("sess_1", "active", T)),
        event("subscription.created", T + 10, subscription("active", T, items)),
        event("subscriptionItem.active", T + 10, whole_item("csub_item_2", "basic", "active", T)),
    ] {
        assert_eq!(sync.apply(&event).await.unwrap(), Applied::Inserted);
    }
    let mut kept = Vec::new();
    for table in ["sessions", "subscriptions", "subscription_items"] {
        let raw = DB::as_text("raw");
        let query = format!("SELECT {raw} FROM clerk_{table} WHERE raw IS NOT NULL");
        kept.extend(DB::texts(sync.pool(), &query).await.into_iter().flatten());
    }
    let [session, subscription, item] = <[String; 3]>::try_from(kept).unwrap();
    for raw in [&session, &subscription, &item] {
        for personal in ["Ada", "Lovelace", "ada@", "192.0.2.17", "Turin", "user_admin", "Acme"] {
            assert!(!raw.contains(personal), "{raw} contains {personal}");
        }
    }
    assert!(session.contains("client_1") && subscription.contains("cpayer_1") && item.contains("basic"));
    // The copies of users and organizations in these events are not stored either.
    for table in ["users", "organizations", "user_emails"] {
        assert!(DB::texts(sync.pool(), &format!("SELECT id FROM clerk_{table}")).await.is_empty(), "{table}");
    }
}

async fn paid_plans_are_listed<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_billing();
    let began = event("subscription.created", T + 10, subscription("past_due", T, json!([])));
    assert_eq!(sync.apply(&began).await.unwrap(), Applied::Inserted);
    for (number, status) in
        ["active", "canceled", "past_due", "upcoming", "ended", "abandoned", "incomplete", "expired"]
            .into_iter()
            .enumerate()
    {
        let data = whole_item(&format!("csub_item_{number}"), "pro", status, T);
        sync.apply(&event("subscriptionItem.updated", T + 10, data)).await.unwrap();
    }
    // This item's period is over, but no event has reported its end.
    let mut late = whole_item("csub_item_9", "pro", "canceled", T);
    late["period_end"] = (T + 5).into();
    sync.apply(&event("subscriptionItem.canceled", T + 10, late)).await.unwrap();
    assert_eq!(plans(&sync, "user_1").await, ["pro active", "pro canceled", "pro past_due"]);
    assert!(plans(&sync, "org_1").await.is_empty());

    let item = sync.subscription_items_of("user_1").await.unwrap().remove(0);
    let at = |at| Some(Timestamp::from_millis(at));
    assert_eq!((item.created_at, item.period_start, item.period_end), (at(T), at(T), at(FAR_FUTURE)));
    let texts = [&item.subscription_id, &item.payer_id, &item.user_id, &item.plan_id, &item.plan_name];
    let expected = ["csub_1", "cpayer_1", "user_1", "cplan_1", "pro"];
    assert_eq!(texts.map(|text| text.as_deref().unwrap()), expected);
    assert_eq!((item.organization_id, item.billing_interval), (None, Some(BillingInterval::Annual)));
    assert_eq!((item.amount, item.currency.as_deref(), item.seats), (Some(1450), Some("EUR"), Some(5)));
    assert!(item.is_free_trial);

    let subscription = sync.subscriptions_of("user_1").await.unwrap().remove(0);
    assert_eq!((subscription.id.as_str(), subscription.status.as_str()), ("csub_1", "past_due"));
    assert_eq!((subscription.created_at, subscription.active_at), (at(T), at(T)));
    assert_eq!((subscription.past_due_at, subscription.canceled_at), (at(T + 3), None));
    assert_eq!((subscription.ended_at, subscription.updated_at), (None, Timestamp::from_millis(T)));
    assert_eq!(subscription.payer_id.as_deref(), Some("cpayer_1"));
    assert_eq!((subscription.user_id.as_deref(), subscription.organization_id), (Some("user_1"), None));
    let ended = event("subscription.updated", T + 30, self::subscription("ended", T + 20, json!([])));
    assert_eq!(sync.apply(&ended).await.unwrap(), Applied::Updated);
    assert!(sync.subscriptions_of("user_1").await.unwrap().is_empty());
}

async fn a_copy_of_an_item_is_listed_until_an_event_of_the_item_arrives<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_billing();
    let items = json!([item("csub_item_1", "pro", "active", T)]);
    let began = event("subscription.created", T + 10, subscription("active", T, items));
    assert_eq!(sync.apply(&began).await.unwrap(), Applied::Inserted);
    let shown = sync.subscription_items_of("user_1").await.unwrap().remove(0);
    assert_eq!(
        (shown.payer_id.as_deref(), shown.subscription_id.as_deref()),
        (Some("cpayer_1"), Some("csub_1"))
    );

    // A newer copy replaces an older copy.
    let items = json!([item("csub_item_1", "pro", "past_due", T + 20)]);
    let overdue = event("subscription.pastDue", T + 30, subscription("past_due", T + 20, items));
    assert_eq!(sync.apply(&overdue).await.unwrap(), Applied::Updated);
    assert_eq!(plans(&sync, "user_1").await, ["pro past_due"]);

    // An event about the item wins over every copy.
    let own =
        event("subscriptionItem.canceled", T + 15, whole_item("csub_item_1", "pro", "canceled", T + 12));
    assert_eq!(sync.apply(&own).await.unwrap(), Applied::Updated);
    let items = json!([item("csub_item_1", "pro", "ended", T + 40)]);
    let later = event("subscription.updated", T + 50, subscription("active", T + 40, items));
    assert_eq!(sync.apply(&later).await.unwrap(), Applied::Updated);
    assert_eq!(plans(&sync, "user_1").await, ["pro canceled"]);
}

async fn items_that_their_subscription_no_longer_contains_are_not_listed<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_billing();
    let both = json!([item("csub_item_2", "basic", "active", T), item("csub_item_1", "pro", "active", T)]);
    let one = json!([item("csub_item_2", "basic", "active", T)]);
    let first = event("subscription.created", T + 10, subscription("active", T, both));
    let second = event("subscription.updated", T + 30, subscription("active", T + 20, one));
    for event in [&second, &first, &second] {
        sync.apply(event).await.unwrap();
        assert_eq!(plans(&sync, "user_1").await, ["basic active"]);
    }
    // An event about the item makes it independent of its subscription.
    let own = event("subscriptionItem.active", T + 12, whole_item("csub_item_1", "pro", "active", T));
    sync.apply(&own).await.unwrap();
    assert_eq!(plans(&sync, "user_1").await, ["pro active", "basic active"]);
}

/// The event that ends the item may be lost, or the endpoint may not subscribe to it.
async fn plans_end_with_their_subscription<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_billing();
    let own = whole_item("csub_item_1", "pro", "active", T);
    let began = event("subscription.created", T + 10, subscription("active", T, json!([own.clone()])));
    let own = event("subscriptionItem.active", T + 30, own);
    let subscription = |status: &str, at: i64| subscription(status, at, json!([]));
    for (status, is_over) in [("canceled", false), ("ended", true), ("abandoned", true), ("expired", true)] {
        let at = T + 30 + i64::from(is_over);
        for event in [&began, &own, &event("subscription.updated", at, subscription(status, T + 20))] {
            sync.apply(event).await.unwrap();
        }
        assert_eq!(plans(&sync, "user_1").await.is_empty(), is_over, "{status}");
        // A newer event makes the subscription active again.
        let again = event("subscription.updated", T + 40, subscription("active", T + 20));
        sync.apply(&again).await.unwrap();
        assert_eq!(plans(&sync, "user_1").await, ["pro active"]);
        <DB as Engine>::run(sync.pool(), "DELETE FROM clerk_subscriptions").await;
    }

    // If the subscription ended before the item's event, the item does not end. If it ended at the same time,
    // the item ends.
    for (at, expected) in [(T + 29, 1), (T + 30, 0)] {
        let ended = event("subscription.updated", at, subscription("ended", T + 20));
        assert!(sync.apply(&ended).await.unwrap().is_change());
        assert_eq!(plans(&sync, "user_1").await.len(), expected);
    }
}

async fn plans_end_with_their_payer<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_billing();
    for (user_id, organization_id, id) in [("user_1", "", "1"), ("", "org_1", "2"), ("user_2", "", "3")] {
        let mut data = whole_item(&format!("csub_item_{id}"), "pro", "active", T);
        data["payer"] = payer(user_id, organization_id);
        sync.apply(&event("subscriptionItem.active", T + 10, data)).await.unwrap();
        let mut data = subscription("active", T, json!([]));
        data["payer"] = payer(user_id, organization_id);
        data["id"] = format!("csub_{id}").into();
        sync.apply(&event("subscription.created", T + 10, data)).await.unwrap();
    }
    let counts = async |payer| {
        let items = sync.subscription_items_of(payer).await.unwrap().len();
        (items, sync.subscriptions_of(payer).await.unwrap().len())
    };
    for (payer, end) in [("user_1", "user.deleted"), ("org_1", "organization.deleted")] {
        assert_eq!(counts(payer).await, (1, 1));
        sync.apply(&event(end, T + 20, deleted(payer))).await.unwrap();
        assert_eq!(counts(payer).await, (0, 0));
    }
    assert_eq!(counts("user_2").await, (1, 1));
}

async fn waitlist_entries_are_found_and_erased_by_address<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_waitlist();
    let entry = |id: &str, address: &str, status: &str, updated_at: i64| {
        json!({
            "created_at": T, "email_address": address, "id": id, "is_locked": true, "status": status, "updated_at": updated_at,
            "invitation": {
                "created_at": T, "email_address": address, "id": "inv_1", "status": "pending", "updated_at": T,
                "url": "https://example.com/?ticket=t1cket",
            },
        })
    };
    for (event_type, data) in [
        ("waitlistEntry.updated", entry("wle_1", "ada@example.com", "invited", T + 5)),
        ("waitlistEntry.created", entry("wle_1", "ada@example.com", "pending", T)),
        ("waitlistEntry.created", entry("wle_2", "grace@example.com", "pending", T)),
    ] {
        sync.apply(&event(event_type, T + 10, data)).await.unwrap();
    }
    let entry = sync.waitlist_entry_by_email("ada@example.com").await.unwrap().unwrap();
    assert_eq!((entry.id.as_str(), entry.status.as_str(), entry.is_locked), ("wle_1", "invited", true));
    let [created_at, updated_at] = [T, T + 5].map(Timestamp::from_millis);
    assert_eq!((entry.created_at, entry.updated_at), (Some(created_at), updated_at));
    assert_eq!(entry.invitation_id.as_deref(), Some("inv_1"));
    assert_eq!(entry.email_address.as_deref(), Some("ada@example.com"));
    let raw = format!("SELECT {} FROM clerk_waitlist_entries ORDER BY id", DB::as_text("raw"));
    let kept = DB::texts(sync.pool(), &raw).await.remove(0).unwrap();
    assert!(kept.contains("inv_1") && !kept.contains("t1cket"), "{kept}");

    sync.apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap();
    assert!(sync.forget_user("user_1").await.unwrap());
    assert_eq!(sync.waitlist_entry_by_email("ada@example.com").await.unwrap(), None);
    assert!(sync.waitlist_entry_by_email("grace@example.com").await.unwrap().is_some());
    let erased = "SELECT email_address FROM clerk_waitlist_entries WHERE id = 'wle_1' AND raw IS NULL";
    assert_eq!(DB::texts(sync.pool(), erased).await, [None]);
}

async fn memory() -> ClerkSync<sqlx::Sqlite> {
    migrated("optional").await.unwrap()
}

/// Returns a sync for each setting, with the first parts of the event types that the setting stores.
fn settings(sync: ClerkSync<sqlx::Sqlite>) -> [(ClerkSync<sqlx::Sqlite>, &'static [&'static str]); 4] {
    [
        (sync.clone(), &[]),
        (sync.clone().keep_sessions(), &["session"]),
        (sync.clone().keep_billing(), &["subscription", "subscriptionItem"]),
        (sync.keep_waitlist(), &["waitlistEntry"]),
    ]
}

const OPTIONAL: [&str; 4] = ["session", "subscription", "subscriptionItem", "waitlistEntry"];

#[tokio::test]
async fn each_setting_stores_only_its_event_types() {
    let mut seen = 0;
    for (sync, kept) in settings(memory().await) {
        for (name, body) in fixtures() {
            let event = Event::from_trusted(message_id(), Timestamp::now(), body.into()).unwrap();
            let object = event.event_type().as_str().split('.').next().unwrap().to_owned();
            if OPTIONAL.contains(&object.as_str()) {
                seen += 1;
                let ignored = sync.apply(&event).await.unwrap() == Applied::Ignored(IgnoredReason::NotKept);
                assert_eq!(ignored, !kept.contains(&object.as_str()), "{name} with {kept:?}");
            }
        }
    }
    assert!(seen >= 4 * 30, "{seen} events");
}

#[tokio::test]
async fn data_that_does_not_decode_is_an_error_if_its_optional_type_is_kept() {
    for (sync, kept) in settings(memory().await) {
        for event_type in
            ["session.ended", "subscription.active", "subscriptionItem.ended", "waitlistEntry.updated"]
        {
            let applied = sync.apply(&event(event_type, T, json!({ "id": 7 }))).await;
            let applied = applied.map_err(|error| error.kind());
            let expected = if kept.contains(&event_type.split('.').next().unwrap()) {
                Err(SyncErrorKind::Undecodable)
            } else {
                Ok(Applied::Ignored(IgnoredReason::NotKept))
            };
            assert_eq!(applied, expected, "{event_type} with {kept:?}");
        }
    }
}
