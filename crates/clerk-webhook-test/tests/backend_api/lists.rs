//! Paging, orders and filters.

use std::collections::BTreeSet;

use clerk_webhook_test::{FakeBackendApi, ObjectKind, Scenario};
use serde_json::Value;

use crate::support::{KINDS, api, get, history, ids, page, path};

/// Reads a list by `offset`, and returns the ids.
fn by_offset(api: &FakeBackendApi, path: &str, limit: usize) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = page(api, &format!("{path}{separator}limit={limit}&offset={}", found.len()));
        let is_last = page.len() < limit;
        found.extend(ids(&page));
        if is_last {
            return found;
        }
    }
}

#[test]
fn every_list_returns_every_object_once_in_both_orders() {
    let api = api();
    for kind in KINDS {
        let expected = api.objects(kind);
        assert!(!expected.is_empty(), "{kind:?}");
        let ascending = by_offset(&api, &format!("{}?order_by=created_at", path(kind)), 7);
        assert_eq!(ascending.len(), expected.len(), "{kind:?}");
        assert_eq!(ascending.iter().collect::<BTreeSet<_>>(), expected.keys().collect(), "{kind:?}");
        let times: Vec<_> = ascending.iter().map(|id| expected[id]["created_at"].as_i64()).collect();
        assert!(times.is_sorted(), "{kind:?}");
        let mut default = by_offset(&api, path(kind), 500);
        default.reverse();
        assert_eq!(default, ascending, "{kind:?}");
        if kind != ObjectKind::User {
            assert_eq!(get(&api, path(kind))["total_count"], expected.len());
        }
    }
}

#[test]
fn a_page_has_10_objects_by_default() {
    let api = api();
    assert_eq!(page(&api, "/users").len(), 10);
    assert_eq!(page(&api, "/organization_memberships").len(), 10);
    assert!(get(&api, "/users/count")["total_count"].as_u64() > Some(10));
}

#[test]
fn a_cursor_skips_nothing_while_users_are_created_and_deleted() {
    for order in ["created_at", "-created_at"] {
        let history = history(Scenario::Churn, 3000);
        let api = FakeBackendApi::from_events(history.events().to_vec());
        api.advance_to(1500);
        let before: BTreeSet<_> = api.objects(ObjectKind::User).into_keys().collect();
        let mut found = Vec::new();
        loop {
            let cursor = found.last().map_or(String::new(), |id| format!("&starting_after={id}"));
            let page = page(&api, &format!("/users?limit=5&order_by={order}{cursor}"));
            found.extend(ids(&page));
            if page.len() < 5 {
                break;
            }
            // The cursor's user must exist, so the history waits before the deletion of this user.
            let last = found.last().unwrap().as_str();
            for event in history.events()[api.position()..].iter().take(8) {
                if event.event_type().as_str() == "user.deleted" && event.json()["data"]["id"] == last {
                    break;
                }
                api.advance();
            }
        }
        let after: BTreeSet<_> = api.objects(ObjectKind::User).into_keys().collect();
        let length = found.len();
        let found: BTreeSet<_> = found.into_iter().collect();
        assert_eq!(found.len(), length, "{order}: a user occurs twice");
        assert!(before != after, "{order}");
        let missed: Vec<_> = before.intersection(&after).filter(|id| !found.contains(*id)).collect();
        assert!(missed.is_empty(), "{order}: {missed:?}");
    }
}

#[test]
fn a_deletion_before_the_offset_hides_a_user() {
    let history = history(Scenario::Churn, 3000);
    let api = FakeBackendApi::from_events(history.events().to_vec());
    api.advance_to(2000);
    let first = page(&api, "/users?limit=5&order_by=created_at");
    let next = ids(&page(&api, "/users?limit=1&offset=5&order_by=created_at"));
    let is_gone = |user: &Value| !api.objects(ObjectKind::User).contains_key(user["id"].as_str().unwrap());
    while first.iter().filter(|user| is_gone(user)).count() != 1 {
        api.advance().unwrap();
    }
    let second = ids(&page(&api, "/users?limit=5&offset=5&order_by=created_at"));
    assert!(!second.contains(&next[0]), "the user moved to the first page");
}

