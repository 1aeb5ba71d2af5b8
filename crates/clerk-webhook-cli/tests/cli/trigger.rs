//! `clerk-webhook trigger`: the request that reaches the endpoint, and how the command explains the response.

use std::collections::BTreeMap;
use std::process::Command;

use crate::support::endpoint::receiver;
use crate::support::process::{self, SECRET, run, run_with};
use crate::support::server::{Request, Server, closed_port, response};
use clerk_webhook_core::{AcceptedHeaders, EventType, SigningSecret, Timestamp, Verifier, VerifyErrorKind};
use clerk_webhook_test::fixture::AnyFixture;
use clerk_webhook_tests::say;
use serde_json::{Value, json};

fn accepting() -> Server {
    Server::new(|_| response(200, &[("content-type", "application/json")], r#"{"outcome":"processed"}"#))
}

fn answering(status: u16, headers: &'static [(&str, &str)], body: &'static str) -> Server {
    Server::new(move |_| response(status, headers, body))
}

fn only(server: &Server) -> Request {
    let requests = server.taken();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    request.clone()
}

fn json(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn a_receiver_accepts_every_event_type() {
    let (endpoint, events) = receiver();
    let url = endpoint.url.clone();
    for event_type in EventType::ALL {
        let run = run(&["trigger", event_type.as_str(), "--to", &url, "--json"]);
        assert_eq!(run.code, 0, "{event_type}: {run:?}");
        assert_eq!(run.objects()[0]["status"], 200, "{event_type}");
        let event = events.recv().unwrap();
        assert_eq!(event.event_type(), event_type);
        assert!(!format!("{:?}", event.data()).starts_with("Unrecognized"), "{event_type}");
        let age = Timestamp::now().checked_duration_since(event.occurred_at().unwrap()).unwrap();
        assert!(age.as_secs() < 60, "{event_type} happened {age:?} ago");
    }
}

#[test]
fn sends_a_signed_request_with_the_headers_of_svix() {
    let server = accepting();
    let run = run(&["trigger", "user.created__saml", "--to", &server.url(), "--id", "msg_of_mine"]);
    assert_eq!(run.code, 0, "{run:?}");
    let request = only(&server);
    assert_eq!(request.line, "POST /webhooks/clerk HTTP/1.1");
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("svix-id"), Some("msg_of_mine"));
    assert!(request.header("user-agent").unwrap().starts_with("Svix-Webhooks/"));
    Verifier::new(SECRET).unwrap().verify(&request.pairs(), &request.body).unwrap();
    for expected in
        ["user.created, msg_of_mine", "200 OK", "processed: a handler processed the event", "does not retry"]
    {
        assert!(run.stdout.contains(expected), "{expected}: {}", run.stdout);
    }
    assert!(!run.stdout.contains(request.header("svix-signature").unwrap()));
}

#[test]
fn signs_with_every_secret_and_sends_webhook_headers_on_request() {
    let server = accepting();
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let url = server.url();
    let args = [
        "trigger",
        "user.deleted",
        "--to",
        &url,
        "--secret",
        SECRET,
        "--secret",
        other,
        "--headers",
        "webhook",
    ];
    assert_eq!(run_with(&args, None, b"").code, 0);
    let request = only(&server);
    assert_eq!(request.header("svix-id"), None);
    for secret in [SECRET, other] {
        let verifier = Verifier::builder()
            .secret(SigningSecret::parse(secret).unwrap())
            .accepted_headers(AcceptedHeaders::Webhook)
            .build()
            .unwrap();
        verifier.verify(&request.pairs(), &request.body).unwrap();
    }
}

#[test]
fn sets_values_in_the_example() {
    let server = accepting();
    let run = run(&[
        "trigger",
        "user.created",
        "--to",
        &server.url(),
        "--set",
        "data.first_name=Grace",
        "--set",
        "/data/public_metadata={\"plan\":\"pro\"}",
        "--set",
        "data.email_addresses[0].email_address=grace@example.com",
        "--set",
        "data.locked=true",
        "--set",
        "timestamp=1700000000000",
        "--set-string",
        "data.external_id=42",
        "--set",
        "data.frist_name=Typo",
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    let body = json(&only(&server));
    assert_eq!(body["data"]["first_name"], "Grace");
    assert_eq!(body["data"]["public_metadata"], json!({"plan": "pro"}));
    assert_eq!(body["data"]["email_addresses"][0]["email_address"], "grace@example.com");
    assert_eq!(body["data"]["locked"], true);
    assert_eq!(body["data"]["external_id"], "42");
    assert_eq!(body["timestamp"], 1_700_000_000_000_i64);
    assert!(run.stderr.contains("note: the example has no data.frist_name"), "{}", run.stderr);
    assert!(!run.stderr.contains("no data.first_name"), "{}", run.stderr);
}

#[test]
fn sends_the_life_of_one_object_in_order() {
    let server = accepting();
    let url = server.url();
    let mut last = 0;
    for object in ["user", "organization", "organizationMembership"] {
        let types = ["created", "updated", "deleted"].map(|event| format!("{object}.{event}"));
        let types: Vec<_> = types.iter().map(String::as_str).collect();
        let run = run(&[&["trigger"], &types[..], &["--to", &url, "--json"]].concat());
        assert_eq!(run.code, 0, "{run:?}");
        let reported: Vec<_> = run.objects().iter().map(|object| object["type"].clone()).collect();
        assert_eq!(reported, types);
        let bodies: Vec<_> = server.taken().iter().map(json).collect();
        let received: Vec<_> = bodies.iter().map(|body| body["type"].clone()).collect();
        assert_eq!(received, types);
        for (body, event_type) in bodies.iter().zip(&types) {
            assert_eq!(body["data"]["id"], bodies[0]["data"]["id"], "{event_type}");
            let at = body["timestamp"].as_i64().unwrap();
            assert!(at > last, "{event_type}");
            last = at;
            if !event_type.ends_with("deleted") {
                assert_eq!(body["data"]["updated_at"], at, "{event_type}");
                assert_eq!(body["data"]["created_at"], bodies[0]["data"]["created_at"], "{event_type}");
            }
        }
    }
}

#[test]
fn sends_events_about_another_user() {
    let server = accepting();
    let url = server.url();
    let run =
        run(&["trigger", "user.created", "user.deleted", "role.created", "--user", "user_2", "--to", &url]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.stderr, "note: role.created has no user, so --user does not change it\n");
    let bodies: Vec<_> = server.taken().iter().map(json).collect();
    assert_eq!([&bodies[0]["data"]["id"], &bodies[1]["data"]["id"]], ["user_2", "user_2"]);
    assert_eq!(bodies[0]["data"]["email_addresses"][0]["email_address"], "ada.lovelace+2@example.com");
}

/// Collects the ids in an event, by their path.
fn ids(value: &Value, path: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| ids(value, &format!("{path}/{name}"), found));
        }
        Value::Array(values) => {
            (0..values.len()).for_each(|index| ids(&values[index], &format!("{path}/{index}"), found));
        }
        Value::String(text) => {
            let is_id = |(prefix, rest): (&str, &str)| {
                prefix.bytes().all(|byte| byte.is_ascii_lowercase())
                    && rest.bytes().any(|byte| byte.is_ascii_uppercase())
            };
            if text.split_once('_').is_some_and(is_id) {
                found.insert(path.to_owned(), text.clone());
            }
        }
        _ => {}
    }
}

/// The prefixes of the ids of objects that do not belong to one person.
const SHARED: [&str; 12] = [
    "acct_", "cpayee_", "cplan_", "cprd_", "dir_", "ent_", "ins_", "org_", "orgdmn_", "perm_", "role_",
    "samlc_",
];

/// The members with the ids of other people.
const OTHERS: [&str; 3] = ["/data/actor/sub", "/data/inviter_id", "/data/public_inviter_data/user_id"];

#[test]
fn two_users_share_only_the_ids_of_shared_objects() {
    let names: Vec<_> = AnyFixture::all().map(|fixture| fixture.name()).collect();
    let events = |options: &[&str]| {
        let run = run(&[&["trigger", "--dry-run", "--json"], &names[..], options].concat());
        assert_eq!(run.code, 0, "{run:?}");
        let body = |object: Value| serde_json::from_str::<Value>(object["body"].as_str().unwrap()).unwrap();
        (run.objects().into_iter().map(body).collect::<Vec<_>>(), run.stderr)
    };
    let (examples, _) = events(&[]);
    let [(ones, notes), (others, _)] = ["user_1", "user_2"].map(|user| events(&["--user", user]));
    let mut changed = 0;
    for (((name, example), one), other) in names.iter().zip(&examples).zip(&ones).zip(&others) {
        let has_user = !notes.contains(&format!("{name} has no user"));
        let mut found = BTreeMap::new();
        ids(example, "", &mut found);
        for (path, id) in found {
            let [one, other] = [one, other].map(|event| event.pointer(&path).unwrap().as_str().unwrap());
            let is_shared = SHARED.iter().any(|prefix| id.starts_with(prefix));
            if has_user && !is_shared && !OTHERS.contains(&path.as_str()) {
                assert!(one != id && other != id && one != other, "{name} {path}: {one} {other}");
                changed += 1;
            } else {
                assert_eq!([one, other], [&id, &id], "{name} {path}");
            }
        }
    }
    assert!(changed > 200, "{changed}");
}

#[test]
fn the_exit_code_is_the_worst_of_several_events() {
    let events = ["user.created", "user.updated", "user.deleted"];
    let failing = |failing: &'static str| {
        Server::new(move |request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            response(if body["type"] == failing { 500 } else { 200 }, &[], "")
        })
    };
    for (event, code) in events.iter().map(|event| (*event, 1)).chain([("other", 0)]) {
        let server = failing(event);
        let run = run(&[&["trigger"], &events[..], &["--to", &server.url()]].concat());
        assert_eq!(run.code, code, "{event} {run:?}");
        assert_eq!(server.taken().len(), 3, "{event}");
    }
}

