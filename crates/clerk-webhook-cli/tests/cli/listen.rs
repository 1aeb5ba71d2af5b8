//! `clerk-webhook listen`.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use clerk_webhook_core::{SigningSecret, Timestamp, Verifier};
use clerk_webhook_test::{Delivery, SECRET, fixture};
use serde_json::{Value, json};

use crate::support::folder::Folder;
use crate::support::listener::{Answer, Listener};
use crate::support::process::command;
use crate::support::server::{Server, closed_port, response};

const OTHER_SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

fn user(id: &str, first_name: &str, updated_at: i64) -> Delivery {
    let delivery = Delivery::of(fixture::user_updated()).id(id).set("/timestamp", updated_at);
    delivery.set("/data/first_name", first_name).set("/data/updated_at", updated_at)
}

#[test]
fn accepts_authentic_deliveries_and_shows_changes() {
    let listener = Listener::start(&[]);
    let now = Timestamp::now().as_millis();
    let answer = listener.deliver(&user("msg_1", "Ada", now - 2000));
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"outcome":"processed"}"#));
    let line = listener.line();
    for part in ["  200  user.updated ", "  verified ", "  msg_1  ", " kB", "  lag "] {
        assert!(line.contains(part), "{part}: {line}");
    }
    listener.deliver(&user("msg_2", "Grace", now));
    assert!(listener.line().contains("msg_2"));
    assert_eq!(listener.line().trim(), r#"~ first_name  "Ada" → "Grace""#);
    assert_eq!(listener.line().trim(), format!("~ updated_at  {} → {now}", now - 2000));
    listener.deliver(&user("msg_2", "Grace", now));
    assert!(listener.line().ends_with("seen 2×"));
    listener.deliver(&user("msg_3", "Ada", now - 1000));
    assert!(listener.line().contains("msg_3"));
    assert_eq!(listener.line().trim(), "out of order: a version that is 1.0 s newer arrived earlier");
    assert!(listener.line().contains("updated_at"));
    let deleted = Delivery::of(fixture::user_deleted()).set("/timestamp", now);
    listener.deliver(&deleted);
    assert!(listener.line().contains("user.deleted"));
    assert_eq!(listener.line().trim(), "- the object is deleted");
    listener.deliver(&user("msg_4", "Ada", now));
    assert!(listener.line().contains("msg_4"));
    assert_eq!(listener.line().trim(), "out of order: the object was already deleted");
}

#[test]
fn aligns_the_columns_behind_every_event_type_and_outcome() {
    let listener = Listener::start(&[]);
    let short = Delivery::of(fixture::user_created());
    let long = Delivery::of(fixture::subscription_item_free_trial_ending());
    let mut columns = Vec::new();
    for delivery in [short.clone(), long, short.wrong_secret()] {
        listener.deliver(&delivery.id("msg_1"));
        let lines = std::iter::repeat_with(|| listener.line());
        columns.extend(lines.filter_map(|line| line.find("msg_1")).take(1));
    }
    assert!(columns.iter().all(|column| *column == columns[0]), "{columns:?}");
}

#[test]
fn rejects_deliveries_that_are_not_authentic_and_shows_the_reason() {
    let listener = Listener::start(&[]);
    let right = Delivery::of(fixture::user_created()).id("msg_1");
    for (delivery, outcome, reason) in [
        (right.clone().altered(), "invalid_signature", "no signature matches"),
        (right.clone().wrong_secret(), "invalid_signature", "no signature matches"),
        (right.clone().reserialized(), "invalid_signature", "compact"),
        (right.clone().stale(), "expired_timestamp", "10 min"),
        (right.clone().without("svix-id"), "missing_header", "svix-id"),
        (Delivery::of_body("[1]").id("msg_1"), "not_an_event", "the body is JSON, but not an object"),
    ] {
        let answer = listener.deliver(&delivery);
        assert_eq!(answer.status, 400, "{outcome}");
        assert!(!answer.body.contains("svix"), "{answer:?}");
        let line = listener.line();
        assert!(line.contains("  400  ") && line.contains(outcome), "{line}");
        let line = listener.line();
        assert!(line.contains(reason), "{line}");
        // The cause of a failed verification is followed by advice.
        if outcome != "not_an_event" {
            assert!(listener.line().starts_with("          "));
        }
    }
}

