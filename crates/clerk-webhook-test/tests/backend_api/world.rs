//! The objects are those that exist at Clerk at each position of the history.

use std::collections::BTreeSet;
use std::time::Duration;

use clerk_webhook_test::{FakeBackendApi, ObjectKind, Scenario};

use crate::support::{KINDS, ask, get, history, page};

#[test]
fn the_same_objects_exist_as_in_the_truth_while_the_history_goes_on() {
    for scenario in [Scenario::Churn, Scenario::All] {
        let history = history(scenario, 500);
        let api = FakeBackendApi::from_events(history.events().to_vec());
        for position in (0..=500).step_by(25) {
            api.advance_to(position);
            assert_eq!(api.position(), position);
            let truth = history.truth_after(position);
            for kind in KINDS {
                let objects = api.objects(kind);
                let expected: BTreeSet<_> = truth.live(kind).keys().collect();
                assert_eq!(objects.keys().collect::<BTreeSet<_>>(), expected, "{kind:?} at {position}");
                for (id, told) in truth.live(kind) {
                    let (shown, told) = (&objects[id]["updated_at"], &told["updated_at"]);
                    let may_be_later = kind == ObjectKind::Organization;
                    assert!(shown == told || may_be_later && shown.as_i64() > told.as_i64(), "{id}");
                }
            }
        }
    }
}

#[test]
fn a_new_member_changes_the_organization_without_an_event_about_it() {
    let history = history(Scenario::Churn, 600);
    let api = FakeBackendApi::from_events(history.events().to_vec());
    let mut joined = 0;
    for event in history.events() {
        if event.event_type().as_str() != "organizationMembership.created" {
            api.advance();
            continue;
        }
        let id = event.json()["data"]["organization"]["id"].as_str().unwrap().to_owned();
        let organization = || get(&api, &format!("/organizations/{id}?include_members_count=true"));
        let before = organization();
        api.advance();
        let after = organization();
        assert!(after["updated_at"].as_i64() > before["updated_at"].as_i64());
        // An organization counts its founder before the event about the membership.
        let members = before["members_count"].as_i64().unwrap();
        if members > 1 {
            joined += 1;
            assert_eq!(after["members_count"], members + 1);
        }
    }
    assert!(joined > 20, "{joined}");
}

#[test]
fn an_organization_counts_its_members_and_pending_invitations() {
    for scenario in [Scenario::Churn, Scenario::All] {
        let api = FakeBackendApi::new(&history(scenario, 2000));
        let (memberships, invitations) = (
            api.objects(ObjectKind::OrganizationMembership),
            api.objects(ObjectKind::OrganizationInvitation),
        );
        for (id, organization) in api.objects(ObjectKind::Organization) {
            let members = memberships.values().filter(|member| member["organization"]["id"] == *id);
            let pending = invitations.values().filter(|invitation| {
                invitation["organization_id"] == *id && invitation["status"] == "pending"
            });
            assert_eq!(organization["members_count"], members.count(), "{id}");
            assert_eq!(organization["pending_invitations_count"], pending.count(), "{id}");
        }
    }
}

#[test]
fn sessions_and_billing_are_not_served() {
    let api = FakeBackendApi::new(&history(Scenario::All, 500));
    for kind in [ObjectKind::Session, ObjectKind::Subscription, ObjectKind::PaymentAttempt] {
        assert_eq!((api.objects(kind).len(), api.count(kind)), (0, 0), "{kind:?}");
    }
}

#[test]
fn objects_inside_others_are_current() {
    let api = FakeBackendApi::new(&history(Scenario::Churn, 1000));
    let users = api.objects(ObjectKind::User);
    let organizations = api.objects(ObjectKind::Organization);
    let memberships = api.objects(ObjectKind::OrganizationMembership);
    assert!(memberships.len() > 20);
    for membership in memberships.values() {
        let user = &users[membership["public_user_data"]["user_id"].as_str().unwrap()];
        let organization = &organizations[membership["organization"]["id"].as_str().unwrap()];
        for field in ["first_name", "last_name", "banned", "image_url"] {
            assert_eq!(membership["public_user_data"][field], user[field]);
        }
        for field in ["name", "updated_at", "members_count"] {
            assert_eq!(membership["organization"][field], organization[field]);
        }
        assert!(membership["organization"].get("private_metadata").is_none());
    }
}

#[test]
fn only_events_contain_the_user_of_an_invitation() {
    let history = history(Scenario::Team, 1000);
    let accepted = |event: &&clerk_webhook_test::HistoryEvent| {
        event.event_type().as_str() == "organizationInvitation.accepted"
    };
    let event = history.events().iter().find(accepted).unwrap().json();
    assert!(event["data"]["user_id"].is_string());
    let api = FakeBackendApi::new(&history);
    let id = event["data"]["id"].as_str().unwrap();
    let listed = page(&api, "/organization_invitations?limit=500&order_by=created_at");
    let listed = listed.iter().find(|invitation| invitation["id"] == *id).unwrap();
    let organization = listed["organization_id"].as_str().unwrap();
    let single = get(&api, &format!("/organizations/{organization}/invitations/{id}"));
    for invitation in [listed, &single] {
        assert_eq!(invitation["status"], "accepted");
        assert!(invitation.get("user_id").is_none());
    }
    assert_eq!(listed["public_organization_data"]["id"], organization);
    assert!(single.get("public_organization_data").is_none());
}

#[test]
fn counts_are_returned_on_request_only() {
    let api = FakeBackendApi::new(&history(Scenario::Team, 300));
    let (id, expected) = api.objects(ObjectKind::Organization).pop_first().unwrap();
    let slug = expected["slug"].as_str().unwrap();
    for path in [format!("/organizations/{id}"), format!("/v1/organizations/{slug}")] {
        let without = get(&api, &path);
        assert_eq!(without["id"], *id);
        assert!(without.get("members_count").is_none() && without.get("pending_invitations_count").is_none());
        let with = get(&api, &format!("{path}?include_members_count=true"));
        assert_eq!(with["members_count"], expected["members_count"]);
    }
}

#[test]
fn the_instance_is_the_one_in_the_events() {
    let history = history(Scenario::SignUp, 10);
    let api = FakeBackendApi::new(&history);
    assert_eq!(get(&api, "/instance")["id"], history.events()[0].json()["instance_id"]);
    let other = api.clone().with_instance_id("ins_other");
    assert_eq!(get(&other, "/instance")["id"], "ins_other");
    assert_eq!(other.instance_id(), "ins_other");
}

#[test]
fn the_clock_shows_the_time_of_the_last_event_until_time_passes() {
    let history = history(Scenario::SignUp, 10);
    let api = FakeBackendApi::from_events(history.events().to_vec());
    assert!(api.now() < history.events()[0].occurred_at());
    let events = api.pass(Duration::from_millis(1));
    assert_eq!(events.len(), 1);
    assert_eq!(api.now(), history.events()[0].occurred_at());
    api.advance_to(usize::MAX);
    assert_eq!(api.now(), history.events()[9].occurred_at());
    assert!(api.pass(Duration::from_secs(3600)).is_empty());
    assert_eq!(api.now().as_millis(), history.events()[9].occurred_at().as_millis() + 3_600_000);
    // 2026-01-01 is a Thursday.
    let date = ask(&FakeBackendApi::from_events(history.events().to_vec()), "/instance");
    assert_eq!(date.headers()["date"].to_str().unwrap().split(':').next(), Some("Thu, 01 Jan 2026 00"));
}
