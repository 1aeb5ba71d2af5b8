//! Observations from events that lack fields.

use serde_json::{Value as Json, json};

use super::*;
use crate::value::Kind;

const T: i64 = 1_700_000_000_000;

/// Returns an event's observations if sessions, billing and the waitlist are stored.
fn observed(event_type: &str, occurred_at: Option<i64>, data: &Json) -> Vec<Observation> {
    let mut body = json!({ "data": data, "object": "event", "type": event_type });
    if let Some(at) = occurred_at {
        body["timestamp"] = at.into();
    }
    let attempted_at = Timestamp::from_millis(T + 90_000);
    let event = Event::from_trusted("msg_1".parse().unwrap(), attempted_at, body.to_string().into()).unwrap();
    let settings = Settings { sessions: true, billing: true, waitlist: true, ..Settings::default() };
    observe(&event, &settings).unwrap().unwrap()
}

/// Returns an object's columns and child rows.
fn version(observation: &Observation) -> (&[Value], &[Children]) {
    let Observed::Version { columns, children, .. } = &observation.observed else { unreachable!() };
    (columns, children.as_deref().unwrap_or_default())
}

fn column(observation: &Observation, name: &str) -> Value {
    let table = observation.entity.table();
    let place = table.columns.iter().position(|column| column.name == name).unwrap();
    version(observation).0[place].clone()
}

fn times(observation: &Observation) -> (i64, i64) {
    let Observed::Version { order, .. } = &observation.observed else { unreachable!() };
    (order.updated_at, order.event_at)
}

fn membership() -> Json {
    json!({
        "created_at": T, "id": "orgmem_1", "permissions": [], "role": "org:member", "updated_at": T + 5,
        "organization": { "created_at": T, "id": "org_1", "name": "Acme", "updated_at": T + 3 },
        "public_user_data": { "banned": true, "user_id": "user_1" },
    })
}

#[test]
fn an_event_without_a_time_occurred_when_its_object_changed() {
    let observations = observed("organizationMembership.created", None, &membership());
    let times: Vec<_> = observations.iter().map(times).collect();
    assert_eq!(times, [(T + 5, T + 5), (T + 3, T + 5), (T + 5, T + 5)]);
    let deleted = observed("organizationMembership.deleted", None, &membership());
    assert!(matches!(deleted[0].observed, Observed::Deleted { at, .. } if at == T + 5));
}

#[test]
fn an_object_without_a_time_changed_when_its_event_occurred() {
    for (occurred_at, expected) in [(Some(T + 9), T + 9), (None, 0)] {
        let observations =
            observed("user.updated", occurred_at, &json!({ "email_addresses": [], "id": "user_1" }));
        assert_eq!(times(&observations[0]), (expected, expected));
    }
}

#[test]
fn a_deletion_without_a_time_occurred_when_it_was_delivered() {
    for (occurred_at, expected) in [(Some(T + 9), T + 9), (None, T + 90_000)] {
        let observations = observed(
            "user.deleted",
            occurred_at,
            &json!({ "deleted": true, "id": "user_1", "object": "user" }),
        );
        assert!(matches!(observations[0].observed, Observed::Deleted { at, .. } if at == expected));
    }
}

#[test]
fn a_subscription_item_without_a_time_changed_when_its_event_occurred() {
    let data = |updated_at: Option<i64>| {
        let mut item =
            json!({ "id": "csub_item_1", "period_start": T, "plan_period": "annual", "status": "active" });
        item["updated_at"] = updated_at.into();
        json!({
            "created_at": T, "id": "csub_1", "items": [item], "payer_id": "cpayer_1", "status": "active", "updated_at": T + 5,
        })
    };
    for (updated_at, occurred_at, expected) in [
        (Some(T + 2), Some(T + 9), (T + 2, T + 9)),
        (None, Some(T + 9), (T + 9, T + 9)),
        (None, None, (T + 5, T + 5)),
    ] {
        let observations = observed("subscription.updated", occurred_at, &data(updated_at));
        assert_eq!(times(&observations[0]), expected);
        assert_eq!(column(&observations[0], "billing_interval"), "annual".into());
    }
}

#[test]
fn older_names_of_fields_are_read_if_the_newer_ones_are_missing() {
    let user = |name: &str| {
        let mut data = membership();
        data["public_user_data"] = json!({ "user_id": "user_1", name: "https://img.example/1" });
        data["organization"] = json!({
            "created_at": T, "id": "org_1", "name": "Acme", "updated_at": T,
            name.replace("profile_image_url", "logo_url"): "https://img.example/1",
        });
        data
    };
    for name in ["image_url", "profile_image_url"] {
        for copy in &observed("organizationMembership.created", Some(T), &user(name))[..2] {
            assert_eq!(column(copy, "image_url"), "https://img.example/1".into(), "{name}");
        }
        let data =
            json!({ "email_addresses": [], "id": "user_1", "updated_at": T, name: "https://img.example/1" });
        let whole = observed("user.created", Some(T), &data);
        assert_eq!(column(&whole[0], "image_url"), "https://img.example/1".into(), "{name}");
    }
    for outer in [true, false] {
        let mut data = json!({
            "created_at": T, "email_address": "ada@example.com", "id": "orginv_1", "role": "org:member", "updated_at": T,
            "public_organization_data": { "id": "org_1", "name": "Acme" },
        });
        if outer {
            data["organization_id"] = "org_2".into();
        }
        let invitation = observed("organizationInvitation.created", Some(T), &data);
        assert_eq!(column(&invitation[0], "organization_id"), if outer { "org_2" } else { "org_1" }.into());
    }
}

