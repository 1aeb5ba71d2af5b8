//! How events change the tables.

use clerk_webhook_core::{Event, Failure, Handlers, Outcome, Timestamp};
use clerk_webhook_sync::{Applied, ClerkSync, IgnoredReason, SyncErrorKind};
use clerk_webhook_tests::{beside_checkout, fixtures, json_files, message_id};
use serde_json::json;

use crate::databases::{Engine, T, deleted, event, membership, on_both_engines, organization, user};

on_both_engines!(
    an_event_inserts_updates_or_is_stale,
    a_copy_is_shown_until_an_event_of_the_object_arrives,
    every_fixture_applies,
    every_fixture_applies_with_all_settings,
    every_sample_of_clerk_applies,
    every_sample_of_clerk_applies_with_all_settings,
    replaces_characters_and_numbers_that_databases_reject,
    the_same_id_twice_in_a_list_is_one_row,
    the_handler_applies_events_without_another_handler,
);

async fn an_event_inserts_updates_or_is_stale<DB: Engine>(sync: ClerkSync<DB>) {
    let first = event("user.created", T + 10, user("user_1", "Ada", T));
    let second = event("user.updated", T + 11, user("user_1", "Grace", T));
    let third = event("user.updated", T + 30, user("user_1", "Hedy", T + 20));
    assert_eq!(sync.apply(&first).await.unwrap(), Applied::Inserted);
    assert_eq!(sync.apply(&first).await.unwrap(), Applied::Stale);
    assert_eq!(sync.apply(&third).await.unwrap(), Applied::Updated);
    assert_eq!(sync.apply(&second).await.unwrap(), Applied::Stale);
    assert_eq!(sync.user("user_1").await.unwrap().unwrap().first_name.unwrap(), "Hedy");
    assert_eq!(DB::texts(sync.pool(), "SELECT email FROM clerk_user_emails").await.len(), 1);

    let gone = event("user.deleted", T + 40, deleted("user_1"));
    assert_eq!(sync.apply(&gone).await.unwrap(), Applied::Tombstoned);
    for event in [gone, first, third] {
        assert_eq!(sync.apply(&event).await.unwrap(), Applied::Stale);
    }
    // An earlier deletion moves `deleted_at` back.
    let before = event("user.deleted", T + 39, deleted("user_1"));
    assert_eq!(sync.apply(&before).await.unwrap(), Applied::Tombstoned);
}

async fn a_copy_is_shown_until_an_event_of_the_object_arrives<DB: Engine>(sync: ClerkSync<DB>) {
    let joined =
        event("organizationMembership.created", T + 50, membership("orgmem_1", "org_1", "user_1", T + 40));
    assert_eq!(sync.apply(&joined).await.unwrap(), Applied::Inserted);
    assert_eq!(sync.user("user_1").await.unwrap(), None);
    let members = sync.members("org_1").await.unwrap();
    assert_eq!(members[0].1.as_ref().unwrap().first_name.as_deref(), Some("Copy"));
    let organizations = sync.organizations_of("user_1").await.unwrap();
    assert_eq!(organizations[0].1.as_ref().unwrap().name.as_deref(), Some("Copy"));

    // These events are older than the copies, but contain the complete objects.
    let created = event("user.created", T + 10, user("user_1", "Ada", T));
    let founded = event("organization.created", T + 11, organization("org_1", "Acme", T));
    for event in [&created, &founded] {
        assert_eq!(sync.apply(event).await.unwrap(), Applied::Updated);
    }
    // A newer copy does not replace the complete objects.
    let changed =
        event("organizationMembership.updated", T + 60, membership("orgmem_1", "org_1", "user_1", T + 55));
    assert_eq!(sync.apply(&changed).await.unwrap(), Applied::Updated);
    let (membership, user) = sync.members("org_1").await.unwrap().remove(0);
    assert_eq!(user.unwrap().first_name.as_deref(), Some("Ada"));
    assert!(membership.has_permission("org:read") && !membership.has_permission("org:write"));
    let organization = sync.organization("org_1").await.unwrap().unwrap();
    assert_eq!(organization.name.as_deref(), Some("Acme"));
    assert_eq!(organization.created_by.as_deref(), Some("user_1"));
}

fn kept(event_type: &str) -> bool {
    let object = event_type.split('.').next().unwrap();
    let kept = ["user", "organization", "role", "permission"];
    kept.contains(&object) || object.starts_with("organization")
}

