//! Queries return live rows.

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::ClerkSync;
use serde_json::json;

use crate::databases::{Engine, T, event, membership, on_both_engines, organization, user};

on_both_engines!(
    a_user_has_the_values_of_its_event,
    a_user_is_found_by_external_id_and_verified_primary_email,
    an_organization_has_the_values_of_its_event,
    members_are_sorted_by_the_time_of_joining,
    a_membership_without_a_user_is_returned_without_a_user,
    the_row_that_changed_last_is_returned_if_several_match,
    sessions_are_sorted_by_the_time_of_creation,
);

async fn a_user_has_the_values_of_its_event<DB: Engine>(sync: ClerkSync<DB>) {
    let data = json!({
        "banned": true, "created_at": T, "external_id": "42", "first_name": "Ada", "id": "user_1",
        "image_url": "https://img.example/1", "last_name": "Lovelace", "last_sign_in_at": T + 3, "locked": false,
        "email_addresses": [
            { "email_address": "old@example.com", "id": "idn_1", "verification": null },
            { "email_address": "ada@example.com", "id": "idn_2",
              "verification": { "status": "verified", "strategy": "email_code" } },
        ],
        "phone_numbers": [{ "id": "idn_3", "phone_number": "+12025550100" }],
        "primary_email_address_id": "idn_2", "primary_phone_number_id": "idn_3",
        "public_metadata": { "plan": "pro" }, "updated_at": T + 5, "username": "countess",
    });
    sync.apply(&event("user.created", T + 10, data)).await.unwrap();
    let user = sync.user("user_1").await.unwrap().unwrap();
    assert_eq!((user.id.as_str(), user.updated_at), ("user_1", Timestamp::from_millis(T + 5)));
    assert_eq!(user.created_at, Some(Timestamp::from_millis(T)));
    let texts = [
        user.external_id,
        user.username,
        user.first_name,
        user.last_name,
        user.image_url,
        user.primary_email,
        user.primary_phone,
    ];
    let expected =
        ["42", "countess", "Ada", "Lovelace", "https://img.example/1", "ada@example.com", "+12025550100"];
    assert_eq!(texts, expected.map(|text| Some(text.to_owned())));
    assert_eq!((user.primary_email_verified, user.banned, user.locked), (true, true, false));
    assert_eq!(user.last_sign_in_at, Some(Timestamp::from_millis(T + 3)));
    assert_eq!(user.public_metadata.data_as::<serde_json::Value>().unwrap(), json!({ "plan": "pro" }));
}

async fn a_user_is_found_by_external_id_and_verified_primary_email<DB: Engine>(sync: ClerkSync<DB>) {
    let mut ada = user("user_1", "Ada", T);
    ada["external_id"] = "42".into();
    sync.apply(&event("user.created", T + 10, ada)).await.unwrap();
    assert_eq!(sync.user_by_external_id("42").await.unwrap().unwrap().id, "user_1");
    assert_eq!(sync.user_by_primary_email("ada@example.com").await.unwrap().unwrap().id, "user_1");
    assert_eq!(sync.user_by_primary_email("grace@example.com").await.unwrap(), None);

    // The address moves to another user, and the event of the previous owner has not arrived yet.
    sync.apply(&event("user.created", T + 30, user("user_2", "Ada", T + 20))).await.unwrap();
    assert_eq!(sync.user_by_primary_email("ada@example.com").await.unwrap().unwrap().id, "user_2");

    // A user can enter an address that belongs to another person.
    let mut eve = user("user_3", "Ada", T + 40);
    eve["email_addresses"][0]["verification"] = json!({ "status": "unverified", "strategy": "email_code" });
    sync.apply(&event("user.created", T + 50, eve)).await.unwrap();
    assert_eq!(sync.user_by_primary_email("ada@example.com").await.unwrap().unwrap().id, "user_2");
}

async fn an_organization_has_the_values_of_its_event<DB: Engine>(sync: ClerkSync<DB>) {
    let data = json!({
        "created_at": T, "created_by": "user_1", "id": "org_1", "image_url": "https://img.example/1",
        "max_allowed_memberships": 5, "members_count": 2, "name": "Acme", "public_metadata": { "seats": 3 },
        "slug": "acme", "updated_at": T + 5,
    });
    sync.apply(&event("organization.created", T + 10, data)).await.unwrap();
    let organization = sync.organization("org_1").await.unwrap().unwrap();
    assert_eq!(organization.created_at, Some(Timestamp::from_millis(T)));
    assert_eq!(organization.updated_at, Timestamp::from_millis(T + 5));
    let texts = [organization.name, organization.slug, organization.image_url, organization.created_by];
    assert_eq!(texts, ["Acme", "acme", "https://img.example/1", "user_1"].map(|text| Some(text.to_owned())));
    assert_eq!((organization.members_count, organization.max_allowed_memberships), (Some(2), Some(5)));
    assert_eq!(organization.public_metadata.data_as::<serde_json::Value>().unwrap(), json!({ "seats": 3 }));
    assert_eq!(sync.organization("org_2").await.unwrap(), None);
}