#[test]
fn filters_select_objects() {
    let api = api();
    let users = api.objects(ObjectKind::User);
    let memberships = api.objects(ObjectKind::OrganizationMembership);
    let membership = memberships.values().next().unwrap();
    let user = membership["public_user_data"]["user_id"].as_str().unwrap();
    let organization = membership["organization"]["id"].as_str().unwrap();
    let count = |select: &dyn Fn(&Value) -> bool, objects: &std::collections::BTreeMap<String, Value>| {
        objects.values().filter(|object| select(object)).count()
    };
    let organizations_of_user = count(&|member| member["public_user_data"]["user_id"] == user, &memberships);
    let members = count(&|member| member["organization"]["id"] == organization, &memberships);
    // The filters exclude the time itself.
    let middle = users.values().nth(5).unwrap()["created_at"].as_i64().unwrap();
    let created_after = |user: &Value| user["created_at"].as_i64() > Some(middle);
    let with_email = users.values().find(|user| !user["email_addresses"][0].is_null()).unwrap();
    let email = with_email["email_addresses"][0]["email_address"].as_str().unwrap();
    let waiting = api.objects(ObjectKind::WaitlistEntry);
    let (entry, waiting) = waiting.first_key_value().unwrap();
    let domains = api.objects(ObjectKind::OrganizationDomain);
    let domain = domains.values().next().unwrap();
    let of_domain = domain["organization_id"].as_str().unwrap();
    let domains_of = count(&|other| other["organization_id"] == of_domain, &domains);
    let verified = count(&|other| other["verification"]["status"] == "verified", &domains);
    let banned = count(&|user| user["banned"] == true, &users);
    let pending = count(
        &|invitation| invitation["status"] == "pending",
        &api.objects(ObjectKind::OrganizationInvitation),
    );
    for (path, expected) in [
        (format!("/users?user_id={user}&user_id=user_unknown"), 1),
        (format!("/users?user_id=%2B{user}"), 1),
        (format!("/users?limit=500&user_id=-{user}"), users.len() - 1),
        (format!("/users?limit=500&organization_id={organization}"), members),
        (format!("/users?limit=500&created_at_after={middle}"), count(&created_after, &users)),
        (
            format!("/users?limit=500&created_at_before={}", middle + 1),
            users.len() - count(&created_after, &users),
        ),
        (format!("/users?email_address={email}"), 1),
        ("/users?limit=500&banned=true".to_owned(), banned),
        ("/users?query=nobody-has-this".to_owned(), 0),
        (format!("/organizations?organization_id={organization}"), 1),
        (format!("/organizations?limit=500&user_id={user}"), organizations_of_user),
        (format!("/users/{user}/organization_memberships?limit=500"), organizations_of_user),
        (format!("/organizations/{organization}/memberships?limit=500"), members),
        (format!("/organizations/{organization}/memberships?user_id={user}"), 1),
        (format!("/organizations/{organization}/memberships?user_id=user_unknown"), 0),
        ("/organization_invitations?limit=500&status=pending".to_owned(), pending),
        (format!("/organization_domains?limit=500&organization_id={of_domain}"), domains_of),
        (format!("/organizations/{of_domain}/domains?limit=500"), domains_of),
        ("/organization_domains?limit=500&verified=true".to_owned(), verified),
        (
            "/organization_domains?limit=500&enrollment_mode=-automatic_invitation,-automatic_suggestion,-manual_invitation"
                .to_owned(),
            0,
        ),
        (format!("/waitlist_entries?query={entry}"), 1),
        (format!("/waitlist_entries?query={}", waiting["email_address"].as_str().unwrap()), 1),
        ("/waitlist_entries?query=wle_unknown".to_owned(), 0),
    ] {
        assert_eq!(page(&api, &path).len(), expected, "{path}");
        if let Some(filters) = path.strip_prefix("/users?") {
            assert_eq!(get(&api, &format!("/users/count?{filters}"))["total_count"], expected, "{path}");
        }
    }
}

#[test]
fn other_orders_sort_by_their_field() {
    let api = api();
    for (path, field) in [
        ("/users?order_by=updated_at", "updated_at"),
        ("/users?order_by=last_active_at", "last_active_at"),
        ("/organizations?include_members_count=true&order_by=members_count", "members_count"),
        ("/organization_domains?order_by=name", "name"),
        ("/organization_roles?order_by=key", "key"),
        ("/waitlist_entries?order_by=email_address", "email_address"),
    ] {
        let keys = |path: &str| -> Vec<(Option<i64>, Option<String>)> {
            let key = |object: &Value| (object[field].as_i64(), object[field].as_str().map(str::to_owned));
            page(&api, &format!("{path}&limit=500")).iter().map(key).collect()
        };
        assert!(keys(path).is_sorted(), "{path}");
        let descending = keys(&path.replace("order_by=", "order_by=-"));
        assert!(descending.iter().rev().is_sorted(), "{path}");
    }
}