/// Returns whether the sync ignores the type even with all settings enabled.
fn never_kept(event_type: &str) -> bool {
    ["email", "sms", "paymentAttempt"].contains(&event_type.split('.').next().unwrap())
}

async fn every_fixture_applies<DB: Engine>(sync: ClerkSync<DB>) {
    apply_all(&sync, fixtures(), kept).await;
}

async fn every_fixture_applies_with_all_settings<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions().keep_billing().keep_waitlist();
    apply_all(&sync, fixtures(), |event_type| !never_kept(event_type)).await;
    assert_no_personal_data(&sync, &["@", "\"ip_address\"", "\"payer\"", "\"user\"", "\"latest_activity\""])
        .await;
}

async fn every_sample_of_clerk_applies<DB: Engine>(sync: ClerkSync<DB>) {
    if let Some(path) = beside_checkout("events/samples", "applying samples of Clerk's deliveries") {
        apply_all(&sync, json_files(&path), kept).await;
    }
}

async fn every_sample_of_clerk_applies_with_all_settings<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions().keep_billing().keep_waitlist();
    if let Some(path) = beside_checkout("events/samples", "applying samples of Clerk's deliveries") {
        apply_all(&sync, json_files(&path), |event_type| !never_kept(event_type)).await;
        assert_no_personal_data(&sync, &["192.168.", "San Francisco", "test@example.com", "John"]).await;
    }
}

async fn assert_no_personal_data<DB: Engine>(sync: &ClerkSync<DB>, personal: &[&str]) {
    for table in ["sessions", "subscriptions", "subscription_items"] {
        let query = format!("SELECT {} FROM clerk_{table}", DB::as_text("raw"));
        let rows = DB::texts(sync.pool(), &query).await;
        assert!(!rows.is_empty(), "{table}");
        for raw in rows.into_iter().flatten() {
            assert!(personal.iter().all(|text| !raw.contains(text)), "{table}: {raw}");
        }
    }
}

async fn apply_all<DB: Engine>(
    sync: &ClerkSync<DB>,
    files: Vec<(String, Vec<u8>)>,
    kept: impl Fn(&str) -> bool,
) {
    let mut changes = 0;
    for (name, body) in &files {
        let event = Event::from_trusted(message_id(), Timestamp::now(), body.clone().into()).unwrap();
        let applied = sync.apply(&event).await.unwrap();
        let ignored = matches!(applied, Applied::Ignored(IgnoredReason::NotKept));
        assert_eq!(!ignored, kept(event.event_type().as_str()), "{name}: {applied:?}");
        changes += u32::from(applied.is_change());
        // The sender retries the delivery.
        let again = sync.apply(&event).await.unwrap();
        assert!(matches!(again, Applied::Stale | Applied::Ignored(_)), "{name}: {again:?}");
    }
    assert!(changes > 10, "{changes} of {} changed something", files.len());
    // Emails and text messages contain one-time codes.
    for table in ["users", "organizations", "memberships", "invitations"] {
        let column = DB::as_text("raw");
        for raw in DB::texts(sync.pool(), &format!("SELECT {column} FROM clerk_{table}")).await {
            assert!(!raw.unwrap_or_default().contains("otp_code"));
        }
    }
}

async fn replaces_characters_and_numbers_that_databases_reject<DB: Engine>(sync: ClerkSync<DB>) {
    let body = format!(
        r#"{{"data":{{"first_name":"A\u0000da","email_addresses":[],"id":"user_1","public_metadata":{{"\u0000":"\u0000","big":1e999999}},
            "unsafe_metadata":{{"deep":{}1{},"half":"\ud800"}},"updated_at":{T}}},"type":"user.created"}}"#,
        "[".repeat(1000),
        "]".repeat(1000),
    );
    let event = Event::from_trusted(message_id(), Timestamp::now(), body.into()).unwrap();
    assert_eq!(sync.apply(&event).await.unwrap(), Applied::Inserted);
    let user = sync.user("user_1").await.unwrap().unwrap();
    assert_eq!(user.first_name.as_deref(), Some("A\u{fffd}da"));
    let metadata: serde_json::Value = user.public_metadata.data_as().unwrap();
    assert_eq!(metadata, json!({ "\u{fffd}": "\u{fffd}", "big": null }));
}

async fn the_same_id_twice_in_a_list_is_one_row<DB: Engine>(sync: ClerkSync<DB>) {
    let mut data = user("user_1", "Ada", T);
    let address = data["email_addresses"][0].clone();
    data["email_addresses"].as_array_mut().unwrap().push(address);
    sync.apply(&event("user.created", T + 10, data)).await.unwrap();
    assert_eq!(DB::texts(sync.pool(), "SELECT email FROM clerk_user_emails").await.len(), 1);
}

