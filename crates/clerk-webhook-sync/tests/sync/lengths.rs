//! Long values do not make an event fail.

use clerk_webhook_core::{Event, Timestamp};
use clerk_webhook_sync::{Applied, ClerkSync};
use clerk_webhook_tests::random::Random;
use clerk_webhook_tests::{fixtures, message_id};
use serde_json::{Value, json};

use crate::databases::{Engine, T, deleted, event, membership, on_both_engines, organization, user};

on_both_engines!(
    every_fixture_applies_with_long_texts,
    objects_with_long_ids_are_found_by_them,
    a_tombstone_with_a_long_id_wins,
);

/// Returns random characters, which cannot be compressed.
fn long(random: &mut Random, length: usize) -> String {
    let character = |_| char::from_u32(0x21 + u32::try_from(random.below(0x2000)).unwrap()).unwrap();
    (0..length).map(character).collect()
}

/// Replaces every text with a long one, except for the object's kind.
fn lengthen(value: &mut Value, random: &mut Random) {
    match value {
        Value::String(text) => *text = long(random, 3_000),
        Value::Array(values) => values.iter_mut().for_each(|value| lengthen(value, random)),
        Value::Object(members) => {
            let long = members.iter_mut().filter(|(name, _)| *name != "object");
            long.for_each(|(_, value)| lengthen(value, random));
        }
        _ => {}
    }
}

async fn every_fixture_applies_with_long_texts<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions().keep_billing().keep_waitlist();
    let seed = Random::seed();
    let mut random = Random::new(seed);
    let mut changes = 0;
    for (name, body) in fixtures() {
        let mut body: Value = serde_json::from_slice(&body).unwrap();
        lengthen(&mut body["data"], &mut random);
        let event = Event::from_trusted(message_id(), Timestamp::now(), body.to_string().into()).unwrap();
        let applied = sync.apply(&event).await;
        changes +=
            u32::from(applied.unwrap_or_else(|error| panic!("{name}: {error} with SEED={seed}")).is_change());
    }
    assert!(changes > 20, "{changes}");
}

async fn objects_with_long_ids_are_found_by_them<DB: Engine>(sync: ClerkSync<DB>) {
    let sync = sync.keep_sessions().keep_billing();
    let mut random = Random::new(1);
    // With a prefix of one character, an id of the first length is short enough to be stored unchanged.
    for (number, length) in [80, 120, 3_000].into_iter().enumerate() {
        let mut id = |name: &str| format!("{name}{}", long(&mut random, length));
        let (user_id, organization_id, membership_id, external) = (id("u"), id("o"), id("m"), id("e"));
        let mut data = user(&user_id, &format!("Ada{number}"), T);
        data["external_id"] = external.as_str().into();
        data["email_addresses"][0]["email_address"] = external.as_str().into();
        let item = json!({
            "id": id("i"), "payer": { "email": "", "id": id("p"), "image_url": "", "organization_id": organization_id },
            "period_start": T, "status": "active", "updated_at": T,
        });
        for event in [
            event(
                "organizationMembership.created",
                T + 9,
                membership(&membership_id, &organization_id, &user_id, T),
            ),
            event("user.created", T + 9, data),
            event("organization.created", T + 9, organization(&organization_id, "Acme", T)),
            event("subscriptionItem.active", T + 9, item),
        ] {
            assert!(sync.apply(&event).await.unwrap().is_change(), "{length}");
        }
        let (membership, member) = sync.members(&organization_id).await.unwrap().remove(0);
        let member = member.unwrap();
        assert_eq!(member.first_name, Some(format!("Ada{number}")));
        assert_eq!(membership.user_id.as_ref(), Some(&member.id));
        assert_eq!(sync.organizations_of(&user_id).await.unwrap().len(), 1);
        assert_eq!(sync.subscription_items_of(&organization_id).await.unwrap().len(), 1);
        assert_eq!(sync.user(&user_id).await.unwrap().as_ref(), Some(&member));
        assert_eq!(sync.user_by_external_id(&external).await.unwrap().as_ref(), Some(&member));
        assert_eq!(sync.user_by_primary_email(&external).await.unwrap().as_ref(), Some(&member));
        assert!(sync.organization(&organization_id).await.unwrap().is_some());
        // The returned id, which may be a digest, finds the user too.
        assert_eq!(sync.user(&member.id).await.unwrap().as_ref(), Some(&member));
        assert_eq!(member.id == user_id, length < 100);
        assert!(sync.forget_user(&user_id).await.unwrap());
        assert!(sync.members(&organization_id).await.unwrap().is_empty());
    }
}

async fn a_tombstone_with_a_long_id_wins<DB: Engine>(sync: ClerkSync<DB>) {
    let id = long(&mut Random::new(2), 3_000);
    assert_eq!(sync.apply(&event("user.deleted", T + 9, deleted(&id))).await.unwrap(), Applied::Tombstoned);
    assert_eq!(sync.apply(&event("user.created", T + 9, user(&id, "Ada", T))).await.unwrap(), Applied::Stale);
    let joined = membership("orgmem_1", "org_1", &id, T);
    let joined = event("organizationMembership.created", T + 9, joined);
    assert_eq!(sync.apply(&joined).await.unwrap(), Applied::Inserted);
    assert!(sync.members("org_1").await.unwrap().is_empty());
}
