//! Deleted objects never become live again, and their data is erased.

use clerk_webhook_sync::{Applied, ClerkSync};
use serde_json::json;
use sqlx::Postgres;

use crate::databases::{
    Engine, T, deleted, event, membership, migrated, on_both_engines, organization, user,
};

on_both_engines!(
    a_tombstone_has_no_personal_data,
    a_tombstone_contains_the_time_of_its_write,
    a_membership_ends_with_its_user_and_its_organization,
    a_deletion_of_a_membership_has_the_time_of_its_envelope,
    a_user_who_joins_again_is_a_member,
    a_later_membership_ends_the_earlier_one_even_if_it_was_deleted,
    no_table_contains_data_of_a_deleted_user,
    forget_user_erases_a_user_immediately,
    forget_email_erases_an_address_in_all_tables,
    forget_email_ignores_case_in_any_alphabet,
    forget_user_erases_addresses_in_any_alphabet,
    a_role_is_deleted_by_both_forms_of_the_payload,
);

/// Returns the contents of all text columns in all tables.
async fn everything<DB: Engine>(sync: &ClerkSync<DB>) -> String {
    let mut all = String::new();
    for (table, columns) in [
        (
            "users",
            "id external_id username first_name last_name image_url primary_email_id primary_email primary_phone public_metadata raw",
        ),
        ("user_emails", "email"),
        ("user_phone_numbers", "phone_number"),
        ("user_external_accounts", "provider_user_id email username"),
        ("organizations", "name slug public_metadata raw"),
        ("memberships", "organization_id user_id role public_metadata raw"),
        ("invitations", "email_address raw"),
        ("domains", "name raw"),
        ("waitlist_entries", "email_address raw"),
    ] {
        for column in columns.split(' ') {
            let query = format!("SELECT {} FROM clerk_{table}", DB::as_text(column));
            all.extend(DB::texts(sync.pool(), &query).await.into_iter().flatten());
        }
    }
    all
}

async fn a_tombstone_has_no_personal_data<DB: Engine>(sync: ClerkSync<DB>) {
    let mut data = user("user_1", "Ada", T);
    data["username"] = "countess".into();
    data["phone_numbers"] = json!([{ "id": "idn_2", "phone_number": "+12025550100" }]);
    data["external_accounts"] = json!([
        { "email_address": "lovelace@example.org", "id": "eac_1", "object": "external_account", "provider": "github" }
    ]);
    sync.apply(&event("user.created", T + 10, data)).await.unwrap();
    let personal = ["Ada", "countess", "ada@example.com", "+12025550100", "lovelace"];
    let before = everything(&sync).await;
    assert!(personal.iter().all(|text| before.contains(text)), "{before}");
    sync.apply(&event("user.deleted", T + 20, deleted("user_1"))).await.unwrap();
    assert_eq!(everything(&sync).await, "user_1");
    let deleted_at = format!("SELECT {} FROM clerk_users", DB::as_text("deleted_at"));
    assert_eq!(DB::texts(sync.pool(), &deleted_at).await, [Some((T + 20).to_string())]);
}

/// A reconciliation searches for rows that have not been written for a long time.
async fn a_tombstone_contains_the_time_of_its_write<DB: Engine>(sync: ClerkSync<DB>) {
    sync.apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap();
    <DB as Engine>::run(sync.pool(), "UPDATE clerk_users SET synced_at = 1").await;
    for id in ["user_1", "user_2"] {
        sync.apply(&event("user.deleted", T + 20, deleted(id))).await.unwrap();
    }
    let written = format!("SELECT id FROM clerk_users WHERE synced_at > {T} ORDER BY id");
    assert_eq!(DB::texts(sync.pool(), &written).await, ["user_1", "user_2"].map(|id| Some(id.to_owned())));
}

async fn a_membership_ends_with_its_user_and_its_organization<DB: Engine>(sync: ClerkSync<DB>) {
    // Memberships arrive last, and their deletions never arrive.
    for event in [
        event("user.deleted", T + 50, deleted("user_1")),
        event("organization.deleted", T + 50, deleted("org_2")),
        event("organization.created", T + 10, organization("org_1", "Acme", T)),
        event("user.created", T + 10, user("user_2", "Grace", T)),
        event("organizationMembership.created", T + 20, membership("orgmem_1", "org_1", "user_1", T + 20)),
        event("organizationMembership.created", T + 20, membership("orgmem_2", "org_2", "user_2", T + 20)),
        event("organizationMembership.created", T + 20, membership("orgmem_3", "org_1", "user_2", T + 20)),
    ] {
        sync.apply(&event).await.unwrap();
    }
    let live = DB::texts(sync.pool(), "SELECT id FROM clerk_active_memberships").await;
    assert_eq!(live, [Some("orgmem_3".to_owned())]);
    assert_eq!(sync.members("org_1").await.unwrap().len(), 1);
    assert_eq!(sync.organizations_of("user_2").await.unwrap().len(), 1);
    assert!(sync.organizations_of("user_1").await.unwrap().is_empty());
}