#[test]
fn a_diagnosis_does_not_delay_other_deliveries() {
    let listener = Listener::start(&[]);
    // Nearly the largest body for which a diagnosis runs.
    let elements = vec![json!({ "é": 1.5, "b": "/<" }); 2000];
    let forged = Delivery::of_json(json!({ "type": "user.created", "data": elements })).wrong_secret();
    assert!(forged.body().len() > 40_000 && forged.body().len() < 64_000);
    // On a busy machine, a diagnosis can be faster than the next delivery, but not every time.
    let is_overtaken = (0..20).any(|attempt| {
        let (slow, fast) = (format!("msg_slow{attempt}"), format!("msg_fast{attempt}"));
        assert_eq!(listener.deliver(&forged.clone().id(&slow)).status, 400);
        assert_eq!(listener.deliver(&Delivery::of(fixture::user_created()).id(&fast)).status, 200);
        let mut shown = std::iter::repeat_with(|| listener.line())
            .filter_map(|line| [&slow, &fast].into_iter().find(|id| line.contains(id.as_str())));
        let first = shown.next();
        assert!(shown.next() != first);
        first == Some(&fast)
    });
    assert!(is_overtaken, "each delivery waited for the diagnosis of the previous one");
}

#[test]
fn shows_unknown_event_types_and_undecodable_data() {
    let listener = Listener::start(&[]);
    listener.deliver(&Delivery::of_json(json!({ "type": "comet.seen", "data": { "id": "c_1" } })));
    assert!(listener.line().contains("comet.seen"));
    assert_eq!(listener.line().trim(), "the event type is unknown to this version");
    listener.deliver(&Delivery::of_json(json!({ "type": "user.created", "data": { "id": 7 } })));
    assert!(listener.line().contains("user.created"));
    assert_eq!(listener.line().trim(), "data.id: expected a string");
}

