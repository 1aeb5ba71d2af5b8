//! Faults, and the Tower service.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_test::{Delay, FakeBackendApi, Fault, Faults, ObjectKind, Scenario};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::support::{api, ask, history, ids, page, request};

fn always(fault: Fault) -> Faults {
    Faults::new(1).percent(100).only([fault])
}

#[test]
fn a_fault_has_its_response() {
    let only = |fault| ask(&api().with_faults(always(fault)), "/users");
    let is_json = |response: &Response<Bytes>| serde_json::from_slice::<Value>(response.body()).is_ok();
    let limited = only(Fault::TooManyRequests);
    assert_eq!((limited.status().as_u16(), is_json(&limited)), (429, true));
    assert_eq!(limited.headers()["retry-after"], "1");
    let not_json = only(Fault::NotJson);
    assert_eq!((not_json.status().as_u16(), is_json(&not_json)), (200, false));
    let not_found = only(Fault::NotFoundWithoutJson);
    assert_eq!((not_found.status().as_u16(), is_json(&not_found)), (404, false));
    assert_eq!(only(Fault::Forbidden).status(), 403);
    let slow = only(Fault::Slow);
    assert_eq!(slow.extensions().get(), Some(&Delay(Duration::from_secs(2))));
    assert!(slow.status() == 200 && is_json(&slow));
    let cut = only(Fault::CutOff);
    let length: usize = cut.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(cut.status() == 200 && !is_json(&cut) && cut.body().len() < length);
    assert!(cut.extensions().get::<Delay>().is_none());
}

#[test]
fn a_seed_always_produces_the_same_faults() {
    let statuses = |seed| -> Vec<u16> {
        let api = api().with_faults(Faults::new(seed).percent(50));
        (0..300).map(|_| ask(&api, "/instance").status().as_u16()).collect()
    };
    assert_eq!(statuses(1), statuses(1));
    assert_ne!(statuses(1), statuses(2));
    let kinds: BTreeSet<_> = statuses(1).into_iter().collect();
    assert_eq!(kinds, BTreeSet::from([200, 429, 500, 502, 503, 504]));
}

#[test]
fn at_most_three_consecutive_requests_fail() {
    let api = api().with_faults(always(Fault::Forbidden));
    let statuses: Vec<_> = (0..8).map(|_| ask(&api, "/instance").status().as_u16()).collect();
    assert_eq!(statuses, [403, 403, 403, 200, 403, 403, 403, 200]);
}

#[test]
fn a_stale_response_shows_the_objects_as_they_were() {
    let history = history(Scenario::SignUp, 400);
    let faults = always(Fault::Stale).staleness(Duration::from_secs(3600));
    let api = FakeBackendApi::from_events(history.events().to_vec()).with_faults(faults);
    api.advance_to(300);
    let shown = ids(&page(&api, "/users?limit=500"));
    let limit = api.now().as_millis() - 3_600_000;
    let before = history.events().iter().filter(|event| event.occurred_at().as_millis() <= limit).count();
    let expected: BTreeSet<_> = history.truth_after(before).users().keys().cloned().collect();
    assert_eq!(shown.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert!(shown.len() < api.objects(ObjectKind::User).len());
    assert!(api.pass(Duration::from_secs(3600)).len() < 100);
    let now = page(&api, "/users?limit=500").len();
    assert!(now > shown.len());
}

#[tokio::test]
async fn the_tower_service_answers_like_the_method() {
    let api = api();
    let expected = ask(&api, "/users?limit=3");
    let (parts, ()) = request("/users?limit=3").into_parts();
    let response = api.oneshot(Request::from_parts(parts, "an ignored body")).await.unwrap();
    assert_eq!(response.headers(), expected.headers());
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), *expected.body());
}