/// In one case, Clerk sent a deletion five days after the last change, with the `updated_at` of that change.
async fn a_deletion_of_a_membership_has_the_time_of_its_envelope<DB: Engine>(sync: ClerkSync<DB>) {
    const FIVE_DAYS: i64 = 428_468_917;
    let data = membership("orgmem_1", "org_1", "user_1", T);
    let created = event("organizationMembership.created", T + 16, data.clone());
    let ended = event("organizationMembership.deleted", T + FIVE_DAYS, data);
    for (event, expected) in [
        (&created, Applied::Inserted),
        (&ended, Applied::Tombstoned),
        (&created, Applied::Stale),
        (&ended, Applied::Stale),
    ] {
        assert_eq!(sync.apply(event).await.unwrap(), expected);
    }
    assert!(sync.members("org_1").await.unwrap().is_empty());
    let pair = "SELECT organization_id || ' ' || user_id FROM clerk_memberships";
    assert_eq!(DB::texts(sync.pool(), pair).await, [Some("org_1 user_1".to_owned())]);
    let deleted_at = format!("SELECT {} FROM clerk_memberships", DB::as_text("deleted_at"));
    assert_eq!(DB::texts(sync.pool(), &deleted_at).await, [Some((T + FIVE_DAYS).to_string())]);
}

async fn a_user_who_joins_again_is_a_member<DB: Engine>(sync: ClerkSync<DB>) {
    let first = membership("orgmem_1", "org_1", "user_1", T);
    let second = membership("orgmem_2", "org_1", "user_1", T + 100);
    sync.apply(&event("organizationMembership.created", T + 110, second)).await.unwrap();
    sync.apply(&event("organizationMembership.created", T + 10, first.clone())).await.unwrap();
    let ids = |members: Vec<(clerk_webhook_sync::MembershipRow, _)>| {
        members.into_iter().map(|(membership, _)| membership.id).collect::<Vec<_>>()
    };
    // The end of the first membership is not known yet.
    assert_eq!(ids(sync.members("org_1").await.unwrap()), ["orgmem_2"]);
    sync.apply(&event("organizationMembership.deleted", T + 50, first)).await.unwrap();
    assert_eq!(ids(sync.members("org_1").await.unwrap()), ["orgmem_2"]);
}

/// The first membership's deletion is late or lost.
async fn a_later_membership_ends_the_earlier_one_even_if_it_was_deleted<DB: Engine>(sync: ClerkSync<DB>) {
    let first = membership("orgmem_1", "org_1", "user_1", T);
    let second = membership("orgmem_2", "org_1", "user_1", T + 100);
    let events = [
        event("organizationMembership.created", T + 10, first.clone()),
        event("organizationMembership.created", T + 110, second.clone()),
        event("organizationMembership.deleted", T + 150, second),
    ];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        <DB as Engine>::run(sync.pool(), "DELETE FROM clerk_memberships").await;
        for index in order {
            sync.apply(&events[index]).await.unwrap();
        }
        let live = DB::texts(sync.pool(), "SELECT id FROM clerk_active_memberships").await;
        assert_eq!(live, [], "{order:?}");
        assert!(sync.members("org_1").await.unwrap().is_empty(), "{order:?}");
        assert!(sync.organizations_of("user_1").await.unwrap().is_empty(), "{order:?}");

        // A third membership is live before and after the first one's deletion.
        let third = membership("orgmem_0", "org_1", "user_1", T + 200);
        for event in [
            event("organizationMembership.created", T + 210, third),
            event("organizationMembership.deleted", T + 50, first.clone()),
        ] {
            sync.apply(&event).await.unwrap();
            let members = sync.members("org_1").await.unwrap();
            assert_eq!(members.iter().map(|(one, _)| one.id.as_str()).collect::<Vec<_>>(), ["orgmem_0"]);
        }
    }
}