#[test]
fn escapes_control_characters_of_deliveries() {
    let listener = Listener::start(&[]);
    let delivery = Delivery::of_json(json!({ "type": "a\u{1b}[2J\r\nb", "data": {} })).id("msg_1");
    listener.deliver(&delivery);
    let line = listener.line();
    assert!(line.contains(r"a\u{1b}[2J\r\nb"), "{line:?}");
    let renamed = |name: &str, at| user(&format!("msg_{at}"), name, at);
    assert!(listener.line().contains("unknown"));
    listener.deliver(&renamed("x", 1000));
    listener.line();
    listener.deliver(&renamed("\u{9b}31m\u{202e}", 2000));
    listener.line();
    let line = listener.line();
    assert!(line.contains(r#""x" → "\u{9b}31m\u{202e}""#), "{line:?}");
}

#[test]
fn prints_one_json_object_per_delivery_without_secrets() {
    let listener = Listener::start(&["--json", "--secret", OTHER_SECRET, "--secret", SECRET]);
    listener.deliver(&Delivery::of(fixture::email_created()).id("msg_1"));
    let delivery = listener.json();
    for (name, expected) in [
        ("number", json!(1)),
        ("path", json!("/webhooks/clerk")),
        ("type", json!("email.created")),
        ("id", json!("msg_1")),
        ("origin", json!("authentic")),
        ("outcome", json!("processed")),
        ("status", json!(200)),
        ("secret", json!(2)),
        ("seen", json!(1)),
        ("reason", Value::Null),
        ("forwarded", Value::Null),
    ] {
        assert_eq!(delivery[name], expected, "{name}");
    }
    assert_eq!(delivery["payload"]["data"]["to_email_address"], "ada.lovelace@example.com");
    assert_eq!(delivery["payload"]["data"]["body_plain"], "[redacted: 94 characters]");
    assert!(!delivery.to_string().contains("602214"), "{delivery}");

    listener.deliver(&Delivery::of(fixture::sms_created()).altered());
    let delivery = listener.json();
    assert_eq!((&delivery["origin"], &delivery["status"]), (&json!("refused"), &json!(400)));
    assert!(!delivery.to_string().contains("314159"), "{delivery}");

    listener.deliver(&user("msg_2", "Ada", 1000).set("/data/private_metadata/ledger", 1));
    let first = listener.json();
    listener.deliver(&user("msg_3", "Ada", 2000).set("/data/private_metadata/ledger", 2));
    let second = listener.json();
    assert_eq!(second["previous"], first["number"]);
    assert_eq!(
        second["changes"],
        json!({ "list": [
            { "path": "private_metadata", "before": "\"[redacted]\"", "after": "\"[redacted]\"" },
            { "path": "updated_at", "before": "1000", "after": "2000" },
        ], "more": 0 })
    );
}

#[test]
fn shows_unverified_deliveries_without_a_secret() {
    let listener = Listener::start_with(&mut command(), &["--json"]);
    let warning = loop {
        let line = listener.error();
        if line.contains("CLERK_WEBHOOK_SIGNING_SECRET") {
            break line;
        }
    };
    assert!(warning.contains("--secret-file"), "{warning}");
    let answer = listener.deliver(&Delivery::of(fixture::user_created()).wrong_secret());
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"outcome":"unverified"}"#));
    let delivery = listener.json();
    assert_eq!(delivery["origin"], "unverified");
    assert_eq!(delivery["reason"], "not verified: no signing secret is set");
    assert_eq!(listener.post("/", &[], b"hello").status, 400);
    assert_eq!(listener.json()["outcome"], "not_an_event");
}

#[test]
fn responds_with_the_statuses_of_respond() {
    let listener = Listener::start(&["--respond", "500,409:30,200"]);
    let delivery = Delivery::of(fixture::user_created());
    // Rejected deliveries do not use up the list.
    assert_eq!(listener.deliver(&delivery.clone().altered()).status, 400);
    let answers: Vec<_> = (0..4).map(|_| listener.deliver(&delivery)).collect();
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [500, 409, 200, 200]);
    assert_eq!(answers[1].header("retry-after"), Some("30"));
    assert_eq!(answers[0].body, r#"{"outcome":"failed"}"#);
}

#[test]
fn sends_no_response_with_respond_timeout() {
    let listener = Listener::start(&["--json", "--respond", "timeout"]);
    let delivery = Delivery::of(fixture::user_created());
    let _sender = listener.begin(&delivery);
    let shown = listener.json();
    assert_eq!((&shown["outcome"], &shown["status"]), (&json!("processed"), &Value::Null));
}

#[test]
fn recordings_verify() {
    let folder = Folder::missing("record");
    let listener = Listener::start(&["--record", folder.path()]);
    let right = Delivery::of(fixture::user_created()).id("msg_1");
    listener.deliver(&right);
    listener.deliver(&right);
    listener.post(
        "/a%20b?c=d",
        &Delivery::of_json(json!({ "type": "../../x\u{0}", "data": {} })).without("svix-id").headers(),
        b"no JSON",
    );
    for _ in 0..2 {
        assert!(listener.line().contains("msg_1"));
    }
    assert!(listener.line().contains("(no type)"));

    let names = folder.names();
    assert_eq!(names.len(), 3, "{names:?}");
    // Deliveries of the same millisecond have different names.
    let named = |part: &str| names.iter().filter(|name| name.contains(part)).count();
    assert_eq!((named("Z-user.created-msg_1"), named("Z-unknown-without-id.http")), (2, 1), "{names:?}");
    let refused = names.iter().find(|name| name.contains("unknown")).unwrap();
    let refused = fs::read_to_string(folder.join(refused)).unwrap();
    assert!(refused.contains("\r\n# verdict: refused, missing_header\r\nPOST /a%20b?c=d "), "{refused}");
    let first = names.iter().find(|name| name.ends_with("Z-user.created-msg_1.http")).unwrap();
    let path = folder.join(first);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let text = fs::read_to_string(&path).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    // Other readers of `.http` files skip comments.
    let (comments, head) = head.split_once("\r\nPOST /webhooks/clerk HTTP/1.1\r\n").unwrap();
    let [received_at, verdict] = comments.lines().collect::<Vec<_>>()[..] else { panic!("{comments}") };
    assert!(received_at.starts_with("# received-at: 20") && received_at.ends_with('Z'), "{comments}");
    assert_eq!(verdict, "# verdict: authentic");
    let headers: Vec<_> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    let verifier = Verifier::builder().secret(SigningSecret::parse(SECRET).unwrap()).build().unwrap();
    let event = verifier.receive(&headers, body.to_owned().into()).unwrap();
    assert_eq!((event.message_id().as_str(), event.raw_body()), ("msg_1", &right.body()));
}

#[test]
fn forwards_deliveries_unchanged() {
    let sink = Server::always(
        "HTTP/1.1 409 Conflict\r\nretry-after: 7\r\nx-own: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy",
    );
    let listener = Listener::start(&["--forward", &format!("{}?x=1", sink.url())]);
    let delivery = Delivery::of(fixture::user_created()).id("msg_1");
    let mut headers = delivery.headers();
    headers.push(("x-many", "1".to_owned()));
    headers.push(("x-many", "2".to_owned()));
    let answer = listener.post("/webhooks/clerk", &headers, &delivery.body());
    assert_eq!((answer.status, answer.body.as_str()), (409, "busy"));
    assert_eq!((answer.header("retry-after"), answer.header("x-own")), (Some("7"), Some("1")));
    // HTML of the endpoint must not run on the listener's page.
    assert_eq!(answer.header("content-security-policy"), Some("sandbox"));

    let request = String::from_utf8(sink.request().bytes).unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.as_bytes(), delivery.body());
    assert!(head.starts_with("POST /webhooks/clerk?x=1 HTTP/1.1\r\n"), "{head}");
    for (name, value) in &headers {
        assert!(head.contains(&format!("\r\n{name}: {value}")), "{name}: {head}");
    }
    assert!(!head.contains("example.com") && head.matches("host: ").count() == 1, "{head}");

    assert!(listener.line().contains("  409  "));
    assert!(listener.line().contains("→ 409 in "));
}

