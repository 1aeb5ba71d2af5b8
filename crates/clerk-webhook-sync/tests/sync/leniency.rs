//! Payloads that lack fields are applied. They erase no data and grant no access.

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_sync::{Applied, ClerkSync, IgnoredReason, SyncErrorKind};
use clerk_webhook_tests::mutations::{Missing, mutations};
use clerk_webhook_tests::{fixtures, folder, json_files, message_id};
use serde_json::{Value, json};
use sqlx::Sqlite;

use crate::databases::{Engine, T, event, membership, migrated, on_both_engines, organization, user};
use crate::hooks::recording;

on_both_engines!(
    an_update_of_a_user_without_addresses_erases_nothing,
    an_update_without_addresses_is_a_copy_until_the_user_arrives,
    an_update_of_an_organization_without_a_name_erases_nothing,
    a_membership_without_a_role_keeps_its_role_until_a_complete_update,
    a_membership_without_times_does_not_replace_a_later_one,
    skips_addresses_without_text,
    sessions_end_even_if_their_events_lack_fields,
    reported_payloads_are_applied,
);

/// Returns an event from its body.
fn body(json: impl Into<Vec<u8>>) -> Event {
    Event::from_trusted(message_id(), Timestamp::now(), json.into().into()).unwrap()
}

fn field_case(name: &str) -> Value {
    let (_, body) = json_files(&folder("field-cases")).into_iter().find(|(stem, _)| stem == name).unwrap();
    serde_json::from_slice(&body).unwrap()
}

/// Returns an update that contains only an id and a time, as a user reported.
fn update_of(id: &str, object: &str) -> Event {
    let mut update = field_case("user.updated-only-id-and-time");
    update["type"] = format!("{object}.updated").into();
    update["timestamp"] = (T + 1_000).into();
    update["data"]["id"] = id.into();
    update["data"]["updated_at"] = (T + 999).into();
    body(update.to_string())
}

async fn an_update_of_a_user_without_addresses_erases_nothing<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, recorded) = recording(sync);
    sync.apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap();
    let before = sync.user("user_1").await.unwrap();
    assert_eq!(before.as_ref().unwrap().primary_email.as_deref(), Some("ada@example.com"));

    assert_eq!(sync.apply(&update_of("user_1", "user")).await.unwrap(), Applied::Stale);
    assert_eq!(sync.user("user_1").await.unwrap(), before);
    assert_eq!(DB::texts(sync.pool(), "SELECT email FROM clerk_user_emails").await.len(), 1);
    assert_eq!(recorded.lock().unwrap().len(), 1);

    // A complete update wins even if it is older than the incomplete one.
    let grace = event("user.updated", T + 20, user("user_1", "Grace", T + 15));
    assert_eq!(sync.apply(&grace).await.unwrap(), Applied::Updated);
    let mut without = user("user_1", "Grace", T + 2_000);
    without["email_addresses"] = json!([]);
    sync.apply(&event("user.updated", T + 2_000, without)).await.unwrap();
    assert_eq!(sync.user("user_1").await.unwrap().unwrap().primary_email, None);

    assert_eq!(
        sync.apply(&event("user.deleted", T + 3_000, json!({ "id": "user_1" }))).await.unwrap(),
        Applied::Tombstoned
    );
    assert_eq!(sync.apply(&update_of("user_1", "user")).await.unwrap(), Applied::Stale);
    assert_eq!(sync.user("user_1").await.unwrap(), None);
}

async fn an_update_without_addresses_is_a_copy_until_the_user_arrives<DB: Engine>(sync: ClerkSync<DB>) {
    let (sync, recorded) = recording(sync);
    assert_eq!(sync.apply(&update_of("user_1", "user")).await.unwrap(), Applied::Inserted);
    assert_eq!(sync.user("user_1").await.unwrap(), None);
    assert!(recorded.lock().unwrap().is_empty());
    let created = event("user.created", T + 10, user("user_1", "Ada", T));
    assert_eq!(sync.apply(&created).await.unwrap(), Applied::Updated);
    assert_eq!(sync.user("user_1").await.unwrap().unwrap().first_name.as_deref(), Some("Ada"));
    assert_eq!(DB::texts(sync.pool(), "SELECT email FROM clerk_user_emails").await.len(), 1);
    assert_eq!(recorded.lock().unwrap().len(), 1);
}