async fn the_handler_applies_events_without_another_handler<DB: Engine>(sync: ClerkSync<DB>) {
    let handlers = Handlers::builder()
        .on_event("organization.created", |_event: Event, _cx| async { Err(Failure::retry("not now")) })
        .otherwise(sync.handler())
        .build()
        .unwrap();
    let created = event("user.created", T + 10, user("user_1", "Ada", T));
    assert_eq!(handlers.answer(created, ()).await.outcome(), Outcome::Processed);
    let founded = event("organization.created", T + 10, organization("org_1", "Acme", T));
    assert_eq!(handlers.answer(founded, ()).await.outcome(), Outcome::Failed);
    let ended = event("session.ended", T + 10, json!({}));
    assert_eq!(handlers.answer(ended, ()).await.outcome(), Outcome::Processed);
    assert!(sync.user("user_1").await.unwrap().is_some());
    assert!(sync.organization("org_1").await.unwrap().is_none());
}

async fn memory() -> ClerkSync<sqlx::Sqlite> {
    crate::databases::migrated("events").await.unwrap()
}

#[tokio::test]
async fn a_deletion_without_an_id_is_ignored() {
    let data = json!({ "deleted": true, "object": "user" });
    for event_type in ["user.deleted", "organization.deleted", "organizationDomain.deleted", "role.deleted"] {
        let applied = memory().await.apply(&event(event_type, T, data.clone())).await.unwrap();
        assert_eq!(applied, Applied::Ignored(IgnoredReason::WithoutId), "{event_type}");
    }
}

#[tokio::test]
async fn events_of_another_instance_are_ignored() {
    let sync = memory().await.instance_id("ins_mine");
    for (instance, expected) in [
        (json!("ins_123"), Applied::Ignored(IgnoredReason::OtherInstance)),
        (json!("ins_mine"), Applied::Inserted),
        (json!(null), Applied::Stale),
    ] {
        let body = json!({
            "data": user("user_1", "Ada", T), "instance_id": instance, "timestamp": T, "type": "user.created"
        });
        let event = Event::from_trusted(message_id(), Timestamp::now(), body.to_string().into()).unwrap();
        assert_eq!(sync.apply(&event).await.unwrap(), expected, "{instance}");
    }
}

#[tokio::test]
async fn data_that_does_not_decode_is_an_error_if_its_type_is_kept() {
    let sync = memory().await;
    let error = sync.apply(&event("user.updated", T, json!({ "id": 7, "name": "Ada" }))).await.unwrap_err();
    assert_eq!(error.kind(), SyncErrorKind::Undecodable);
    assert!(!error.to_string().contains("Ada") && !error.to_string().is_empty(), "{error}");
    for (event_type, data) in [("session.ended", json!({})), ("user.invented", json!({})), ("", json!(1))] {
        let applied = sync.apply(&event(event_type, T, data)).await.unwrap();
        assert_eq!(applied, Applied::Ignored(IgnoredReason::NotKept), "{event_type}");
    }
}

#[tokio::test]
async fn a_failed_statement_is_an_error() {
    let sync = memory().await;
    sqlx::query("DROP TABLE clerk_user_emails").execute(sync.pool()).await.unwrap();
    let created = event("user.created", T, user("user_1", "Ada", T));
    assert_eq!(sync.apply(&created).await.unwrap_err().kind(), SyncErrorKind::Database);
    // The user was not written either.
    assert_eq!(sync.user("user_1").await.unwrap(), None);
}

/// Envelopes from 2024 lack a time. A repeated delivery must change nothing.
#[tokio::test]
async fn an_event_without_a_time_has_the_time_of_its_data() {
    let sync = memory().await;
    let body = json!({ "data": user("user_1", "Ada", T), "type": "user.created" }).to_string();
    for (after, expected) in [(0, Applied::Inserted), (60, Applied::Stale)] {
        let at = Timestamp::from_secs(Timestamp::now().as_secs() + after);
        let event = Event::from_trusted(message_id(), at, body.clone().into()).unwrap();
        assert_eq!(sync.apply(&event).await.unwrap(), expected);
    }
    let later = event("user.updated", T + 5, user("user_1", "Grace", T));
    assert_eq!(sync.apply(&later).await.unwrap(), Applied::Updated);
}