#[test]
fn remarks_if_the_endpoint_and_the_listener_disagree() {
    let careless = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let listener = Listener::start(&["--json", "--forward", &careless.url()]);
    listener.deliver(&Delivery::of(fixture::user_created()));
    assert_eq!(listener.json()["forwarded"]["remark"], Value::Null);
    assert_eq!(listener.deliver(&Delivery::of(fixture::user_created()).wrong_secret()).status, 200);
    assert_eq!(
        listener.json()["forwarded"]["remark"],
        "the endpoint accepted a delivery that is not authentic"
    );
    // A response with 2xx may still refuse the delivery.
    let confused = Server::new(|_| response(200, &[], r#"{"error":"Invalid signature"}"#));
    let listener = Listener::start(&["--json", "--forward", &format!("{}?token=hidden", confused.url())]);
    listener.deliver(&Delivery::of(fixture::user_created()).wrong_secret());
    let remark = listener.json()["forwarded"]["remark"].to_string();
    assert!(
        remark.contains("the body reports a failure") && !remark.contains("accepted a delivery"),
        "{remark}"
    );
    let introduction: Vec<_> = std::iter::from_fn(|| listener.try_error()).collect();
    assert!(!introduction.is_empty() && !introduction.concat().contains("hidden"), "{introduction:?}");
    // The remark names the same cause as `trigger`.
    for (answer, expected, wrong) in [
        (response(400, &[], ""), "the response does not say why; see the endpoint's log", "event type"),
        (response(400, &[], "Unknown event type"), "blames the event type, and not the signature", "secret"),
        (response(302, &[("location", "/login")], ""), "redirects to /login", "secret"),
    ] {
        let other = Server::new(move |_| answer.clone());
        let listener = Listener::start(&["--json", "--forward", &other.url()]);
        listener.deliver(&Delivery::of(fixture::user_created()));
        let remark = listener.json()["forwarded"]["remark"].to_string();
        assert!(remark.contains(expected) && !remark.contains(wrong), "{remark}");
    }
}

#[test]
fn responds_with_502_if_the_endpoint_is_unreachable() {
    let closed = closed_port();
    let listener = Listener::start(&["--forward", &format!("http://{closed}/")]);
    let answer = listener.deliver(&Delivery::of(fixture::user_created()));
    assert_eq!((answer.status, answer.body.as_str()), (502, r#"{"title":"Bad Gateway","status":502}"#));
    assert!(listener.line().contains("  502  "));
    assert!(listener.line().contains(&format!("nothing is listening on {closed}")));
}

#[test]
fn limits_bodies_and_headers() {
    let listener = Listener::start(&["--max-body", "1000"]);
    let large = Delivery::of(fixture::user_created()).id("msg_1");
    assert_eq!(listener.deliver(&large).status, 413);
    assert!(listener.line().contains("body_too_large"));
    assert!(listener.line().contains("larger than 1000 bytes"));
    assert!(listener.line().contains("--max-body"));
    // The limit applies without Content-Length too.
    let piece = "x".repeat(600);
    let chunked = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n258\r\n{piece}\r\n258\r\n{piece}\r\n0\r\n\r\n"
    );
    assert_eq!(listener.send(chunked.as_bytes()).status, 413);
    let headers = format!("POST / HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(listener.send(headers.as_bytes()).status, 431);
    let many = format!("POST / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x-many: 1\r\n".repeat(1000));
    assert_eq!(listener.send(many.as_bytes()).status, 431);
}

#[test]
fn shows_a_delivery_with_an_incomplete_body() {
    let listener = Listener::start(&[]);
    let mut stream = TcpStream::connect(("127.0.0.1", listener.port())).unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").unwrap();
    drop(stream);
    let line = listener.line();
    assert!(line.contains("body_failed"), "{line}");
}

#[test]
fn accepts_deliveries_on_a_single_path_with_path() {
    let listener = Listener::start(&["--path", "/hook"]);
    let delivery = Delivery::of(fixture::user_created());
    assert_eq!(listener.deliver(&delivery).status, 404);
    assert!(listener.error().contains("ignored a POST to /webhooks/clerk"));
    assert_eq!(listener.post("/hook?a=b", &delivery.headers(), &delivery.body()).status, 200);
    let answer = listener.get("/hook", "host: a\r\n");
    assert_eq!((answer.status, answer.header("allow")), (405, Some("post")));
}

#[test]
fn explains_wrong_usage() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, expected) in [
        (vec!["--port", &port], "--port 0"),
        (vec!["--host", "192.0.2.1", "--port", "0"], "not an address of this machine"),
        (vec!["--host", "localhost"], "expected an IP address, such as 127.0.0.1"),
        (vec!["--forward", "http://example.com/"], "--allow-remote"),
        (vec!["--forward", "example"], "http://"),
        (vec!["--respond", "99"], "200 to 599"),
        (vec!["--path", "hook"], "begins with a slash"),
        (vec!["--path", "/_clerk/x"], "reserved for the page"),
        (vec!["--secret", "sk_test_1"], "--secret"),
        (vec!["--limit", "0"], "--limit"),
        (vec!["--record", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/x")], "cannot create "),
        (vec!["--record", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], "is a file: pass a folder"),
    ] {
        let output = command().arg("listen").args(&arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn refuses_to_forward_to_itself() {
    let free = closed_port();
    let (port, url) = (free.port().to_string(), format!("http://localhost:{}/", free.port()));
    let output = command().args(["listen", "--port", &port, "--forward", &url]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("is this listener"), "{error}");
}

#[test]
fn does_not_forward_a_forwarded_delivery_again() {
    let sink = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let last = Listener::start(&["--forward", &sink.url()]);
    let first = Listener::start(&["--json", "--forward", &last.url("/")]);
    assert_eq!(first.deliver(&Delivery::of(fixture::user_created())).status, 508);
    assert_eq!(first.json()["forwarded"]["status"], 508);
    assert!(last.error().contains("ignored a forwarded POST"));
    // A listener that does not forward accepts it.
    let shows = Listener::start(&["--json"]);
    let first = Listener::start(&["--forward", &shows.url("/")]);
    assert_eq!(first.deliver(&Delivery::of(fixture::user_created())).status, 200);
    assert_eq!(shows.json()["outcome"], "processed");
}

#[cfg(unix)]
#[test]
fn ends_on_a_signal_and_prints_a_summary() {
    for signal in ["INT", "TERM"] {
        let mut listener = Listener::start(&[]);
        // An open connection does not delay the end.
        let mut idle = TcpStream::connect(("127.0.0.1", listener.port())).unwrap();
        idle.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nabc").unwrap();
        let delivery = Delivery::of(fixture::user_created());
        listener.deliver(&delivery);
        listener.deliver(&delivery.altered());
        let status = listener.terminate(signal);
        assert_eq!(status.code(), Some(0), "{signal}");
        let last = std::iter::from_fn(|| listener.try_line()).last();
        assert_eq!(last.as_deref(), Some("2 deliveries: 1 invalid_signature, 1 verified"));
    }
}

#[cfg(unix)]
#[test]
fn shows_forwarded_deliveries_without_a_response_at_the_end() {
    for json in [false, true] {
        let silent = Server::silent();
        let arguments = ["--forward", &silent.url(), "--json"];
        let mut listener = Listener::start(&arguments[..if json { 3 } else { 2 }]);
        let delivery = Delivery::of(fixture::user_created()).id("msg_1");
        let _sender = listener.begin(&delivery);
        silent.request();
        assert_eq!(listener.terminate("INT").code(), Some(0));
        let lines: Vec<_> = std::iter::from_fn(|| listener.try_line()).collect();
        assert!(
            lines[0].contains("msg_1") && lines.concat().contains("ended before the response"),
            "{lines:?}"
        );
        if json {
            assert_eq!(std::iter::from_fn(|| listener.try_error()).last().unwrap(), "1 delivery: verified");
        } else {
            assert_eq!(lines.last().unwrap(), "1 delivery: verified");
        }
    }
}

/// Other pages in the same browser and other machines have no access to the page.
mod page_denies_access {
    use super::*;

    fn asked(listener: &Listener, headers: &str) -> Answer {
        listener.get("/_clerk/deliveries/1", &format!("{}{headers}", listener.cookie()))
    }

    #[test]
    fn to_other_host_names() {
        let listener = Listener::start(&[]);
        listener.deliver(&Delivery::of(fixture::user_created()));
        let port = listener.port();
        for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
            assert_eq!(asked(&listener, &format!("host: {host}\r\n")).status, 200, "{host}");
        }
        for host in [
            "evil.example".to_owned(),
            format!("evil.example:{port}"),
            format!("127.0.0.1.evil.example:{port}"),
            format!("localhost.evil.example:{port}"),
            format!("evil.example@127.0.0.1:{port}"),
            "127.0.0.1".to_owned(),
            "127.0.0.1:1".to_owned(),
            format!("0.0.0.0:{port}"),
            String::new(),
        ] {
            let answer = asked(&listener, &format!("host: {host}\r\n"));
            assert!(answer.status == 403 || answer.status == 400, "{host}: {answer:?}");
            assert!(!answer.body.contains("user"), "{answer:?}");
        }
        let twice = format!("{}host: evil.example\r\n", listener.host());
        assert_eq!(asked(&listener, &twice).status, 403);
        assert_eq!(asked(&listener, "").status, 403);
        let absolute = listener.get("http://evil.example/_clerk/", &listener.host());
        assert_eq!(absolute.status, 403);
        // The endpoint itself accepts the host name of a tunnel.
        assert_eq!(listener.deliver(&Delivery::of(fixture::user_created())).status, 200);
        assert_eq!(listener.get("/", &listener.host()).header("location"), Some("/_clerk/"));
        assert_eq!(listener.get("/", "host: evil.example\r\n").status, 405);
    }

    #[test]
    fn to_clients_without_the_token() {
        let sink = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let (listener, other) = (Listener::start(&["--forward", &sink.url()]), Listener::start(&[]));
        listener.deliver(&Delivery::of(fixture::user_created()));
        sink.request();
        let right = listener.cookie();
        let wrong = other.cookie().replace(&other.port().to_string(), &listener.port().to_string());
        let shorter = format!("{}\r\n", &right[..right.len() - 3]);
        assert_eq!(asked(&listener, &listener.host()).status, 200);
        for path in ["/_clerk/", "/_clerk", "/_clerk/page.js", "/_clerk/follow", "/_clerk/deliveries/1"] {
            for cookie in ["", &wrong, &shorter, &other.cookie(), "cookie: clerk-webhook-page=\r\n"] {
                let answer = listener.get(path, &format!("{}{cookie}", listener.host()));
                assert_eq!(answer.status, 403, "{path} {cookie}");
                assert!(!answer.body.contains("user") && !answer.body.contains("token"), "{answer:?}");
            }
        }
        let resend = format!(
            "POST /_clerk/deliveries/1/resend HTTP/1.1\r\n{}{wrong}x-clerk-webhook-page: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            listener.host()
        );
        assert_eq!(listener.send(resend.as_bytes()).status, 403);
        // The printed address sets a cookie and redirects to an address without the token.
        for wrong in ["/_clerk/?token=", "/_clerk/?token=0", &other.entrance()] {
            let answer = listener.get(wrong, &listener.host());
            assert_eq!((answer.status, answer.header("set-cookie")), (403, None), "{wrong}");
        }
        let entered = listener.get(&listener.entrance(), &listener.host());
        assert_eq!((entered.status, entered.header("location")), (303, Some("/_clerk/")));
        let (cookie, attributes) = entered.header("set-cookie").unwrap().split_once("; ").unwrap();
        assert_eq!(attributes, "path=/_clerk/; httponly; samesite=strict");
        assert_eq!(asked(&listener, "").status, 403);
        let page = listener.get("/_clerk/", &format!("{}cookie: {cookie}\r\n", listener.host()));
        assert_eq!((page.status, page.body.contains(&cookie[cookie.len() - 32..])), (200, false));
        let elsewhere = listener.get(&listener.entrance(), "host: evil.example\r\n");
        assert_eq!((elsewhere.status, elsewhere.header("set-cookie")), (403, None));
    }

    /// Starts a listener with `--open` and a fake browser, and returns the browser process's arguments.
    #[cfg(target_os = "linux")]
    fn opened(folder: &Folder) -> (Listener, String) {
        use std::os::unix::fs::PermissionsExt as _;
        use std::sync::mpsc::channel;

        let (program, pipe) = (folder.join("xdg-open"), folder.join("arguments"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("coreutils").success());
        let script = "#!/bin/sh\ntr '\\0' '\\n' < /proc/$$/cmdline > \"$(dirname \"$0\")/arguments\"\n";
        fs::write(&program, script).expect("a file");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
        let (sender, arguments) = channel();
        std::thread::spawn(move || sender.send(fs::read_to_string(pipe)));
        let path = format!("{}:{}", folder.path(), std::env::var("PATH").expect("a path"));
        let mut command = command();
        command.env("CLERK_WEBHOOK_SIGNING_SECRET", SECRET).env("PATH", path);
        let listener = Listener::start_with(&mut command, &["--open"]);
        let patience = std::time::Duration::from_secs(30);
        (listener, arguments.recv_timeout(patience).expect("a browser").expect("its arguments"))
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn to_processes_that_read_the_arguments_of_the_browser() {
        let folder = Folder::new("open");
        let (listener, arguments) = opened(&folder);
        let token = listener.entrance().split_once('=').unwrap().1.to_owned();
        assert!(!arguments.contains(&token), "{arguments}");
        let url = arguments.lines().last().unwrap();
        let entrance = url.strip_prefix(&listener.url("")).unwrap();

        // Denied requests do not use up the one-time address.
        let head = format!("HEAD {entrance} HTTP/1.1\r\n{}connection: close\r\n\r\n", listener.host());
        assert_eq!(listener.send(head.as_bytes()).status, 403);
        assert_eq!(listener.get(entrance, "host: evil.example\r\n").status, 403);
        let entered = listener.get(entrance, &listener.host());
        assert_eq!((entered.status, entered.header("location")), (303, Some("/_clerk/")));
        let (cookie, attributes) = entered.header("set-cookie").unwrap().split_once("; ").unwrap();
        assert_eq!(attributes, "path=/_clerk/; httponly; samesite=strict");
        assert!(
            !cookie.contains(&token) && !cookie.contains(entrance.split_once('=').unwrap().1),
            "{cookie}"
        );
        let headers = format!("{}cookie: {cookie}\r\n", listener.host());
        assert_eq!(listener.get("/_clerk/", &headers).status, 200);
        let mut follower = listener.follow(&headers);
        assert!(follower.next_line().is_some());

        // The second use closes the page for the first user too.
        let again = listener.get(entrance, &listener.host());
        assert_eq!((again.status, again.header("set-cookie")), (403, None));
        assert_eq!(listener.get("/_clerk/", &headers).status, 403);
        assert!(listener.error().contains("a second time"));
        while follower.next_line().is_some() {}
        assert_eq!(listener.get(entrance, &listener.host()).status, 403);
        // The printed address still opens the page.
        let printed = format!("{}{}", listener.host(), listener.cookie());
        assert_eq!(listener.get("/_clerk/", &printed).status, 200);
    }

    #[test]
    fn to_requests_through_a_proxy() {
        let listener = Listener::start(&[]);
        for header in
            ["x-forwarded-for: 192.0.2.1", "cf-connecting-ip: 192.0.2.1", "forwarded: for=192.0.2.1"]
        {
            assert_eq!(asked(&listener, &format!("{}{header}\r\n", listener.host())).status, 403);
        }
    }

    #[test]
    fn to_other_origins() {
        let sink = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let listener = Listener::start(&["--forward", &sink.url()]);
        listener.deliver(&Delivery::of(fixture::user_created()));
        sink.request();
        let own = format!("origin: http://127.0.0.1:{}\r\n", listener.port());
        for (headers, status) in [
            ("sec-fetch-site: same-origin\r\n", 200),
            ("sec-fetch-site: none\r\n", 200),
            ("sec-fetch-site: cross-site\r\n", 403),
            ("sec-fetch-site: same-site\r\n", 403),
            ("origin: http://evil.example\r\n", 403),
            ("origin: null\r\n", 403),
            (own.as_str(), 200),
        ] {
            assert_eq!(
                asked(&listener, &format!("{}{headers}", listener.host())).status,
                status,
                "{headers}"
            );
        }
        let resend = |headers: &str| {
            let request = format!(
                "POST /_clerk/deliveries/1/resend HTTP/1.1\r\n{}{}{headers}content-length: 0\r\nconnection: close\r\n\r\n",
                listener.host(),
                listener.cookie()
            );
            listener.send(request.as_bytes())
        };
        assert_eq!(resend("").status, 403);
        assert_eq!(resend("x-clerk-webhook-page: 1\r\norigin: http://evil.example\r\n").status, 403);
        assert_eq!(resend("x-clerk-webhook-page: 1\r\nsec-fetch-site: cross-site\r\n").status, 403);
        let answer = resend(&format!("x-clerk-webhook-page: 1\r\nsec-fetch-site: same-origin\r\n{own}"));
        assert_eq!((answer.status, &answer.json()["signed_anew"]), (200, &json!(true)));
        sink.request();
        let entrance = listener.entrance();
        for path in ["/_clerk/", "/_clerk/page.js", "/_clerk/deliveries/1", "/_clerk/nothing", &entrance] {
            let answer = listener.get(path, &format!("{}{}", listener.host(), listener.cookie()));
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        }
    }
}

#[test]
fn signs_resent_deliveries_only_if_they_were_authentic() {
    let sink = Server::always("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    let listener = Listener::start(&["--forward", &sink.url()]);
    let right = Delivery::of(fixture::user_created())
        .id("msg_1")
        .at(Timestamp::from_secs(Timestamp::now().as_secs() - 200));
    let forged = right.clone().altered();
    for (delivery, lines) in [(&right, 2), (&forged, 4)] {
        listener.deliver(delivery);
        sink.request();
        // The lines are printed after the response.
        (0..lines).for_each(|_| drop(listener.line()));
    }
    let verifier = Verifier::new(SECRET).unwrap();
    for (number, authentic) in [(1, true), (2, false)] {
        let request = format!(
            "POST /_clerk/deliveries/{number}/resend HTTP/1.1\r\n{}{}x-clerk-webhook-page: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            listener.host(),
            listener.cookie()
        );
        let answer = listener.send(request.as_bytes()).json();
        assert_eq!(answer["signed_anew"], authentic);
        assert_eq!((&answer["result"]["status"], &answer["body"]), (&json!(200), &json!("ok")));
        let request = String::from_utf8(sink.request().bytes).unwrap();
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let headers: Vec<_> = head.lines().filter_map(|line| line.split_once(": ")).collect();
        let verified = verifier.verify(&headers, body.as_bytes());
        assert_eq!(verified.is_ok(), authentic, "{verified:?}");
        if let Ok(verified) = verified {
            assert_eq!(verified.message_id().as_str(), "msg_1");
            assert!(Timestamp::now().as_secs() - verified.attempted_at().as_secs() < 100);
        }
    }
}