/// A user's copy in another object's row would never be erased.
async fn no_table_contains_data_of_a_deleted_user<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.raw(clerk_webhook_sync::RawColumn::Full);
    sync.apply(&event("user.deleted", T + 50, deleted("user_1"))).await.unwrap();
    let data = membership("orgmem_1", "org_1", "user_1", T);
    sync.apply(&event("organizationMembership.created", T + 10, data)).await.unwrap();
    sync.apply(&event("user.updated", T + 40, user("user_1", "Ada", T))).await.unwrap();
    let invitation = json!({
        "created_at": T, "email_address": "guest@example.com", "id": "orginv_1", "organization_id": "org_1",
        "public_inviter_data": { "first_name": "Ada", "identifier": "ada@example.com", "user_id": "user_1" },
        "role": "org:member", "updated_at": T,
    });
    sync.apply(&event("organizationInvitation.created", T + 10, invitation)).await.unwrap();
    let domain = json!({
        "affiliation_email_address": "ada@acme.example", "created_at": T, "enrollment_mode": "automatic_invitation",
        "id": "orgdmn_1", "name": "acme.example", "organization_id": "org_1", "total_pending_invitations": 0,
        "total_pending_suggestions": 0, "updated_at": T,
    });
    sync.apply(&event("organizationDomain.created", T + 10, domain)).await.unwrap();
    let all = everything(&sync).await;
    assert!(all.contains("guest@example.com") && all.contains("automatic_invitation"), "{all}");
    assert!(!all.contains("ada@") && !all.contains("copy@") && !all.contains("Ada"), "{all}");
}

async fn forget_user_erases_a_user_immediately<DB: Engine>(sync: ClerkSync<DB>) {
    assert!(sync.forget_user("user_2").await.unwrap(), "an unknown user becomes a tombstone");
    sync.apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap();
    for (id, address, accepted_by) in [
        ("orginv_1", "ada@example.com", None),
        ("orginv_4", "Ada@Example.com", None),
        ("orginv_2", "lovelace@example.com", Some("user_1")),
        ("orginv_3", "grace@example.com", None),
    ] {
        let mut invitation = invitation(id, address);
        invitation["user_id"] = accepted_by.into();
        sync.apply(&event("organizationInvitation.accepted", T + 10, invitation)).await.unwrap();
    }
    assert!(sync.forget_user("user_1").await.unwrap());
    assert!(!sync.forget_user("user_1").await.unwrap());
    let later = event("user.updated", T + 30, user("user_1", "Ada", T + 20));
    assert_eq!(sync.apply(&later).await.unwrap(), Applied::Stale);
    let all = everything(&sync).await;
    assert!(all.contains("grace@"), "{all}");
    assert!(!all.contains("ada@") && !all.contains("lovelace") && !all.contains("Ada"), "{all}");
}

fn invitation(id: &str, address: &str) -> serde_json::Value {
    json!({
        "created_at": T, "email_address": address, "id": id, "organization_id": "org_1", "role": "org:member",
        "updated_at": T,
    })
}

/// After a user has been deleted, the user's addresses are unknown.
async fn forget_email_erases_an_address_in_all_tables<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_waitlist();
    sync.apply(&event("user.created", T + 10, user("user_1", "Ada", T))).await.unwrap();
    for (number, address) in ["ada@example.com", "ADA@example.com", "grace@example.com"].iter().enumerate() {
        let invitation = invitation(&format!("orginv_{number}"), address);
        sync.apply(&event("organizationInvitation.created", T + 10, invitation)).await.unwrap();
        let entry = json!({
            "created_at": T, "email_address": address, "id": format!("wle_{number}"), "status": "pending",
            "updated_at": T,
        });
        sync.apply(&event("waitlistEntry.created", T + 10, entry)).await.unwrap();
    }
    sync.apply(&event("user.deleted", T + 20, deleted("user_1"))).await.unwrap();
    assert!(!sync.forget_user("user_1").await.unwrap());
    assert_eq!(
        everything(&sync).await.to_lowercase().matches("ada@").count(),
        8,
        "two rows in two tables, each with the address in a column and in `raw`"
    );
    assert_eq!(sync.waitlist_entry_by_email("Grace@example.com").await.unwrap().unwrap().id, "wle_2");

    assert!(sync.forget_email("Ada@example.com").await.unwrap());
    assert!(!sync.forget_email("ada@example.com").await.unwrap());
    assert_eq!(sync.waitlist_entry_by_email("ada@example.com").await.unwrap(), None);
    let all = everything(&sync).await;
    assert!(!all.to_lowercase().contains("ada@"), "{all}");
    assert_eq!(all.matches("grace@").count(), 4, "{all}");

    // An invitation that arrives later is stored.
    let later = event("organizationInvitation.created", T + 30, invitation("orginv_9", "ada@example.com"));
    assert_eq!(sync.apply(&later).await.unwrap(), Applied::Inserted);
}

const ALPHABETS: [(&str, &str); 6] = [
    ("ada@example.com", "ADA@EXAMPLE.COM"),
    ("j\u{f6}rg@m\u{fc}ller.de", "J\u{d6}RG@M\u{dc}LLER.DE"),
    ("J\u{d6}RG@m\u{fc}ller.at", "j\u{f6}rg@M\u{dc}LLER.at"),
    ("\u{436}\u{430}\u{43d}\u{43d}\u{430}@example.ru", "\u{416}\u{410}\u{41d}\u{41d}\u{410}@example.ru"),
    // The Kelvin sign is not ASCII, but its lower case is.
    ("\u{212a}elvin@example.com", "kelvin@EXAMPLE.com"),
    ("kelvin@example.org", "\u{212a}elvin@example.org"),
];

