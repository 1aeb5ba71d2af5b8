//! Requests that get no data.

use std::fmt::Write as _;
use std::time::Duration;

use clerk_webhook_test::{FakeBackendApi, ObjectKind, Scenario};
use http::{HeaderValue, Method};

use crate::support::{api, ask, error, history, ids, page, request};

#[test]
fn rejects_invalid_parameters() {
    let api = api();
    let user = ids(&page(&api, "/users?limit=1")).remove(0);
    let many = (0..101).fold(String::new(), |mut query, number| {
        let _ = write!(query, "&user_id=user_{number}");
        query
    });
    for query in [
        "/users?limit=501".to_owned(),
        "/users?limit=0".to_owned(),
        "/users?limit=ten".to_owned(),
        "/users?offset=-1".to_owned(),
        "/users?order_by=password".to_owned(),
        // A literal plus sign in a query is a space.
        "/users?order_by=+created_at".to_owned(),
        "/users?created_at_after=yesterday".to_owned(),
        "/users?banned=perhaps".to_owned(),
        "/users?starting_after=user_unknown".to_owned(),
        format!("/users?starting_after={user}&offset=1"),
        format!("/users?starting_after={user}&order_by=-updated_at"),
        format!("/users?{many}"),
        "/organizations?order_by=updated_at".to_owned(),
        "/organizations?include_members_count=1".to_owned(),
        "/organization_invitations?status=unknown".to_owned(),
        "/organization_memberships?limit=501".to_owned(),
        "/waitlist_entries?status=unknown".to_owned(),
    ] {
        assert_eq!(error(&api, &request(&query)), (422, "form_param_value_invalid".to_owned()), "{query}");
    }
    for query in [
        "/users?limit=500".to_owned(),
        "/users?order_by=%2Bcreated_at".to_owned(),
        "/users?unknown=parameter".to_owned(),
        format!("/users?starting_after={user}&offset=0"),
    ] {
        assert_eq!(ask(&api, &query).status(), 200, "{query}");
    }
}

#[test]
fn rejects_other_keys_and_versions() {
    let api = api();
    let with = |name: &'static str, value: Option<&'static str>, path: &str| {
        let mut request = request(path);
        match value {
            Some(value) => request.headers_mut().insert(name, HeaderValue::from_static(value)),
            None => request.headers_mut().remove(name),
        };
        error(&api, &request)
    };
    let users = "/users";
    let invalid = |status, code: &str| (status, code.to_owned());
    let no_header = invalid(401, "authorization_header_format_invalid");
    assert_eq!(with("authorization", None, users), no_header);
    assert_eq!(with("authorization", Some("sk_test_x"), users), no_header);
    for key in ["Bearer sk_test_x", "Bearer ", "Basic c2s6"] {
        assert_eq!(with("authorization", Some(key), users), invalid(401, "clerk_key_invalid"), "{key}");
    }
    let version = invalid(400, "api_version_invalid");
    assert_eq!(with("clerk-api-version", Some("2026-05-13"), users), version);
    assert_eq!(
        with("clerk-api-version", Some("2026-05-12"), "/users?__clerk_api_version=2026-05-12"),
        version
    );
    assert_eq!(with("x", None, "/users?__clerk_api_version=1"), version);
    for known in ["2026-05-12", "2021-02-05"] {
        let status = with("clerk-api-version", Some(known), "/users/user_unknown").0;
        assert_eq!(status, 404, "{known}");
    }
}

#[test]
fn an_unknown_object_and_an_unknown_path_have_different_404s() {
    let api = api();
    for path in [
        "/users/user_unknown",
        "/users/user_unknown/organization_memberships",
        "/organizations/org_unknown",
        "/organizations/org_unknown/memberships",
        "/organization_roles/role_unknown",
        "/organization_permissions/perm_unknown",
        "/organizations/org_unknown/invitations/orginv_unknown",
    ] {
        assert_eq!(error(&api, &request(path)), (404, "resource_not_found".to_owned()), "{path}");
    }
    let organization = ids(&page(&api, "/organizations?limit=1")).remove(0);
    let path = format!("/users/{organization}/organization_memberships");
    assert_eq!(error(&api, &request(&path)).0, 404, "an organization is not a user");
    for path in ["/", "/v2/users", "/v1users", "/users/a/b", "/organization_domains/orgdmn_1", "/sessions"] {
        assert_eq!(error(&api, &request(path)), (404, "not JSON".to_owned()), "{path}");
    }
    let mut post = request("/users");
    *post.method_mut() = Method::POST;
    assert_eq!(error(&api, &post).0, 405);
}

#[test]
fn an_invitation_belongs_to_its_organization_only() {
    let api = api();
    let invitation = page(&api, "/organization_invitations?limit=1").remove(0);
    let (id, owner) = (invitation["id"].as_str().unwrap(), invitation["organization_id"].as_str().unwrap());
    let organizations = api.objects(ObjectKind::Organization);
    let other = organizations.keys().find(|id| *id != owner).unwrap();
    assert_eq!(ask(&api, &format!("/organizations/{owner}/invitations/{id}")).status(), 200);
    assert_eq!(ask(&api, &format!("/organizations/{other}/invitations/{id}")).status(), 404);
}

#[test]
fn a_feature_that_is_off_is_not_an_empty_list() {
    let history = history(Scenario::All, 300);
    let api = FakeBackendApi::new(&history).without(ObjectKind::Organization);
    for path in [
        "/organizations",
        "/organization_memberships",
        "/organization_invitations",
        "/organization_domains",
        "/organization_roles",
        "/organization_permissions",
    ] {
        assert_eq!(error(&api, &request(path)), (404, "resource_not_found".to_owned()), "{path}");
    }
    assert_eq!(ask(&api, "/users").status(), 200);
    assert_eq!(ask(&api, "/waitlist_entries").status(), 200);
    let api = FakeBackendApi::new(&history).without(ObjectKind::WaitlistEntry);
    assert_eq!(error(&api, &request("/waitlist_entries")), (400, "feature_not_enabled".to_owned()));
    assert_eq!(ask(&api, "/organizations").status(), 200);
}

#[test]
fn a_rate_limit_ends_after_the_time_in_retry_after() {
    let api = api().with_rate_limit(3, Duration::from_secs(10));
    for _ in 0..3 {
        assert_eq!(ask(&api, "/users").status(), 200);
    }
    api.pass(Duration::from_millis(2500));
    let limited = ask(&api, "/organizations");
    assert_eq!(limited.status(), 429);
    assert_eq!(limited.headers()["retry-after"], "8");
    api.pass(Duration::from_secs(8));
    assert_eq!(ask(&api, "/users").status(), 200);
}