async fn an_update_of_an_organization_without_a_name_erases_nothing<DB: Engine>(sync: ClerkSync<DB>) {
    for (whole_first, id) in [(true, "org_1"), (false, "org_2")] {
        let mut events = [
            event("organization.created", T + 10, organization(id, "Acme", T)),
            update_of(id, "organization"),
        ];
        if !whole_first {
            events.reverse();
        }
        for event in &events {
            sync.apply(event).await.unwrap();
        }
        let organization = sync.organization(id).await.unwrap().unwrap();
        assert_eq!((organization.name.as_deref(), organization.members_count), (Some("Acme"), Some(1)));
    }
}

/// Returns the data of a membership without a role.
fn without_role(id: &str, updated_at: i64) -> Value {
    let mut data = membership(id, "org_1", "user_1", updated_at);
    data.as_object_mut().unwrap().remove("role");
    data["permissions"] = json!(["org:everything"]);
    data
}

fn with_role(id: &str, role: &str, updated_at: i64) -> Value {
    let mut data = membership(id, "org_1", "user_1", updated_at);
    data["role"] = role.into();
    data["created_at"] = T.into();
    data
}

async fn a_membership_without_a_role_keeps_its_role_until_a_complete_update<DB: Engine>(sync: ClerkSync<DB>) {
    let roles = async || -> Vec<_> {
        sync.members("org_1")
            .await
            .unwrap()
            .into_iter()
            .map(|(member, _)| (member.role, member.permissions))
            .collect()
    };
    let expected = |role: &str| vec![(Some(role.to_owned()), vec!["org:read".to_owned()])];
    let admin = event("organizationMembership.created", T + 10, with_role("orgmem_1", "org:admin", T));
    sync.apply(&admin).await.unwrap();
    let update = event("organizationMembership.updated", T + 30, without_role("orgmem_1", T + 20));
    assert_eq!(sync.apply(&update).await.unwrap(), Applied::Stale);
    assert_eq!(roles().await, expected("org:admin"));
    // This update is older than the incomplete one and newer than the creation.
    let demoted =
        event("organizationMembership.updated", T + 25, with_role("orgmem_1", "org:member", T + 15));
    assert_eq!(sync.apply(&demoted).await.unwrap(), Applied::Updated);
    assert_eq!(roles().await, expected("org:member"));
    assert_eq!(sync.apply(&admin).await.unwrap(), Applied::Stale);
    // A null role removes the role. Only a missing key keeps it.
    let mut null_role = with_role("orgmem_1", "", T + 40);
    null_role["role"] = Value::Null;
    sync.apply(&event("organizationMembership.updated", T + 40, null_role)).await.unwrap();
    assert_eq!(roles().await, [(None, vec!["org:read".to_owned()])]);
}

/// Otherwise the role from an earlier membership of the same user and organization would become live again.
async fn a_membership_without_times_does_not_replace_a_later_one<DB: Engine>(sync: ClerkSync<DB>) {
    let without_times = |id: &str, at: Option<i64>| {
        let mut data = with_role(id, "org:admin", T);
        data.as_object_mut().unwrap().retain(|name, _| !name.ends_with("_at"));
        let event = json!({ "data": data, "timestamp": at, "type": "organizationMembership.created" });
        body(event.to_string())
    };
    let member =
        event("organizationMembership.created", T + 50, membership("orgmem_2", "org_1", "user_1", T + 50));
    for event in [&without_times("orgmem_1", Some(T + 10)), &member, &without_times("orgmem_3", None)] {
        assert_eq!(sync.apply(event).await.unwrap(), Applied::Inserted);
    }
    let ids = async || -> Vec<_> {
        sync.members("org_1").await.unwrap().into_iter().map(|(member, _)| member.id).collect()
    };
    assert_eq!(ids().await, ["orgmem_2"]);
    sync.apply(&without_times("orgmem_4", Some(T + 60))).await.unwrap();
    assert_eq!(ids().await, ["orgmem_4"]);
    // `updated_at` is too late, so the event's time orders the membership.
    let mut late = membership("orgmem_5", "org_1", "user_1", T + 1_000_000);
    late["created_at"] = Value::Null;
    sync.apply(&event("organizationMembership.updated", T + 55, late)).await.unwrap();
    assert_eq!(ids().await, ["orgmem_4"]);
}