async fn invite_and_wait<DB: Engine>(sync: &ClerkSync<DB>, number: usize, address: &str) {
    let invitation = invitation(&format!("orginv_{number}"), address);
    sync.apply(&event("organizationInvitation.created", T + 10, invitation)).await.unwrap();
    let entry = json!({
        "created_at": T, "email_address": address, "id": format!("wle_{number}"), "status": "pending", "updated_at": T,
    });
    sync.apply(&event("waitlistEntry.created", T + 10, entry)).await.unwrap();
}

async fn forget_email_ignores_case_in_any_alphabet<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_waitlist();
    for (number, (address, _)) in ALPHABETS.into_iter().enumerate() {
        invite_and_wait(&sync, number, address).await;
    }
    for (number, (address, other)) in ALPHABETS.into_iter().enumerate() {
        let entry = sync.waitlist_entry_by_email(other).await.unwrap().unwrap();
        assert_eq!((entry.id, entry.email_address.as_deref()), (format!("wle_{number}"), Some(address)));
        assert!(sync.forget_email(other).await.unwrap(), "{other}");
        assert!(!sync.forget_email(address).await.unwrap(), "{address}");
        let left = everything(&sync).await;
        assert!(!left.contains(address), "{left}");
        assert_eq!(left.matches('@').count(), (ALPHABETS.len() - number - 1) * 4, "{left}");
    }
}

async fn forget_user_erases_addresses_in_any_alphabet<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_waitlist();
    let mut data = user("user_1", "Ada", T);
    let addresses =
        ALPHABETS.map(|(_, other)| json!({ "email_address": other, "id": format!("idn_{other}") }));
    data["email_addresses"] = json!(addresses);
    sync.apply(&event("user.created", T + 10, data)).await.unwrap();
    for (number, (address, _)) in ALPHABETS.into_iter().enumerate() {
        invite_and_wait(&sync, number, address).await;
    }
    invite_and_wait(&sync, ALPHABETS.len(), "gra\u{e7}a@example.com").await;
    assert!(sync.forget_user("user_1").await.unwrap());
    assert_eq!(everything(&sync).await.matches('@').count(), 4);
}

/// Needs Postgres, because SQLite has only one writer at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forget_user_erases_an_address_that_is_written_at_the_same_time() {
    let Some(sync) = migrated::<Postgres>("forget_concurrently").await else { return };
    for (number, address) in ["ada@example.com", "countess@example.com"].iter().enumerate() {
        let invitation = invitation(&format!("orginv_{number}"), address);
        sync.apply(&event("organizationInvitation.created", T + 10, invitation)).await.unwrap();
    }
    for is_known in [false, true] {
        let id = format!("user_{is_known}");
        if is_known {
            sync.apply(&event("user.created", T + 10, user(&id, "Ada", T))).await.unwrap();
        }
        let new = if is_known { "Countess" } else { "Ada" };
        let mut open = sync.pool().begin().await.unwrap();
        sync.apply_in(&mut open, &event("user.updated", T + 30, user(&id, new, T + 20))).await.unwrap();
        let pid = Postgres::texts_in(&mut open, "SELECT pg_backend_pid()::text").await.unwrap().remove(0);
        let forgetting = tokio::spawn({
            let (sync, id) = (sync.clone(), id.clone());
            async move { sync.forget_user(&id).await }
        });
        let waits = format!(
            "SELECT pid::text FROM pg_stat_activity WHERE {} = ANY(pg_blocking_pids(pid))",
            pid.unwrap()
        );
        while Postgres::texts(sync.pool(), &waits).await.is_empty() {
            assert!(!forgetting.is_finished(), "`forget_user` did not wait for the open transaction");
        }
        open.commit().await.unwrap();
        assert!(forgetting.await.unwrap().unwrap());
        let all = everything(&sync).await;
        assert!(!all.contains(&format!("{}@", new.to_lowercase())), "{all}");
    }
}

async fn a_role_is_deleted_by_both_forms_of_the_payload<DB: Engine>(sync: ClerkSync<DB>) {
    let role = |id: &str| json!({ "created_at": T, "id": id, "key": "org:x", "name": "X", "object": "role", "updated_at": T });
    for id in ["role_1", "role_2", "role_3"] {
        sync.apply(&event("role.created", T + 10, role(id))).await.unwrap();
    }
    for data in [deleted("role_1"), role("role_2")] {
        assert_eq!(sync.apply(&event("role.deleted", T + 20, data)).await.unwrap(), Applied::Tombstoned);
    }
    let live = DB::texts(sync.pool(), "SELECT id FROM clerk_active_roles").await;
    assert_eq!(live, [Some("role_3".to_owned())]);
}
