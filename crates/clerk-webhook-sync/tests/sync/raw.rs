//! The content of the `raw` column.

use clerk_webhook_sync::{ClerkSync, RawColumn};
use serde_json::{Value, json};

use crate::databases::{Engine, T, event, on_both_engines, user};

on_both_engines!(raw_omits_private_data_by_default, raw_contains_all_data_if_full, raw_is_null_if_off);

/// Applies a user and an invitation that contain secrets, and returns their `raw` columns.
async fn raw<DB: Engine>(sync: &ClerkSync<DB>) -> [Option<Value>; 2] {
    let mut data = user("user_1", "Ada", T);
    data["phone_numbers"] =
        json!([{ "backup_codes": ["c0de"], "id": "idn_2", "phone_number": "+12025550100" }]);
    data["public_metadata"] = json!({ "backup_codes": "mine" });
    let invitation = json!({
        "created_at": T, "email_address": "ada@example.com", "id": "orginv_1", "organization_id": "org_1",
        "role": "org:member", "updated_at": T, "url": "https://example.com/?ticket=t1cket",
    });
    sync.apply(&event("user.created", T + 10, data)).await.unwrap();
    sync.apply(&event("organizationInvitation.created", T + 10, invitation)).await.unwrap();
    let mut kept = Vec::new();
    for table in ["users", "invitations"] {
        let query = format!("SELECT {} FROM clerk_{table}", DB::as_text("raw"));
        let raw = DB::texts(sync.pool(), &query).await.remove(0);
        kept.push(raw.map(|raw| serde_json::from_str(&raw).unwrap()));
    }
    kept.try_into().unwrap()
}

async fn raw_omits_private_data_by_default<DB: Engine>(sync: ClerkSync<DB>) {
    let [user, invitation] = raw(&sync).await.map(Option::unwrap);
    assert_eq!(user["private_metadata"], Value::Null);
    assert_eq!(user["phone_numbers"], json!([{ "id": "idn_2", "phone_number": "+12025550100" }]));
    assert_eq!(user["public_metadata"], json!({ "backup_codes": "mine" }));
    assert_eq!(user["first_name"], "Ada");
    assert_eq!(invitation.get("url"), None);
}

async fn raw_contains_all_data_if_full<DB: Engine>(sync: ClerkSync<DB>) {
    let [user, invitation] = raw(&sync.raw(RawColumn::Full)).await.map(Option::unwrap);
    assert_eq!(user["private_metadata"], json!({ "note": "secret" }));
    assert_eq!(user["phone_numbers"][0]["backup_codes"], json!(["c0de"]));
    assert_eq!(invitation["url"], "https://example.com/?ticket=t1cket");
}

async fn raw_is_null_if_off<DB: Engine>(sync: ClerkSync<DB>) {
    assert_eq!(raw(&sync.raw(RawColumn::Off)).await, [None, None]);
}