async fn skips_addresses_without_text<DB: Engine>(sync: ClerkSync<DB>) {
    let mut data = user("user_1", "Ada", T);
    for list in ["email_addresses", "phone_numbers", "external_accounts"] {
        let known = data[list].as_array().cloned().unwrap_or_default();
        data[list] = [&[json!({}), json!({ "id": "idn_9" })][..], &known].concat().into();
    }
    sync.apply(&event("user.created", T + 10, data)).await.unwrap();
    let user = sync.user("user_1").await.unwrap().unwrap();
    assert_eq!(user.primary_email.as_deref(), Some("ada@example.com"));
    assert_eq!(DB::texts(sync.pool(), "SELECT id FROM clerk_user_emails").await, [Some("idn_1".to_owned())]);
    assert!(DB::texts(sync.pool(), "SELECT id FROM clerk_user_phone_numbers").await.is_empty());
    assert_eq!(DB::texts(sync.pool(), "SELECT id FROM clerk_user_external_accounts").await.len(), 1);
}

async fn sessions_end_even_if_their_events_lack_fields<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions();
    let end = Timestamp::now().as_millis() + 3_600_000;
    let session = |id: &str, more: Value| {
        let mut data = json!({ "id": id, "user_id": "user_1", "status": "active", "updated_at": T });
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        data
    };
    for (id, fields, event_type) in [
        ("sess_1", json!({}), "session.revoked"),
        ("sess_2", json!({ "status": null }), "session.ended"),
        ("sess_3", json!({ "status": "removed" }), "session.removed"),
    ] {
        let begun = event("session.created", T + 10, session(id, json!({ "expire_at": end })));
        sync.apply(&begun).await.unwrap();
        assert_eq!(sync.sessions_of("user_1").await.unwrap().len(), 1);
        let mut ended = json!({ "id": id, "user_id": "user_1" });
        ended.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(sync.apply(&event(event_type, T + 20, ended)).await.unwrap(), Applied::Updated);
        assert!(sync.sessions_of("user_1").await.unwrap().is_empty(), "{event_type}");
        assert_eq!(sync.apply(&begun).await.unwrap(), Applied::Stale);
    }
    // `expire_at` is unknown, so the session must not be listed as active.
    sync.apply(&event("session.created", T + 10, session("sess_4", json!({})))).await.unwrap();
    assert!(sync.sessions_of("user_1").await.unwrap().is_empty());
}

async fn reported_payloads_are_applied<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions().keep_billing().keep_waitlist();
    for (name, body) in json_files(&folder("field-cases")) {
        let event = Event::from_trusted(message_id(), Timestamp::now(), body.into()).unwrap();
        let applied = sync.apply(&event).await;
        match name.as_str() {
            "user.created-addresses-as-strings" => {
                let error = applied.unwrap_err();
                assert_eq!(error.kind(), SyncErrorKind::Undecodable);
                assert!(error.to_string().starts_with("data.email_addresses[0]: "), "{error}");
                continue;
            }
            "email.created-without-sender" => {
                assert_eq!(applied.unwrap(), Applied::Ignored(IgnoredReason::NotKept));
                continue;
            }
            // The data has no id.
            "subscriptionItem.canceled-short" => {
                assert_eq!(applied.unwrap(), Applied::Ignored(IgnoredReason::WithoutId));
                continue;
            }
            "user.deleted-without-object" => assert_eq!(applied.unwrap(), Applied::Tombstoned),
            _ => assert_eq!(applied.unwrap(), Applied::Inserted, "{name}"),
        }
        assert_eq!(sync.apply(&event).await.unwrap(), Applied::Stale, "{name}");
    }
    for (id, email) in [
        ("user_test_1761259508", "test-1761259508@example.com"),
        ("user_2f9241L8k4L0s8L8k4L0s8L8k4L0s8L8", "john.doe@example.com"),
    ] {
        assert!(sync.user(id).await.unwrap().unwrap().first_name.is_some());
        let query = format!("SELECT email FROM clerk_user_emails WHERE user_id = '{id}'");
        assert_eq!(DB::texts(sync.pool(), &query).await, [Some(email.to_owned())]);
    }
    let members = sync.members("org_abc").await.unwrap();
    let [(member, Some(user))] = members.as_slice() else { panic!("{members:?}") };
    assert_eq!((member.role.as_deref(), user.first_name.as_deref()), (Some("org:member"), Some("Jane")));
    let status = "SELECT status FROM clerk_active_invitations";
    assert_eq!(DB::texts(sync.pool(), status).await, [Some("accepted".to_owned())]);
    assert!(sync.waitlist_entry_by_email("test.user@example.com").await.unwrap().is_some());
    let tombstones = "SELECT id FROM clerk_users WHERE deleted_at IS NOT NULL";
    assert_eq!(DB::texts(sync.pool(), tombstones).await, [Some("clerk_123".to_owned())]);
}

