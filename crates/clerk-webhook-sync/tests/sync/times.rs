//! An invalid time in the data does not prevent later changes to a row.

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::ClerkSync;
use serde_json::json;

use crate::databases::{Engine, T, event, membership, on_both_engines, organization, user};

on_both_engines!(
    a_change_far_in_the_future_does_not_block_the_next_one,
    a_time_in_seconds_equals_a_time_in_milliseconds,
    a_copy_far_in_the_future_does_not_block_the_next_one,
    a_membership_created_far_in_the_future_ends_no_other_membership,
);

const DAY: i64 = 86_400_000;
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Applies three versions of a user in all orders. Returns the user's final name and time, which must be the
/// same for all orders.
async fn always<DB: Engine>(sync: &ClerkSync<DB>, versions: [(&str, i64, i64); 3]) -> (String, i64) {
    let mut ends = Vec::new();
    for order in ORDERS {
        <DB as Engine>::run(sync.pool(), "DELETE FROM clerk_users").await;
        for index in order {
            let (name, updated_at, at) = versions[index];
            sync.apply(&event("user.updated", at, user("user_1", name, updated_at))).await.unwrap();
        }
        let user = sync.user("user_1").await.unwrap().unwrap();
        ends.push((user.first_name.unwrap(), user.updated_at.as_millis()));
    }
    assert!(ends.iter().all(|end| *end == ends[0]), "{versions:?}: {ends:?}");
    ends.remove(0)
}

async fn a_change_far_in_the_future_does_not_block_the_next_one<DB: Engine>(sync: ClerkSync<DB>) {
    // One millisecond more than the tolerated day, a time in microseconds, and the largest number.
    for wrong in [T + 29 + DAY + 1, T * 1000, i64::MAX] {
        let versions = [("Ada", T, T + 9), ("Grace", wrong, T + 29), ("Hedy", T + 40, T + 49)];
        assert_eq!(always(&sync, versions).await, ("Hedy".to_owned(), T + 40), "{wrong}");
        // The version with the invalid time is ordered by its event's time.
        let versions = [("Ada", T, T + 9), ("Grace", wrong, T + 29), ("Hedy", T + 28, T + 28)];
        assert_eq!(always(&sync, versions).await, ("Grace".to_owned(), T + 29), "{wrong}");
    }
    // A time that is at most one day later than the event is accepted.
    let versions = [("Ada", T, T + 9), ("Grace", T + 29 + DAY, T + 29), ("Hedy", T + 40, T + 49)];
    assert_eq!(always(&sync, versions).await, ("Grace".to_owned(), T + 29 + DAY));
}

async fn a_time_in_seconds_equals_a_time_in_milliseconds<DB: Engine>(sync: ClerkSync<DB>) {
    let versions =
        [("Ada", T, T + 9), ("Grace", (T + 2_000) / 1000, T + 2_009), ("Hedy", T + 3_000, T + 3_009)];
    assert_eq!(always(&sync, versions).await, ("Hedy".to_owned(), T + 3_000));
    let versions =
        [("Ada", T, T + 9), ("Grace", (T + 2_000) / 1000, T + 2_009), ("Hedy", T + 1_000, T + 1_009)];
    assert_eq!(always(&sync, versions).await, ("Grace".to_owned(), T + 2_000));
}

async fn a_copy_far_in_the_future_does_not_block_the_next_one<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_billing();
    let copy = |name: &str, changed: i64, at: i64| {
        let mut data = membership("orgmem_1", "org_1", "user_1", at);
        data["organization"] = organization("org_1", name, changed);
        event("organizationMembership.updated", at + 9, data)
    };
    let subscription = |slug: &str, changed: i64, at: i64| {
        let item = json!({
            "id": "csub_item_1", "period_start": T, "status": "active", "updated_at": changed,
            "plan": { "amount": 1, "currency": "EUR", "id": "cplan_1", "is_recurring": true, "name": slug, "slug": slug },
        });
        let data = json!({
            "created_at": T, "id": "csub_1", "items": [item], "payer_id": "cpayer_1", "status": "active", "updated_at": at,
            "payer": { "email": "", "id": "cpayer_1", "image_url": "", "organization_id": "org_1" },
        });
        event("subscription.updated", at + 9, data)
    };
    for order in [[0, 1], [1, 0]] {
        <DB as Engine>::run(
            sync.pool(),
            "DELETE FROM clerk_organizations; DELETE FROM clerk_subscription_items",
        )
        .await;
        let copies = [copy("Acme", i64::MAX, T + 20), copy("Globex", T + 40, T + 40)];
        let items = [subscription("old", i64::MAX, T + 20), subscription("new", T + 40, T + 40)];
        for index in order {
            sync.apply(&copies[index]).await.unwrap();
            sync.apply(&items[index]).await.unwrap();
        }
        let shown = sync.organizations_of("user_1").await.unwrap().remove(0).1.unwrap();
        assert_eq!(shown.name.as_deref(), Some("Globex"), "{order:?}");
        let item = sync.subscription_items_of("org_1").await.unwrap().remove(0);
        assert_eq!(item.plan_slug.as_deref(), Some("new"), "{order:?}");
    }
}

/// `created_at` decides which membership is the later one.
async fn a_membership_created_far_in_the_future_ends_no_other_membership<DB: Engine>(sync: ClerkSync<DB>) {
    for (wrong, is_known) in [(i64::MAX, false), (T / 1000, true)] {
        <DB as Engine>::run(sync.pool(), "DELETE FROM clerk_memberships").await;
        let mut first = membership("orgmem_1", "org_1", "user_1", T);
        first["created_at"] = wrong.into();
        let second = membership("orgmem_2", "org_1", "user_1", T + 100);
        for event in [
            event("organizationMembership.created", T + 109, second),
            event("organizationMembership.created", T + 9, first.clone()),
            event("organizationMembership.deleted", T + 50, first),
        ] {
            sync.apply(&event).await.unwrap();
            assert_eq!(sync.members("org_1").await.unwrap()[0].0.id, "orgmem_2");
        }
        let first =
            format!("SELECT {} FROM clerk_memberships WHERE id = 'orgmem_1'", DB::as_text("created_at"));
        let known = is_known.then(|| Timestamp::from_millis(T).to_string());
        assert_eq!(DB::texts(sync.pool(), &first).await, [known]);
    }
}
