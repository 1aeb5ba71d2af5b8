//! Requests to the fake API.

use std::sync::LazyLock;

use bytes::Bytes;
use clerk_webhook_test::{FakeBackendApi, History, ObjectKind, Scenario};
use http::{Request, Response};
use serde_json::Value;

pub(crate) const KINDS: [ObjectKind; 8] = [
    ObjectKind::User,
    ObjectKind::Organization,
    ObjectKind::OrganizationMembership,
    ObjectKind::OrganizationInvitation,
    ObjectKind::OrganizationDomain,
    ObjectKind::Role,
    ObjectKind::Permission,
    ObjectKind::WaitlistEntry,
];

pub(crate) fn history(scenario: Scenario, events: usize) -> History {
    History::builder().scenario(scenario).seed(7).events(events).build()
}

pub(crate) fn api() -> FakeBackendApi {
    static HISTORY: LazyLock<History> = LazyLock::new(|| history(Scenario::All, 1500));
    FakeBackendApi::new(&HISTORY)
}

/// Returns the path of the list of all objects of a kind.
pub(crate) fn path(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::User => "/users",
        ObjectKind::Organization => "/organizations",
        ObjectKind::OrganizationMembership => "/organization_memberships",
        ObjectKind::OrganizationInvitation => "/organization_invitations",
        ObjectKind::OrganizationDomain => "/organization_domains",
        ObjectKind::Role => "/organization_roles",
        ObjectKind::Permission => "/organization_permissions",
        _ => "/waitlist_entries",
    }
}

pub(crate) fn request(path: &str) -> Request<()> {
    let key = format!("Bearer {}", FakeBackendApi::SECRET_KEY);
    Request::get(path).header("authorization", key).body(()).unwrap()
}

pub(crate) fn ask(api: &FakeBackendApi, path: &str) -> Response<Bytes> {
    api.answer(&request(path))
}

/// Returns the JSON of a successful response.
pub(crate) fn get(api: &FakeBackendApi, path: &str) -> Value {
    let response = ask(api, path);
    assert_eq!(response.status(), 200, "{path}: {:?}", response.body());
    serde_json::from_slice(response.body()).unwrap()
}

/// Returns the objects of a page.
pub(crate) fn page(api: &FakeBackendApi, path: &str) -> Vec<Value> {
    let body = get(api, path);
    body.get("data").unwrap_or(&body).as_array().unwrap().clone()
}

pub(crate) fn ids(objects: &[Value]) -> Vec<String> {
    objects.iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
}

/// Returns the status and the code of an error.
pub(crate) fn error(api: &FakeBackendApi, request: &Request<()>) -> (u16, String) {
    let response = api.answer(request);
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    assert_eq!(body["clerk_trace_id"].is_string(), body.is_object());
    let code = body["errors"][0]["code"].as_str().unwrap_or("not JSON").to_owned();
    (response.status().as_u16(), code)
}