#[tokio::test]
async fn deletions_need_an_id_and_nothing_else() {
    let sync = migrated::<Sqlite>("deletions").await.unwrap();
    for object in
        ["user", "organization", "organizationDomain", "organizationMembership", "role", "permission"]
    {
        let event_type = format!("{object}.deleted");
        for (id, data) in [("1", json!({ "id": "1" })), ("2", json!({ "deleted": true, "id": "2" }))] {
            assert_eq!(
                sync.apply(&event(&event_type, T, data)).await.unwrap(),
                Applied::Tombstoned,
                "{object} {id}"
            );
        }
    }
    for data in [json!({ "id": "", "object": "user" }), json!({ "id": null, "deleted": true })] {
        let applied = sync.apply(&event("user.deleted", T, data)).await.unwrap();
        assert_eq!(applied, Applied::Ignored(IgnoredReason::WithoutId));
    }
}

/// Returns the expected result of an event without this field: `None` if the event is applied, `Ok` if it is
/// ignored, and `Err` if it fails.
fn needs(event_type: &str, path: &str) -> Option<Result<IgnoredReason, ()>> {
    let (object, what) = event_type.split_once('.').unwrap();
    let without_id = Ok(IgnoredReason::WithoutId);
    match (object, what, path) {
        ("organizationMembership", "created" | "updated", "data.organization" | "data.organization.id") => {
            Some(Err(()))
        }
        ("organizationMembership", _, "data.id") => Some(Err(())),
        (_, "deleted", "data.id") | ("permission" | "subscriptionItem", _, "data.id") => Some(without_id),
        (_, "created" | "updated" | "accepted" | "revoked", "data.id") => Some(Err(())),
        ("session" | "subscription", _, "data.id") | ("session", _, "data.user_id") => Some(Err(())),
        ("organizationDomain", "created" | "updated", "data.organization_id") => Some(Err(())),
        _ => None,
    }
}

#[tokio::test]
async fn events_need_only_the_fields_that_identify_their_object() {
    let sync = migrated::<Sqlite>("mutations").await.unwrap().keep_sessions().keep_billing().keep_waitlist();
    let (mut applied, mut rejected) = (0, 0);
    let mut transaction = sync.pool().begin().await.unwrap();
    for (name, body) in fixtures() {
        let event_type = name.split("__").next().unwrap();
        let never_kept = ["email.", "sms.", "paymentAttempt."].iter().any(|object| name.starts_with(object));
        if never_kept || name == "user.deleted__without_id" {
            continue;
        }
        for mutation in mutations(&body) {
            let (path, missing) = (&mutation.path, mutation.missing);
            let event = Event::from_trusted(message_id(), Timestamp::now(), mutation.body.into()).unwrap();
            let result = sync.apply_in(&mut transaction, &event).await;
            match (needs(event_type, path), result) {
                (None, Ok(result)) => {
                    assert!(!matches!(result, Applied::Ignored(_)), "{name}: {path} {missing:?}");
                    applied += 1;
                }
                (Some(Ok(reason)), Ok(result)) => {
                    assert_eq!(result, Applied::Ignored(reason), "{name}: {path} {missing:?}");
                }
                (Some(Err(())), Err(error)) => {
                    let reason = match missing {
                        Missing::Absent => "is missing",
                        Missing::Null => "is null, expected ",
                    };
                    assert!(
                        error.to_string().starts_with(&format!("{path}: {reason}")),
                        "{name}: {path}: {error}"
                    );
                    rejected += 1;
                }
                (needed, result) => panic!("{name}: {path} {missing:?}: {needed:?} {result:?}"),
            }
        }
    }
    assert!(applied > 2_500 && rejected > 50, "{applied} applied, {rejected} rejected");
}
