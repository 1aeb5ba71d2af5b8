//! Whether a single object exists.

use super::super::error::BackendApiError;
use super::super::look::{Absent, Look};
use super::super::resource::Resource;
use super::server::{React, Reaction, Server, failure, ok, refusal, status};

const DATE: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
const DATE_MILLIS: i64 = 1_445_412_480_000;
const EMPTY: &str = r#"{"data":[],"total_count":0}"#;

const ROW: Absent<'static> = Absent { id: "id_1", organization_id: Some("org_1"), user_id: Some("user_1") };

/// What a test expects of a look.
#[derive(Debug, PartialEq)]
enum Seen {
    Exists,
    Gone,
    Unknown,
    Error,
}

fn seen(look: &Result<Look, BackendApiError>) -> Seen {
    match look {
        Ok(Look::Exists { object, read_at }) => {
            assert_eq!((&*object.id, *read_at), ("id_1", DATE_MILLIS));
            Seen::Exists
        }
        Ok(Look::Gone { at }) => {
            assert_eq!(*at, DATE_MILLIS + 999);
            Seen::Gone
        }
        Ok(Look::Unknown) => Seen::Unknown,
        Err(_) => Seen::Error,
    }
}

fn server(react: impl Fn(&str) -> Reaction + Send + Sync + 'static) -> Server {
    Server::new(move |_, target| react(target).header("date", DATE))
}

#[tokio::test(start_paused = true)]
async fn each_resource_has_its_look() {
    const ID: &str = r#"{"id":"id_1"}"#;
    const IN_LIST: &str = r#"{"data":[{"id":"id_0"},{"id":"id_1"}],"total_count":2}"#;
    const OTHER: &str = r#"{"data":[{"id":"id_0"}],"total_count":1}"#;
    const PARAMETERS: &str = "limit=500&order_by=created_at&offset=0";
    for (resource, path, found) in [
        (Resource::Users, "/users/id_1".to_owned(), ID),
        (Resource::Organizations, "/organizations/id_1?include_members_count=true".to_owned(), ID),
        (Resource::Invitations, "/organizations/org_1/invitations/id_1".to_owned(), ID),
        (Resource::Roles, "/organization_roles/id_1".to_owned(), ID),
        (Resource::Permissions, "/organization_permissions/id_1".to_owned(), ID),
        (
            Resource::Memberships,
            format!("/organizations/org_1/memberships?user_id=user_1&{PARAMETERS}"),
            IN_LIST,
        ),
        (Resource::Domains, format!("/organization_domains?organization_id=org_1&{PARAMETERS}"), IN_LIST),
        (Resource::WaitlistEntries, format!("/waitlist_entries?query=id_1&{PARAMETERS}"), IN_LIST),
    ] {
        let expected = path.clone();
        let existing = server(move |target| if target == expected { ok(found) } else { ok(EMPTY) });
        assert_eq!(seen(&existing.api.look(resource, ROW).await), Seen::Exists, "{resource}");
        assert_eq!(existing.targets(), std::slice::from_ref(&path));

        let is_object = found == ID;
        let expected = path.clone();
        let gone = server(move |target| match target {
            _ if target == expected && is_object => refusal(404, "resource_not_found"),
            _ if target == expected => ok(OTHER),
            _ if target.starts_with("/users") => ok("[]"),
            _ => ok(EMPTY),
        });
        assert_eq!(seen(&gone.api.look(resource, ROW).await), Seen::Gone, "{resource}");
        gone.api.check_that_feature_is_on(resource).await.unwrap();
        assert_eq!(gone.targets().len(), 2, "{:?}", gone.targets());
    }
}

