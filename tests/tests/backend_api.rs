//! Clerk's official clients read the fake Backend API, and Prism compares it with Clerk's OpenAPI file.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::thread;

use axum::Router;
use clerk_webhook_test::{FakeBackendApi, History, ObjectKind};
use clerk_webhook_tests::clients::{official_readings, schema_verdict};
use clerk_webhook_tests::say;
use serde_json::Value;

const LISTS: [(&str, ObjectKind); 8] = [
    ("users", ObjectKind::User),
    ("organizations", ObjectKind::Organization),
    ("memberships", ObjectKind::OrganizationMembership),
    ("invitations", ObjectKind::OrganizationInvitation),
    ("domains", ObjectKind::OrganizationDomain),
    ("roles", ObjectKind::Role),
    ("permissions", ObjectKind::Permission),
    ("waitlist_entries", ObjectKind::WaitlistEntry),
];

/// Serves a history's objects on a free port, and returns the API and its URL.
fn serve() -> (FakeBackendApi, String) {
    let api = FakeBackendApi::new(&History::builder().seed(7).events(1500).build());
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let router = Router::new().fallback_service(api.clone());
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            socket.set_nonblocking(true).unwrap();
            axum::serve(tokio::net::TcpListener::from_std(socket).unwrap(), router).await
        })
    });
    (api, url)
}

fn texts(ids: &Value) -> Vec<&str> {
    ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect()
}

#[test]
fn the_official_clients_read_every_object() {
    let (api, url) = serve();
    for reading in official_readings(&url, FakeBackendApi::SECRET_KEY, "reading the fake Backend API") {
        assert_eq!(reading["instance"], api.instance_id());
        for (name, kind) in LISTS {
            let objects = api.objects(kind);
            let listed = texts(&reading["lists"][name]);
            assert!(!listed.is_empty(), "{name}");
            assert_eq!(listed.len(), objects.len(), "{name}");
            let expected: BTreeSet<_> = objects.keys().map(String::as_str).collect();
            assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), expected, "{name}");
        }
        let read_one_by_one: BTreeSet<_> = texts(&reading["objects"]).into_iter().collect();
        for kind in [ObjectKind::User, ObjectKind::Organization, ObjectKind::Role, ObjectKind::Permission] {
            assert!(api.objects(kind).keys().all(|id| read_one_by_one.contains(id.as_str())), "{kind:?}");
        }
    }
}

#[test]
fn every_response_matches_clerks_schema() {
    let (_, url) = serve();
    let verdict = schema_verdict(
        &format!("{url}/v1"),
        FakeBackendApi::SECRET_KEY,
        "comparing the fake Backend API with Clerk's schema",
    );
    if let Some(verdict) = verdict {
        say(&format!("responses of the fake Backend API that match Clerk's schema: {verdict}"));
    }
}