#[test]
fn sends_a_body_from_a_file_or_standard_input() {
    let server = accepting();
    let body = b"{ \"type\" : \"my.own\",\r\n \"data\":{}}\n\xff";
    let run = run_with(&["trigger", "--file", "-", "--to", &server.url()], Some(SECRET), body);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(only(&server).body, body);

    let file = std::env::temp_dir().join(format!("clerk-webhook-trigger-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"type":"my.own","data":{"b":1,"a":2}}"#).unwrap();
    let run = process::run(&["trigger", "my.other", "--file", file.to_str().unwrap(), "--to", &server.url()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(only(&server).body, br#"{"data":{"a":2,"b":1},"type":"my.other"}"#);
}

#[test]
fn signs_at_the_given_time() {
    let server = answering(400, &[], "stale");
    let run = run(&["trigger", "user.created", "--at", "-10m", "--to", &server.url()]);
    assert_eq!(run.code, 1);
    assert!(run.stdout.contains("--at differs from now by more than 5 minutes"), "{}", run.stdout);
    let request = only(&server);
    let error = Verifier::new(SECRET).unwrap().verify(&request.pairs(), &request.body).unwrap_err();
    assert_eq!(error.kind(), VerifyErrorKind::TimestampTooOld);
    let occurred = json(&request)["timestamp"].as_i64().unwrap();
    let signed: i64 = request.header("svix-timestamp").unwrap().parse().unwrap();
    assert_eq!(occurred / 1000, signed);
}

#[test]
fn explains_the_response_and_the_reaction_of_svix() {
    for (status, headers, body, code, expected) in [
        (
            409,
            &[("Retry-After", "30")][..],
            r#"{"outcome":"in_progress"}"#,
            1,
            &[
                "Retry-After: 30",
                "in_progress: another delivery",
                "retries in 8–12 s (Retry-After is limited to twice",
            ][..],
        ),
        (
            422,
            &[("webhook-delivery", "abort-message")],
            "",
            1,
            &["webhook-delivery: abort-message", "webhook-delivery aborts the message"],
        ),
        (
            422,
            &[("webhook-delivery", "disable")],
            "",
            1,
            &["disables the endpoint", "enable it in the dashboard"],
        ),
        (429, &[], "", 1, &["retries in 4–6 s (attempt 2 of 8; 429 does not lengthen the delay)"]),
        (500, &[], "oops", 1, &["oops", "retries in 4–6 s"]),
        (
            302,
            &[("location", "/sign-in")],
            "",
            1,
            &["302", "redirects to /sign-in", "hint     exempt this path"],
        ),
        (200, &[("content-type", "text/html")], "<p>Hi", 0, &["page: the response is a web page", "is lost"]),
    ] {
        let server = answering(status, headers, body);
        let run = run(&["trigger", "user.created", "--to", &server.url()]);
        assert_eq!(run.code, code, "{status} {run:?}");
        for expected in expected {
            assert!(run.stdout.contains(expected), "{status} {expected}: {}", run.stdout);
        }
    }
}

#[test]
fn prints_the_response_as_json() {
    let server = answering(503, &[("retry-after", "7")], r#"{"outcome":"store_unavailable"}"#);
    let run = run(&["trigger", "user.created", "--id", "msg_1", "--to", &server.url(), "--json"]);
    assert_eq!(run.code, 1);
    let object = &run.objects()[0];
    for (field, expected) in [
        ("type", json!("user.created")),
        ("id", json!("msg_1")),
        ("copy", json!(1)),
        ("delivered", json!(false)),
        ("status", json!(503)),
        ("retry_after", json!("7")),
        ("webhook_delivery", json!(null)),
        ("outcome", json!("store_unavailable")),
        ("body", json!(r#"{"outcome":"store_unavailable"}"#)),
    ] {
        assert_eq!(object[field], expected, "{field}");
    }
    assert_eq!(object["svix"]["next"], "retry");
    assert_eq!(object["svix"]["earliest_seconds"], 5.6);
    assert!(object["milliseconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn escapes_control_characters_of_the_response() {
    let server = answering(500, &[("webhook-delivery", "\u{9b}2Jx")], "\x1b]0;title\x07 red\x1b[31m\u{9b}1m");
    let run = run(&["trigger", "user.created", "--to", &server.url()]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(!run.stdout.contains(['\x1b', '\x07', '\u{9b}']), "{:?}", run.stdout);
}

#[test]
fn sends_identical_copies() {
    for concurrent in [&[][..], &["--concurrent"]] {
        let server = accepting();
        let url = server.url();
        let args = [&["trigger", "user.created", "--to", &url, "--copies", "4"], concurrent].concat();
        let run = run(&args);
        assert_eq!(run.code, 0, "{run:?}");
        let requests = server.taken();
        assert_eq!(requests.len(), 4);
        assert!(
            requests
                .iter()
                .all(|other| other.headers == requests[0].headers && other.body == requests[0].body)
        );
        assert!(run.stdout.contains("copy 4"));
    }
}

#[test]
fn a_dry_run_prints_a_curl_command_and_sends_nothing() {
    let server = accepting();
    let url = server.url();
    let long = "x".repeat(200_000);
    for (args, input) in [
        (&["trigger", "user.created", "--set", "data.last_name=O'Hara $HOME `id` \\ % é"][..], &b""[..]),
        (&["trigger", "--file", "-"], b"@{\"a\":\"\\u00e9\"}"),
        (&["trigger", "--file", "-"], b"line\r\nline%s\\n'\x00\xff\n"),
        (&["trigger", "--file", "-"], b""),
        (&["trigger", "--file", "-"], long.as_bytes()),
    ] {
        let args = [args, &["--to", &url, "--dry-run"]].concat();
        let dry = run_with(&args, Some(SECRET), input);
        assert_eq!(dry.code, 0, "{dry:?}");
        assert!(server.taken().is_empty());
        let line = dry.stdout;
        assert!(!line.contains(|character: char| character.is_control() && character != '\n'), "{line:?}");
        if !has_curl() {
            continue;
        }
        let sent = shell(&line);
        assert!(sent.contains("200 Status"), "{sent}");
        let request = only(&server);
        Verifier::new(SECRET).unwrap().verify(&request.pairs(), &request.body).unwrap();
        if !input.is_empty() {
            assert_eq!(request.body, input);
        }
        assert_eq!(request.header("content-type"), Some("application/json"));
    }
    let object = run(&["trigger", "user.created", "--to", &url, "--dry-run", "--json"]).objects().remove(0);
    assert_eq!(object["dry_run"], true);
    let headers: Vec<(String, String)> =
        serde_json::from_value::<std::collections::BTreeMap<_, _>>(object["headers"].clone())
            .unwrap()
            .into_iter()
            .collect();
    Verifier::new(SECRET).unwrap().verify(&headers, object["body"].as_str().unwrap().as_bytes()).unwrap();
    assert!(server.taken().is_empty());
}

fn shell(line: &str) -> String {
    let mut shell = Command::new("sh");
    shell.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    std::io::Write::write_all(&mut shell.stdin.take().unwrap(), line.as_bytes()).unwrap();
    String::from_utf8_lossy(&shell.wait_with_output().unwrap().stdout).into_owned()
}

fn has_curl() -> bool {
    let exists = Command::new("curl").arg("--version").output().is_ok();
    if !exists {
        assert!(std::env::var_os("CI").is_none(), "curl is missing");
        say("skipped: curl is missing");
    }
    exists
}

#[test]
fn explains_wrong_usage_and_sends_nothing() {
    let server = accepting();
    let url = server.url();
    for (args, secret, expected) in [
        (&["trigger", "user.create", "--to", &url][..], Some(SECRET), "did you mean user.created"),
        (&["trigger", "user.created__sam", "--to", &url], Some(SECRET), "user.created__saml"),
        (&["trigger", "invoice.paid", "--to", &url], Some(SECRET), "clerk-webhook events"),
        (&["trigger", "user.created", "--to", &url], None, "CLERK_WEBHOOK_SIGNING_SECRET"),
        (&["trigger", "user.created", "--to", "http://example.com/"], Some(SECRET), "--allow-remote"),
        (&["trigger", "user.created", "--to", &url, "--set", "x"], Some(SECRET), "data.first_name=Ada"),
        (
            &["trigger", "user.created", "--to", &url, "--set", "data.a.b=1"],
            Some(SECRET),
            "/data/a does not exist",
        ),
        (&["trigger", "user.created", "--to", &url, "--id", "a.b"], Some(SECRET), "without a dot"),
        (&["trigger", "user.created", "--to", &url, "--at", "soon"], Some(SECRET), "-10m"),
        (&["trigger", "--file", "/nowhere", "--to", &url], Some(SECRET), "cannot read"),
        (&["trigger", "a.b", "c.d", "--file", "-", "--to", &url], Some(SECRET), "at most one type"),
        (
            &["trigger", "user.created", "user.updated", "--id", "msg_1", "--to", &url],
            Some(SECRET),
            "only one type",
        ),
        (
            &["trigger", "user.created", "user.create", "--to", &url],
            Some(SECRET),
            "did you mean user.created",
        ),
        (&["trigger", "user.created", "--user", "Ada", "--to", &url], Some(SECRET), "expected user_"),
        (&["trigger", "--to", &url], Some(SECRET), "TYPE"),
    ] {
        let run = run_with(args, secret, b"");
        assert_eq!(run.code, 2, "{args:?} {run:?}");
        assert!(run.stderr.contains(expected), "{args:?} {}", run.stderr);
        assert!(!run.stderr.contains(SECRET) && !run.stderr.contains("it is added"), "{run:?}");
    }
    assert!(server.taken().is_empty());
}

#[test]
fn exits_with_3_if_the_endpoint_does_not_respond() {
    let url = format!("http://{}/", closed_port());
    let run = run(&["trigger", "user.created", "--to", &url, "--json"]);
    assert_eq!(run.code, 3);
    assert!(run.stderr.contains("nothing is listening"), "{}", run.stderr);
    assert_eq!(run.objects()[0]["error"]["kind"], "network");

    // The remaining events are not sent.
    let broken = Server::new(|_| "what?\r\n\r\n".to_owned());
    let run = process::run(&["trigger", "user.created", "user.updated", "--to", &broken.url()]);
    assert_eq!((run.code, broken.taken().len()), (3, 1), "{run:?}");

    let broken = Server::new(|_| "what?\r\n\r\n".to_owned());
    let run = process::run(&["trigger", "user.created", "--to", &broken.url()]);
    assert_eq!(run.code, 3, "{run:?}");
}