async fn members_are_sorted_by_the_time_of_joining<DB: Engine>(sync: ClerkSync<DB>) {
    sync.apply(&event("organization.created", T + 10, organization("org_1", "Acme", T))).await.unwrap();
    for (number, joined) in [(3, T + 30), (1, T + 10), (2, T + 20)] {
        let (id, user_id) = (format!("orgmem_{number}"), format!("user_{number}"));
        let data = membership(&id, "org_1", &user_id, joined);
        sync.apply(&event("organizationMembership.created", joined + 5, data)).await.unwrap();
    }
    sync.apply(&event(
        "organizationMembership.created",
        T + 9,
        membership("orgmem_9", "org_2", "user_1", T + 9),
    ))
    .await
    .unwrap();
    let members = sync.members("org_1").await.unwrap();
    let ids: Vec<_> = members.iter().map(|(membership, _)| membership.id.as_str()).collect();
    assert_eq!(ids, ["orgmem_1", "orgmem_2", "orgmem_3"]);
    let (first, _) = &members[0];
    assert_eq!(first.user_id.as_deref(), Some("user_1"));
    assert_eq!(first.organization_id.as_deref(), Some("org_1"));
    assert_eq!((first.role.as_deref(), first.role_name.as_deref()), (Some("org:member"), None));
    assert_eq!(first.permissions, ["org:read"]);
    assert_eq!(first.created_at, Some(Timestamp::from_millis(T + 10)));
    let organizations = sync.organizations_of("user_1").await.unwrap();
    let ids: Vec<_> =
        organizations.iter().map(|(_, organization)| organization.as_ref().unwrap().id.as_str()).collect();
    assert_eq!(ids, ["org_2", "org_1"]);
}

async fn a_membership_without_a_user_is_returned_without_a_user<DB: Engine>(sync: ClerkSync<DB>) {
    let mut data = membership("orgmem_1", "org_1", "user_1", T);
    data.as_object_mut().unwrap().remove("public_user_data");
    sync.apply(&event("organizationMembership.created", T + 9, data)).await.unwrap();
    let members = sync.members("org_1").await.unwrap();
    let [(membership, None)] = &members[..] else { panic!("{members:?}") };
    assert_eq!((membership.id.as_str(), membership.user_id.as_deref()), ("orgmem_1", None));
}

async fn the_row_that_changed_last_is_returned_if_several_match<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_waitlist();
    let entry = |id: &str, address: &str, updated_at: i64| {
        let data = json!({
            "created_at": T, "email_address": address, "id": id, "status": "pending", "updated_at": updated_at,
        });
        event("waitlistEntry.created", updated_at + 9, data)
    };
    let named = |id: &str, updated_at: i64| {
        let mut data = user(id, "Ada", updated_at);
        data["external_id"] = "42".into();
        event("user.created", updated_at + 9, data)
    };
    for event in [
        named("user_1", T),
        named("user_3", T + 20),
        named("user_2", T + 10),
        // If two rows changed at the same time, the smaller id wins.
        named("user_4", T + 20),
        entry("wle_1", "ada@example.com", T),
        entry("wle_3", "ADA@example.com", T + 20),
        entry("wle_2", "ada@example.com", T + 10),
        entry("wle_4", "Ada@example.com", T + 20),
        // These addresses are compared in Rust.
        entry("wle_5", "j\u{f6}rg@example.com", T + 10),
        entry("wle_7", "J\u{d6}RG@example.com", T + 20),
        entry("wle_6", "j\u{f6}rg@example.com", T + 20),
    ] {
        sync.apply(&event).await.unwrap();
    }
    assert_eq!(sync.user_by_external_id("42").await.unwrap().unwrap().id, "user_3");
    assert_eq!(sync.user_by_primary_email("ada@example.com").await.unwrap().unwrap().id, "user_3");
    assert_eq!(sync.waitlist_entry_by_email("ada@example.com").await.unwrap().unwrap().id, "wle_3");
    assert_eq!(sync.waitlist_entry_by_email("j\u{f6}rg@example.com").await.unwrap().unwrap().id, "wle_6");
}

async fn sessions_are_sorted_by_the_time_of_creation<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions();
    for (id, began) in [("sess_3", T + 30), ("sess_4", T + 10), ("sess_2", T + 20), ("sess_1", T + 20)] {
        let data = json!({
            "abandon_at": 9_000_000_000_000_i64, "client_id": "client_1", "created_at": began,
            "expire_at": 9_000_000_000_000_i64, "id": id, "last_active_at": began, "status": "active", "updated_at": T + 40,
            "user_id": "user_1",
        });
        sync.apply(&event("session.created", T + 49, data)).await.unwrap();
    }
    let sessions = sync.sessions_of("user_1").await.unwrap();
    let ids: Vec<_> = sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids, ["sess_4", "sess_1", "sess_2", "sess_3"]);
}