#[test]
fn a_domain_is_verified_if_its_owner_or_its_affiliation_is_verified() {
    let proof =
        |status: &str| json!({ "attempts": 1, "expire_at": T, "status": status, "strategy": "email_code" });
    for (proofs, expected) in [
        (json!({}), false),
        (json!({ "affiliation_verification": proof("verified") }), true),
        (json!({ "verification": proof("verified") }), true),
        (json!({ "ownership_verification": proof("verified") }), true),
        (json!({ "affiliation_verification": proof("failed"), "verification": proof("verified") }), false),
        (
            json!({ "affiliation_verification": proof("failed"), "ownership_verification": proof("verified") }),
            true,
        ),
    ] {
        let mut data = json!({
            "created_at": T, "enrollment_mode": "manual_invitation", "id": "orgdmn_1", "name": "acme.example",
            "organization_id": "org_1", "total_pending_invitations": 0, "total_pending_suggestions": 0, "updated_at": T,
        });
        data.as_object_mut().unwrap().extend(proofs.as_object().unwrap().clone());
        let domain = observed("organizationDomain.created", Some(T), &data);
        assert_eq!(column(&domain[0], "verified"), expected.into(), "{proofs}");
    }
}

#[test]
fn child_rows_of_a_user_have_keys_and_primary_flags() {
    let data = json!({
        "id": "user_1", "primary_email_address_id": "idn_2", "primary_phone_number_id": "idn_3", "updated_at": T,
        "email_addresses": [
            { "email_address": "old@example.com", "id": "idn_1" },
            { "email_address": "ada@example.com", "id": "idn_2" },
            { "email_address": "none@example.com" },
        ],
        "external_accounts": [
            { "email_address": "", "google_id": "g_1", "id": "eac_1", "object": "google_account", "username": "" },
            { "email_address": "a@b.c", "google_id": "g_2", "id": "eac_2", "object": "external_account",
              "provider_user_id": "p_2", "username": "ada" },
        ],
        "phone_numbers": [{ "phone_number": "+12025550101" }, { "id": "idn_3", "phone_number": "+12025550100" }],
    });
    let user = observed("user.created", Some(T), &data);
    let (_, children) = version(&user[0]);
    let keys: Vec<Vec<_>> =
        children.iter().map(|rows| rows.iter().map(|(id, _)| id.as_str()).collect()).collect();
    let expected: [&[_]; 3] =
        [&["idn_1", "idn_2", "none@example.com"], &["+12025550101", "idn_3"], &["eac_1", "eac_2"]];
    assert_eq!(keys, expected);
    let primary = |rows: &Children| rows.iter().map(|(_, row)| row[2].clone()).collect::<Vec<_>>();
    assert_eq!(primary(&children[0]), [false.into(), true.into(), false.into()]);
    assert_eq!(primary(&children[1]), [false.into(), true.into()]);
    let accounts: Vec<_> = children[2].iter().map(|(_, row)| row[1..4].to_vec()).collect();
    let none = Kind::Text.null();
    assert_eq!(accounts, [["g_1".into(), none.clone(), none], ["p_2".into(), "a@b.c".into(), "ada".into()]]);
    // Without a primary id, no row is primary, not even a row without an id.
    let mut data = data;
    data["primary_email_address_id"] = Json::Null;
    data["primary_phone_number_id"] = Json::Null;
    let user = observed("user.created", Some(T), &data);
    let (_, children) = version(&user[0]);
    assert!(children[..2].iter().flat_map(primary).all(|is_primary| is_primary == false.into()));
}

#[test]
fn the_copy_of_a_user_contains_whether_the_user_is_banned() {
    let observations = observed("organizationMembership.created", Some(T), &membership());
    assert_eq!(column(&observations[0], "banned"), true.into());
}

/// Clerk sends permissions in any order, and equal sets must produce equal rows.
#[test]
fn the_permissions_of_a_role_are_sorted() {
    let permission = |key: &str| json!({ "created_at": T, "id": format!("perm_{key}"), "key": key, "name": "", "updated_at": T });
    let data = json!({
        "created_at": T, "id": "role_1", "key": "org:x", "name": "X", "updated_at": T,
        "permissions": [permission("org:b"), permission("org:c"), permission("org:a")],
    });
    let role = observed("role.created", Some(T), &data);
    assert_eq!(column(&role[0], "permissions"), Value::Json(Some(r#"["org:a","org:b","org:c"]"#.into())));
}

#[test]
fn an_object_is_whole_if_its_essential_key_exists_at_least_once() {
    for (data, is_whole) in [
        (r#"{"id":"user_1","email_addresses":[]}"#, true),
        (r#"{"id":"user_1","email_addresses":null}"#, true),
        (r#"{"id":"user_1","status":1,"status":2,"email_addresses":[]}"#, true),
        (r#"{"id":"user_1","first_name":"Ada"}"#, false),
    ] {
        let body = format!(r#"{{"data":{data},"type":"user.updated"}}"#);
        let event = Event::from_trusted("msg_1".parse().unwrap(), Timestamp::now(), body.into()).unwrap();
        let observations = observe(&event, &Settings::default()).unwrap().unwrap();
        let Observed::Version { order, .. } = &observations[0].observed else { unreachable!() };
        assert_eq!(order.rank == Rank::Whole, is_whole, "{data}");
    }
}
