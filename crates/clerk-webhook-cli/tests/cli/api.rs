//! `clerk-webhook api` serves the objects of a history.

use std::collections::{BTreeMap, BTreeSet};

use clerk_webhook_test::{FakeBackendApi, History, ObjectKind, Scenario};
use serde_json::Value;

use crate::support::api::Api;
use crate::support::process::run;

fn ids(answer: &Value) -> BTreeSet<String> {
    let objects = answer.get("data").unwrap_or(answer).as_array().unwrap();
    objects.iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn serves_the_objects_that_the_events_of_scenario_create() {
    // The deliveries of `scenario` with the same options are the only source of the expected objects.
    let printed = run(&["scenario", "all", "--seed", "7", "--events", "400", "--dry-run"]);
    let mut live: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for line in printed.objects() {
        let body = base64_decoded(line["body_b64"].as_str().unwrap());
        let event: Value = serde_json::from_slice(&body).unwrap();
        let (id, event_type) = (event["data"]["id"].as_str().unwrap(), event["type"].as_str().unwrap());
        for (path, object) in
            [("/users", "user"), ("/organizations", "organization"), ("/organization_roles", "role")]
        {
            if let Some(change) = event_type.strip_prefix(object).and_then(|rest| rest.strip_prefix('.')) {
                let ids = live.entry(path).or_default();
                if change == "deleted" {
                    ids.remove(id)
                } else {
                    ids.insert(id.to_owned())
                };
            }
        }
    }
    let api = Api::start(&["--seed", "7", "--events", "400"]);
    for (path, expected) in live {
        assert!(!expected.is_empty());
        let answer = api.get(&format!("{path}?limit=500"));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(ids(&answer.json()), expected, "{path}");
    }
}

#[test]
fn the_introduction_says_what_is_served_and_how_to_import_it() {
    let api = Api::start(&["team", "--seed", "3", "--events", "300", "--ties", "--at", "100"]);
    let builder = History::builder().scenario(Scenario::Team).seed(3).events(100).ties(true);
    let expected = FakeBackendApi::new(&builder.build());
    let text = api.introduction.join("\n");
    for part in [
        FakeBackendApi::SECRET_KEY.to_owned(),
        expected.instance_id(),
        format!("serves    {} users, ", expected.objects(ObjectKind::User).len()),
        format!("clerk-webhook backfill --api-url http://{}/v1 --database sqlite:app.db", api.address),
        "clerk-webhook scenario team --seed 3 --events 100 --ties".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}: {text}");
    }
    assert_eq!(ids(&api.get("/users?limit=500").json()).len(), expected.objects(ObjectKind::User).len());
    let everywhere = Api::start(&["--events", "10", "--listen", "0.0.0.0:0"]);
    assert!(everywhere.address.starts_with("127.0.0.1:"), "{}", everywhere.first);
}

#[test]
fn prints_a_line_for_each_request() {
    let api = Api::start(&["--events", "50", "--without", "waitlist"]);
    let serves = api.introduction.iter().find(|line| line.starts_with("serves")).unwrap();
    assert!(serves.ends_with(", without waitlist") && !serves.contains("waitlist entries"), "{serves}");
    let mut shown = Vec::new();
    for path in ["/users?limit=1", "/users?limit=501", "/waitlist_entries", "/nothing"] {
        api.get(path);
        shown.push(api.line());
    }
    assert!(shown[0].starts_with("200  GET /v1/users?limit=1  "), "{shown:?}");
    assert!(shown[1].starts_with("422  GET /v1/users?limit=501  "), "{shown:?}");
    assert!(shown[2].starts_with("400  GET /v1/waitlist_entries  "), "{shown:?}");
    assert!(shown[3].starts_with("404  GET /v1/nothing  "), "{shown:?}");
}

#[test]
fn responses_are_limited_and_fail_on_request() {
    let api = Api::start(&["--events", "50", "--rate-limit=2"]);
    let statuses = [(); 3].map(|()| api.get("/instance").status);
    assert_eq!(statuses, [200, 200, 429]);

    let api = Api::start(&["--events", "50", "--faults", "3"]);
    let (mut failed, mut cut) = (0, 0);
    for _ in 0..40 {
        let answer = api.get("/users");
        let length = answer.header("content-length").unwrap().parse::<usize>().unwrap();
        failed += usize::from(answer.status >= 429);
        cut += usize::from(answer.body.len() < length);
    }
    assert!(failed > 0 && cut > 0, "{failed} {cut}");
}

#[cfg(unix)]
#[test]
fn ends_with_success_on_ctrl_c() {
    for signal in ["INT", "TERM"] {
        let mut api = Api::start(&["--events", "10"]);
        assert_eq!(api.terminate(signal).code(), Some(0), "{signal}");
    }
}

#[test]
fn says_what_is_wrong_with_the_address() {
    let api = Api::start(&["--events", "10"]);
    let other = run(&["api", "--events", "10", "--listen", &api.address]);
    assert_eq!(other.code, 2);
    assert!(other.stderr.contains("is in use") && other.stderr.contains("--listen"), "{other:?}");
    let other = run(&["api", "--listen", ":4011"]);
    assert!(other.code == 2 && other.stderr.contains("such as 127.0.0.1:4011"), "{other:?}");
}

fn base64_decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;

    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}