#[tokio::test(start_paused = true)]
async fn only_an_answer_about_the_object_says_that_it_is_gone() {
    use Resource::*;
    let cases: [(Resource, React, Seen); 29] = [
        (Users, || status(404, "Not Found"), Seen::Unknown),
        (Users, || status(404, "{}"), Seen::Unknown),
        (Users, || refusal(404, "route_not_found"), Seen::Unknown),
        (Users, || refusal(410, "resource_not_found"), Seen::Unknown),
        (Users, || refusal(400, "form_param_invalid"), Seen::Unknown),
        (Users, || refusal(403, "authorization_invalid"), Seen::Unknown),
        (Users, || refusal(500, "internal_clerk_error"), Seen::Unknown),
        (Users, || ok(r#"{"id":"id_2"}"#), Seen::Unknown),
        (Users, || ok("{}"), Seen::Unknown),
        (Users, || status(402, ""), Seen::Unknown),
        (Users, || ok("<html>"), Seen::Error),
        (Users, || refusal(401, "authentication_invalid"), Seen::Error),
        (Users, || refusal(429, "too_many_requests"), Seen::Error),
        (Users, || status(503, ""), Seen::Error),
        (Users, || failure("reset"), Seen::Error),
        // The organization does not exist.
        (Memberships, || refusal(404, "resource_not_found"), Seen::Gone),
        (Memberships, || status(404, ""), Seen::Unknown),
        (Memberships, || refusal(403, "authorization_invalid"), Seen::Unknown),
        (Memberships, || status(401, ""), Seen::Error),
        (Memberships, || ok("<html>"), Seen::Error),
        // The answer is not the complete list.
        (Memberships, || ok(r#"{"data":[{"id":"id_0"}],"total_count":2}"#), Seen::Unknown),
        (Domains, || ok(r#"{"data":[],"total_count":1}"#), Seen::Unknown),
        (Memberships, || ok(r#"{"data":[]}"#), Seen::Unknown),
        (Memberships, || ok("[]"), Seen::Error),
        (Domains, || ok(r#"{"data":[]}"#), Seen::Unknown),
        (WaitlistEntries, || ok(r#"{"data":[]}"#), Seen::Unknown),
        (WaitlistEntries, || ok(r#"{"data":[{"object":"waitlist_entry"}],"total_count":1}"#), Seen::Unknown),
        (Domains, || refusal(404, "resource_not_found"), Seen::Error),
        (WaitlistEntries, || refusal(400, "waitlist_not_enabled"), Seen::Error),
    ];
    for (index, (resource, react, expected)) in cases.into_iter().enumerate() {
        let server = server(move |_| react());
        assert_eq!(seen(&server.api.look(resource, ROW).await), expected, "case {index}, {resource}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_of_a_feature_that_is_off_is_not_gone() {
    for resource in [Resource::Organizations, Resource::Roles, Resource::Permissions, Resource::Invitations] {
        let server = server(|_| refusal(404, "resource_not_found"));
        let error = server.api.check_that_feature_is_on(resource).await.unwrap_err();
        assert!(error.is_feature_off(), "{resource}: {error}");
    }
    let server = server(|_| refusal(404, "resource_not_found"));
    assert!(server.api.check_that_feature_is_on(Resource::Users).await.unwrap_err().is_unauthorized());
}

#[tokio::test(start_paused = true)]
async fn a_membership_is_gone_with_its_organization_or_its_user() {
    for (absent, expected) in
        [("/organizations/org_1?", Seen::Gone), ("/users/user_1", Seen::Gone), ("/nothing", Seen::Unknown)]
    {
        let server = server(move |target| match target {
            _ if target.starts_with("/organizations/org_1/memberships") => refusal(404, "resource_not_found"),
            _ if target.starts_with(absent) => refusal(404, "resource_not_found"),
            _ if target.starts_with("/users") => ok(r#"{"id":"user_1"}"#),
            _ => ok(r#"{"id":"org_1"}"#),
        });
        assert_eq!(seen(&server.api.look(Resource::Memberships, ROW).await), expected, "{absent}");
    }
}

#[tokio::test(start_paused = true)]
async fn does_not_ask_for_an_object_without_its_ids() {
    let server = server(|_| refusal(404, "resource_not_found"));
    let unnamed = Absent { id: "id_1", organization_id: None, user_id: None };
    for (resource, row) in [
        (Resource::Invitations, unnamed),
        (Resource::Memberships, Absent { user_id: Some("user_1"), ..unnamed }),
        (Resource::Memberships, Absent { organization_id: Some("org_1"), ..unnamed }),
        (Resource::Domains, unnamed),
        (Resource::Users, Absent { id: "", ..unnamed }),
        (Resource::Users, Absent { id: "..", ..unnamed }),
        (Resource::Users, Absent { id: "sha256:0123", ..unnamed }),
        (Resource::Memberships, Absent { organization_id: Some("-org_1"), ..ROW }),
    ] {
        assert_eq!(seen(&server.api.look(resource, row).await), Seen::Unknown, "{resource} {row:?}");
    }
    assert!(server.targets().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_look_reads_all_pages_of_a_list() {
    // The organization has 12 domains, and the server ignores the limit.
    let server = server(|target| {
        let offset: usize = target.split("offset=").nth(1).unwrap().parse().unwrap();
        let rows: Vec<_> =
            (offset..12).take(10).map(|index| format!(r#"{{"id":"id_{}"}}"#, 12 - index)).collect();
        ok(format!(r#"{{"data":[{}],"total_count":12}}"#, rows.join(",")))
    });
    assert_eq!(seen(&server.api.look(Resource::Domains, ROW).await), Seen::Exists);
    let other = Absent { id: "id_13", ..ROW };
    assert_eq!(seen(&server.api.look(Resource::Domains, other).await), Seen::Gone);
}

#[tokio::test(start_paused = true)]
async fn finds_existing_objects_by_a_hundred_ids_at_a_time() {
    let ids: Vec<_> = (0..150).map(|index| format!("user_{index}")).collect();
    let server = server(|target| {
        if target.starts_with("/organizations") {
            return ok(EMPTY);
        }
        let ids = target.split(['?', '&']).filter_map(|pair| pair.strip_prefix("user_id="));
        let ids = ids.step_by(2).chain(["stranger"]);
        let rows: Vec<_> = ids.map(|id| format!(r#"{{"id":"{id}"}}"#)).collect();
        ok(format!("[{}]", rows.join(",")))
    });
    let mut asked: Vec<_> = ids.iter().map(String::as_str).collect();
    asked.extend(["-user_1", "", "sha256:00"]);
    let page = server.api.existing(Resource::Users, &asked).await.unwrap();
    let found: Vec<_> = page.objects.iter().map(|object| object.id.clone()).collect();
    assert_eq!(found, ids.iter().step_by(2).cloned().collect::<Vec<_>>());
    assert_eq!(page.read_at, DATE_MILLIS);
    let targets = server.targets();
    assert_eq!(targets.len(), 2);
    assert!(
        targets.iter().all(|target| target.ends_with("&limit=100") && !target.contains('-')),
        "{targets:?}"
    );

    let organizations = server.api.existing(Resource::Organizations, &["org_1"]).await.unwrap();
    assert!(organizations.objects.is_empty());
    assert_eq!(
        server.targets()[2],
        "/organizations?include_members_count=true&organization_id=org_1&limit=100"
    );
    for resource in [Resource::Roles, Resource::Memberships] {
        assert!(server.api.existing(resource, &["id_1"]).await.unwrap().objects.is_empty());
    }
    assert_eq!(server.targets().len(), 3);
}
