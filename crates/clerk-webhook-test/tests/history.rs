//! Histories are consistent, reproducible, and contain the hard cases of real event streams.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic fails the test")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use clerk_webhook_core::{EventData, EventType, Timestamp, Verifier};
use clerk_webhook_test::ObjectKind;
use clerk_webhook_test::{History, HistoryEvent, SECRET, Scenario};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

const SCENARIOS: [Scenario; 4] = [Scenario::SignUp, Scenario::Team, Scenario::Churn, Scenario::All];

fn history(scenario: Scenario, seed: u64, events: usize) -> History {
    History::builder().scenario(scenario).seed(seed).events(events).build()
}

/// Returns a hash of ids, types, times and bodies.
fn hash<'e>(events: impl IntoIterator<Item = &'e HistoryEvent>) -> String {
    let mut hash = Sha256::new();
    for event in events {
        let head =
            format!("{} {} {}\n", event.message_id(), event.event_type(), event.occurred_at().as_millis());
        hash.update(head);
        hash.update(event.body());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_seed_always_produces_the_same_bytes() {
    // Users rely on these hashes. A changed hash is a breaking change and needs an entry in CHANGELOG.md.
    let hashes = SCENARIOS.map(|scenario| hash(history(scenario, 7, 1000).events())[..16].to_owned());
    assert_eq!(hashes, ["b32cae082848e040", "c261c7a9d30cf57e", "a0397c5fc25b832e", "bedfbca6fabcf02f"]);
}

#[test]
fn another_seed_produces_another_history() {
    let ids = |seed| -> HashSet<String> {
        let history = history(Scenario::All, seed, 1000);
        history.events().iter().map(|event| event.message_id().to_string()).collect()
    };
    assert_eq!(ids(1).len(), 1000);
    assert!(ids(1).is_disjoint(&ids(2)));
}

#[test]
fn all_event_types_occur_within_150_events() {
    for seed in 0..200 {
        let history = history(Scenario::All, seed, 150);
        let types: BTreeSet<String> =
            history.events().iter().map(|event| event.event_type().to_string()).collect();
        let missing: Vec<_> = EventType::ALL.iter().filter(|known| !types.contains(known.as_str())).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?}");
        assert_eq!(types.len(), 46, "seed {seed}");
    }
}

#[test]
fn all_events_decode_as_their_event_type() {
    for scenario in SCENARIOS {
        for event in history(scenario, 3, 3000).events() {
            let decoded = event.event();
            assert_eq!(*decoded.event_type(), event.event_type());
            assert_eq!(decoded.occurred_at(), Some(event.occurred_at()));
            assert!(decoded.instance_id().is_some_and(|id| id.starts_with("ins_")));
            if let EventData::Unrecognized(data) = decoded.data() {
                panic!("{}: {}\n{}", event.event_type(), data.reason(), event.json());
            }
            let id = event.message_id().as_str();
            assert!(id.len() == 31 && id.starts_with("msg_"), "{id}");
            assert_eq!(
                event.json().to_string().as_bytes(),
                event.body(),
                "the body must be compact with sorted keys"
            );
        }
    }
}

#[test]
fn deliveries_are_authentic() {
    let verifier = Verifier::new(SECRET).unwrap();
    let history = history(Scenario::SignUp, 1, 20);
    for (delivery, event) in history.deliveries().zip(history.events()) {
        let verified = verifier.receive(&delivery.headers(), delivery.body()).unwrap();
        assert_eq!(verified.message_id(), event.message_id());
    }
}

/// The state of an object that is known from the events in order.
struct Known {
    updated_at: i64,
    created_at: i64,
    deleted: bool,
}

/// Returns the kind and the id of the object that an event describes.
fn subject(event_type: &str, data: &Value) -> Option<(ObjectKind, String)> {
    let kind = match event_type.split_once('.').unwrap().0 {
        "user" => ObjectKind::User,
        "organization" => ObjectKind::Organization,
        "organizationMembership" => ObjectKind::OrganizationMembership,
        "organizationInvitation" => ObjectKind::OrganizationInvitation,
        "organizationDomain" => ObjectKind::OrganizationDomain,
        "role" => ObjectKind::Role,
        "permission" => ObjectKind::Permission,
        "session" => ObjectKind::Session,
        "subscription" => ObjectKind::Subscription,
        "subscriptionItem" => ObjectKind::SubscriptionItem,
        "paymentAttempt" => ObjectKind::PaymentAttempt,
        "waitlistEntry" => ObjectKind::WaitlistEntry,
        "email" | "sms" => return None,
        other => panic!("{other}"),
    };
    Some((kind, data["id"].as_str().unwrap().to_owned()))
}

/// Reads a history in order, and asserts that it is consistent.
fn assert_consistent(history: &History, ties: bool) {
    let mut known: HashMap<String, Known> = HashMap::new();
    let mut users: HashMap<String, Value> = HashMap::new();
    let mut messages = HashSet::new();
    let mut before = Timestamp::from_millis(0);
    for event in history.events() {
        let (event_type, json) = (event.event_type().to_string(), event.json());
        let (data, now) = (&json["data"], event.occurred_at());
        let is_deletion = event_type.ends_with(".deleted");
        assert!(messages.insert(event.message_id().clone()), "a message id occurs twice");
        assert!(now > before, "the time does not increase");
        before = now;

        let alive = |known: &HashMap<String, Known>, id: &Value| {
            let id = id.as_str().unwrap();
            assert!(known.get(id).is_some_and(|known| !known.deleted), "{event_type} needs {id}: {json}");
        };
        match event_type.split_once('.').unwrap().0 {
            "organizationMembership" => {
                alive(&known, &data["organization"]["id"]);
                alive(&known, &data["public_user_data"]["user_id"]);
            }
            "organizationInvitation" | "organizationDomain" if !is_deletion => {
                alive(&known, &data["organization_id"])
            }
            "session" => {
                alive(&known, &data["user_id"]);
                assert_eq!(
                    data["user"],
                    users[data["user_id"].as_str().unwrap()],
                    "the nested user must be equal to the last event about the user"
                );
            }
            "subscription" | "subscriptionItem" => alive(&known, &data["payer"]["user_id"]),
            _ => {}
        }

        let Some((kind, id)) = subject(&event_type, data) else { continue };
        let is_first = !known.contains_key(&id);
        let created = [".created", ".pending", ".incomplete", ".upcoming"];
        if is_first && !created.iter().any(|suffix| event_type.ends_with(suffix)) {
            assert_eq!(event_type, "subscriptionItem.active", "{id} was not created");
        }
        if !is_first {
            assert!(
                !event_type.ends_with(".created") || kind == ObjectKind::SubscriptionItem,
                "{event_type} {id}"
            );
            assert!(!known[&id].deleted, "{event_type} after the end of {id}");
        }
        if is_deletion && kind != ObjectKind::OrganizationMembership {
            assert_eq!((&data["deleted"], data["updated_at"].is_null()), (&Value::Bool(true), true));
            known.get_mut(&id).unwrap().deleted = true;
            continue;
        }
        let (updated_at, created_at) =
            (data["updated_at"].as_i64().unwrap(), data["created_at"].as_i64().unwrap());
        let lag = now.as_millis() - updated_at;
        if is_deletion {
            let last = known.get_mut(&id).unwrap();
            assert_eq!(
                last.updated_at, updated_at,
                "the deletion of a membership must not change updated_at"
            );
            last.deleted = true;
            continue;
        }
        assert!(updated_at >= created_at);
        assert!((4..100).contains(&lag) || ties && lag > 0, "{event_type}: {lag}");
        if let Some(last) = known.get(&id) {
            assert_eq!(last.created_at, created_at);
            let rises = updated_at > last.updated_at || ties && updated_at == last.updated_at;
            assert!(rises || kind == ObjectKind::SubscriptionItem, "{event_type} {id}");
        }
        if kind == ObjectKind::User {
            users.insert(id.clone(), data.clone());
        }
        known.insert(id, Known { updated_at, created_at, deleted: false });
    }
}

/// Applies the events in order. A deletion also removes the objects of the deleted user or organization.
fn naive_truth(events: &[HistoryEvent]) -> BTreeMap<ObjectKind, BTreeMap<String, Value>> {
    let mut objects: BTreeMap<ObjectKind, BTreeMap<String, Value>> = BTreeMap::new();
    for event in events {
        let (event_type, mut json) = (event.event_type().to_string(), event.json());
        let Some((kind, id)) = subject(&event_type, &json["data"]) else { continue };
        if !event_type.ends_with(".deleted") {
            objects.entry(kind).or_default().insert(id, json["data"].take());
            continue;
        }
        objects.get_mut(&kind).unwrap().remove(&id).unwrap();
        let pointers: &[(ObjectKind, &str)] = match kind {
            ObjectKind::User => &[
                (ObjectKind::OrganizationMembership, "/public_user_data/user_id"),
                (ObjectKind::Session, "/user_id"),
            ],
            ObjectKind::Organization => &[
                (ObjectKind::OrganizationMembership, "/organization/id"),
                (ObjectKind::OrganizationInvitation, "/organization_id"),
                (ObjectKind::OrganizationDomain, "/organization_id"),
            ],
            _ => &[],
        };
        for (kind, pointer) in pointers {
            let of_it = |data: &Value| data.pointer(pointer).unwrap().as_str() == Some(&id);
            objects.entry(*kind).or_default().retain(|_, data| !of_it(data));
        }
    }
    objects.retain(|_, objects| !objects.is_empty());
    objects
}

fn assert_truth(history: &History, after: usize) {
    let truth = history.truth_after(after);
    let naive = naive_truth(&history.events()[..after]);
    for kind in [
        ObjectKind::User,
        ObjectKind::Organization,
        ObjectKind::OrganizationMembership,
        ObjectKind::OrganizationInvitation,
        ObjectKind::OrganizationDomain,
        ObjectKind::Role,
        ObjectKind::Permission,
        ObjectKind::Session,
        ObjectKind::Subscription,
        ObjectKind::SubscriptionItem,
        ObjectKind::PaymentAttempt,
        ObjectKind::WaitlistEntry,
    ] {
        let expected = naive.get(&kind).cloned().unwrap_or_default();
        assert_eq!(*truth.live(kind), expected, "{kind:?} after {after}");
        assert!(truth.deleted(kind).keys().all(|id| !expected.contains_key(id)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn histories_are_consistent(
        seed in any::<u64>(),
        scenario in prop::sample::select(&SCENARIOS[..]),
        ties in any::<bool>(),
        events in 1_usize..400,
    ) {
        let history = History::builder().scenario(scenario).seed(seed).events(events).ties(ties).build();
        prop_assert_eq!(history.events().len(), events);
        assert_consistent(&history, ties);
    }

    #[test]
    fn the_truth_matches_the_events_applied_in_order(
        seed in any::<u64>(),
        scenario in prop::sample::select(&SCENARIOS[..]),
        after in 0_usize..=300,
    ) {
        assert_truth(&history(scenario, seed, 300), after);
    }

    #[test]
    fn arrivals_contain_every_event_the_requested_number_of_times(
        seed in any::<u64>(),
        copies in 1_usize..5,
        window in 0_usize..30,
        whole in any::<bool>(),
    ) {
        let history = history(Scenario::Churn, seed, 100);
        let arrivals = history.arrivals(seed);
        let arrivals = if whole { arrivals.shuffled() } else { arrivals.shuffled_within(window) };
        let order: Vec<usize> = arrivals.events().map(|event| {
            history.events().iter().position(|other| other.message_id() == event.message_id()).unwrap()
        }).collect();
        if !whole {
            for (place, index) in order.iter().enumerate() {
                let overtaken = order[place..].iter().filter(|other| *other < index).count();
                prop_assert!(overtaken <= window, "{} overtakes {}", index, overtaken);
            }
        }
        let again = arrivals.clone().duplicated(copies);
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let parts = again.dealt(3);
        prop_assert_eq!(parts.iter().map(Vec::len).sum::<usize>(), again.events().len());
        for event in parts.into_iter().flatten() {
            let index = history.events().iter().position(|other| other.message_id() == event.message_id());
            *counts.entry(index.unwrap()).or_default() += 1;
        }
        prop_assert_eq!(counts.len(), 100);
        prop_assert!(counts.values().all(|count| *count == copies));
        prop_assert_eq!(hash(again.events()), hash(arrivals.duplicated(copies).events()), "the same seed must produce the same order");
    }
}

#[test]
fn histories_contain_the_hard_cases() {
    let history = history(Scenario::Churn, 11, 3000);
    let mut organizations: HashMap<String, i64> = HashMap::new();
    let mut owners: HashMap<String, String> = HashMap::new();
    let mut pairs: HashMap<(String, String), HashSet<String>> = HashMap::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for event in history.events() {
        let (event_type, json) = (event.event_type().to_string(), event.json());
        let data = &json["data"];
        let mut see = |what| *seen.entry(what).or_default() += 1;
        match event_type.as_str() {
            "user.created" | "user.updated" => {
                if event_type == "user.created" && data["updated_at"].as_i64() > data["created_at"].as_i64() {
                    see("a new user has a later updated_at");
                }
                let addresses = data["email_addresses"].as_array().unwrap();
                if addresses.is_empty() {
                    see("a user has no address");
                } else if addresses[0]["id"] != data["primary_email_address_id"] {
                    see("the primary address is not the first");
                }
                let id = data["id"].as_str().unwrap();
                for address in addresses {
                    let address = address["email_address"].as_str().unwrap().to_owned();
                    if owners.insert(address, id.to_owned()).is_some_and(|before| before != id) {
                        see("an address moves");
                    }
                }
            }
            "organization.created" | "organization.updated" => {
                assert!(data.get("private_metadata").is_some() && data.get("created_by").is_some());
                let id = data["id"].as_str().unwrap().to_owned();
                organizations.insert(id, data["updated_at"].as_i64().unwrap());
            }
            "organizationMembership.created" | "organizationMembership.deleted" => {
                let nested = &data["organization"];
                assert!(nested.get("private_metadata").is_none() && nested.get("created_by").is_none());
                let organization = nested["id"].as_str().unwrap().to_owned();
                if nested["updated_at"].as_i64() > organizations.get(&organization).copied() {
                    see("a nested organization is newer");
                }
                let user = data["public_user_data"]["user_id"].as_str().unwrap().to_owned();
                let ids = pairs.entry((organization, user)).or_default();
                if ids.insert(data["id"].as_str().unwrap().to_owned()) && ids.len() > 1 {
                    see("a user joins again");
                }
                if event_type.ends_with("deleted")
                    && event.occurred_at().as_millis() - data["updated_at"].as_i64().unwrap() > 1000
                {
                    see("only the envelope contains the time of the end");
                }
            }
            "user.deleted" if data.get("external_id").is_some() => see("a deleted user has an external id"),
            "organization.deleted" => see("an organization is deleted"),
            _ => {}
        }
    }
    let truth = history.truth();
    let undeleted = memberships_without_deletion_event(history.events());
    let ended = undeleted.iter().filter(|id| !truth.memberships().contains_key(*id)).count();
    assert!(ended > 5, "{ended} of {} memberships end without a deletion event", undeleted.len());
    for what in [
        "a new user has a later updated_at",
        "a user has no address",
        "the primary address is not the first",
        "an address moves",
        "a nested organization is newer",
        "a user joins again",
        "only the envelope contains the time of the end",
        "a deleted user has an external id",
        "an organization is deleted",
    ] {
        assert!(seen.get(what).is_some_and(|count| *count > 5), "{what}: {:?}", seen.get(what));
    }
}

/// Returns the ids of the memberships that have no deletion event.
fn memberships_without_deletion_event(events: &[HistoryEvent]) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for event in events {
        let id = || event.json()["data"]["id"].as_str().unwrap().to_owned();
        match event.event_type().as_str() {
            "organizationMembership.created" => _ = ids.insert(id()),
            "organizationMembership.deleted" => _ = ids.remove(&id()),
            _ => {}
        }
    }
    ids
}

#[test]
fn ties_occur_only_if_requested() {
    let versions = |ties| {
        let history = History::builder().scenario(Scenario::Churn).seed(5).events(1000).ties(ties).build();
        let versions = history.events().iter().filter_map(|event| {
            let json = event.json();
            let deleted = event.event_type().as_str().ends_with("deleted");
            let updated_at = json["data"]["updated_at"].as_i64().filter(|_| !deleted)?;
            Some((json["data"]["id"].to_string(), updated_at))
        });
        let versions: Vec<_> = versions.collect();
        versions.len() - versions.iter().collect::<HashSet<_>>().len()
    };
    assert_eq!(versions(false), 0);
    assert!(versions(true) > 50);
}

#[test]
fn a_history_is_a_prefix_of_every_longer_one() {
    let (short, long) = (history(Scenario::All, 9, 300), history(Scenario::All, 9, 900));
    assert_eq!(hash(short.events()), hash(&long.events()[..300]));
    assert_eq!(short.truth(), long.truth_after(300));
    let streamed: Vec<_> = History::builder().seed(9).events(300).stream().collect();
    assert_eq!(hash(short.events()), hash(&streamed));
}

#[test]
fn a_history_of_users_has_the_requested_number_of_users() {
    for scenario in SCENARIOS {
        let history = History::builder().scenario(scenario).users(50).seed(2).build();
        let created = |event: &&HistoryEvent| event.event_type().as_str() == "user.created";
        let users = history.events().iter().filter(created).count();
        assert!((50..80).contains(&users), "{scenario:?}: {users}");
        assert!(history.events().len() > 100);
    }
}

#[test]
fn a_history_begins_at_its_start() {
    for millis in [i64::MIN, -1, 0, 1_000_000_000_000, 1_767_225_600_000, i64::MAX] {
        let history = History::builder().start(Timestamp::from_millis(millis)).events(50).build();
        let first = history.events()[0].occurred_at().as_millis();
        let start = millis.clamp(0, i64::MAX / 2);
        assert!((start..start + 100_000_000).contains(&first), "{millis}: {first}");
        assert_consistent(&history, false);
    }
}
