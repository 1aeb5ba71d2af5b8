//! `clerk-webhook replay`: captured requests are sent again.
#![expect(clippy::unwrap_used, reason = "in tests")]

#[path = "support/trigger.rs"]
mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::{Timestamp, Verifier};
use clerk_webhook_test::{AnyFixture, Delivery};
use serde_json::json;
use support::{Request, Server, closed_port, receiver, response, run, run_with};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("clerk-webhook-replay-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        text(&path)
    }

    fn path(&self) -> String {
        text(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn old(name: &str, id: &str) -> Delivery {
    Delivery::of(AnyFixture::named(name).unwrap()).id(id).at(Timestamp::from_secs(1_760_000_000))
}

fn http_file(delivery: &Delivery) -> Vec<u8> {
    let mut file =
        b"POST /hook HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\ncookie: a=b\r\n".to_vec();
    for (name, value) in delivery.headers() {
        file.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    file.extend_from_slice(b"\r\n");
    file.extend_from_slice(&delivery.body());
    file
}

fn line(delivery: &Delivery) -> String {
    let headers: serde_json::Map<_, _> =
        delivery.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    json!({ "type": "event", "headers": headers, "body_b64": STANDARD.encode(delivery.body()) }).to_string()
        + "\n"
}

fn lines() -> String {
    [("user.created", "msg_1"), ("user.deleted", "msg_2"), ("session.created", "msg_3")]
        .map(|(name, id)| line(&old(name, id)))
        .concat()
}

fn accepting() -> Server {
    Server::new(|_| response(200, &[], r#"{"outcome":"processed"}"#))
}

fn ids(requests: &[Request]) -> Vec<String> {
    requests.iter().map(|request| request.header("svix-id").unwrap().to_owned()).collect()
}

#[test]
fn a_receiver_accepts_what_is_signed_anew() {
    let (address, events) = receiver::start();
    let run = run_with(
        &["replay", "-", "--to", &format!("http://{address}/webhooks/clerk")],
        Some(support::SECRET),
        lines().as_bytes(),
    );
    assert_eq!(run.code(), 0, "{run:?}");
    let received: Vec<_> = events.try_iter().collect();
    let ids: Vec<_> = received.iter().map(|event| event.id().to_string()).collect();
    assert_eq!(ids, ["msg_1", "msg_2", "msg_3"]);
    assert!(run.stdout().contains("3 sent in"), "{}", run.stdout());
}

#[test]
fn a_request_keeps_its_bytes_and_loses_what_belongs_to_another_connection() {
    let folder = Folder::new("bytes");
    let delivery = Delivery::of_body(&b"{ \"type\":\"user.created\" }\r\n"[..]).id("msg_bytes").stale();
    let file = folder.write("one.http", &http_file(&delivery));
    let server = accepting();
    let run = run(&["replay", &file, "--to", &server.url()]);
    assert_eq!(run.code(), 0, "{run:?}");
    let [request] = &server.taken()[..] else { unreachable!("{run:?}") };
    assert_eq!(request.body, delivery.body());
    assert_eq!(request.line, "POST /webhooks/clerk HTTP/1.1");
    assert_eq!((request.header("cookie"), request.header("connection")), (None, None));
    assert_eq!(request.header("host"), Some(server.address.to_string().as_str()));
    Verifier::new(support::SECRET).unwrap().verify(&request.pairs(), &request.body).unwrap();
    assert!(run.stdout().contains("user.created") && run.stdout().contains("msg_bytes"), "{}", run.stdout());
}

#[test]
fn verbatim_sends_the_captured_signature_and_says_that_it_is_old() {
    let server = accepting();
    let url = server.url();
    let run = run_with(&["replay", "-", "--verbatim", "--to", &url], None, lines().as_bytes());
    assert_eq!(run.code(), 0, "{run:?}");
    assert!(run.stderr().contains("3 of 3 were not signed within the last five minutes"), "{}", run.stderr());
    let requests = server.taken();
    let expected = old("user.created", "msg_1").headers();
    for (name, value) in &expected {
        assert_eq!(requests[0].header(name), Some(value.as_str()), "{name}");
    }
    let fresh = line(&Delivery::of(AnyFixture::named("user.created").unwrap()));
    let run = run_with(&["replay", "-", "--verbatim", "--to", &url], None, fresh.as_bytes());
    assert!(!run.stderr().contains("five minutes"), "{}", run.stderr());
}

#[test]
fn some_can_be_chosen() {
    for (options, expected) in [
        (&["--only", "user.*"][..], &["msg_1", "msg_2"][..]),
        (&["--only", "user.deleted", "--only", "session.*"], &["msg_2", "msg_3"]),
        (&["--since", "2025-01-01T00:00:00Z"], &["msg_1", "msg_2", "msg_3"]),
        (&["--until", "1760000001", "--only", "*.deleted"], &["msg_2"]),
    ] {
        let server = accepting();
        let url = server.url();
        let run = run_with(
            &[&["replay", "-", "--to", &url], options].concat(),
            Some(support::SECRET),
            lines().as_bytes(),
        );
        assert_eq!(run.code(), 0, "{run:?}");
        assert_eq!(ids(&server.taken()), expected, "{options:?}");
    }
    for options in [&["--only", "nothing.*"][..], &["--since", "-1h"], &["--until", "1700000000"]] {
        let server = accepting();
        let url = server.url();
        let run = run_with(
            &[&["replay", "-", "--to", &url], options].concat(),
            Some(support::SECRET),
            lines().as_bytes(),
        );
        assert_eq!(run.code(), 2, "{run:?}");
        assert!(server.taken().is_empty());
    }
}

#[test]
fn what_has_no_id_is_refused_before_anything_is_sent_unless_it_gets_one() {
    let folder = Folder::new("ids");
    folder.write("a.http", &http_file(&old("user.created", "msg_1")));
    folder.write("b.http", b"POST / HTTP/1.1\n\n{\"type\":\"user.deleted\"}");
    let server = accepting();
    let url = server.url();
    let run = run(&["replay", &folder.path(), "--to", &url]);
    assert_eq!(run.code(), 2, "{run:?}");
    assert!(run.stderr().contains("b.http") && run.stderr().contains("--new-ids"), "{}", run.stderr());
    assert!(server.taken().is_empty());

    let run = support::run(&["replay", &folder.path(), "--to", &url, "--new-ids"]);
    assert_eq!(run.code(), 0, "{run:?}");
    let ids = ids(&server.taken());
    assert_eq!(ids.len(), 2);
    assert!(!ids.contains(&"msg_1".to_owned()) && ids[0] != ids[1]);
}

#[test]
fn refusals_are_counted() {
    let server = Server::new(|request| match request.header("svix-id") {
        Some("msg_2") => response(409, &[], r#"{"outcome":"in_progress"}"#),
        Some("msg_3") => response(500, &[], ""),
        _ => response(200, &[], r#"{"outcome":"duplicate"}"#),
    });
    let url = server.url();
    let run = run_with(&["replay", "-", "--to", &url], Some(support::SECRET), lines().as_bytes());
    assert_eq!(run.code(), 1, "{run:?}");
    assert!(run.stdout().contains("1 500, 1 duplicate, 1 in_progress"), "{}", run.stdout());

    let run = run_with(&["replay", "-", "--to", &url, "--json"], Some(support::SECRET), lines().as_bytes());
    let objects = run.objects();
    assert_eq!(objects.len(), 4);
    assert_eq!((&objects[1]["id"], &objects[1]["status"]), (&json!("msg_2"), &json!(409)));
    assert_eq!(
        objects[3]["summary"],
        json!({
            "captured": 3, "sent": 3, "delivered": 1, "unanswered": 0,
            "outcomes": { "500": 1, "duplicate": 1, "in_progress": 1 },
        })
    );
}

#[test]
fn several_at_once_are_all_sent_once() {
    let server = accepting();
    let all: String = (0..50).map(|index| line(&old("user.updated", &format!("msg_{index}")))).collect();
    let args = ["replay", "-", "--to", &server.url(), "--concurrency", "8", "--rate", "2000"];
    let run = run_with(&args, Some(support::SECRET), all.as_bytes());
    assert_eq!(run.code(), 0, "{run:?}");
    let mut ids = ids(&server.taken());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[test]
fn it_stops_at_once_where_nothing_listens_and_goes_on_after_one_broken_answer() {
    let url = format!("http://{}/", closed_port());
    let run = run_with(&["replay", "-", "--to", &url, "--json"], Some(support::SECRET), lines().as_bytes());
    assert_eq!(run.code(), 3, "{run:?}");
    let objects = run.objects();
    assert_eq!(objects[1]["summary"]["sent"], 1, "{objects:?}");
    assert_eq!(objects[2]["error"]["kind"], "network");

    let server = Server::new(|request| match request.header("svix-id") {
        Some("msg_1") => String::new(),
        _ => response(200, &[], ""),
    });
    let run = run_with(
        &["replay", "-", "--to", &server.url(), "--json"],
        Some(support::SECRET),
        lines().as_bytes(),
    );
    assert_eq!(run.code(), 3, "{run:?}");
    let summary = &run.objects()[3]["summary"];
    assert_eq!(
        (&summary["sent"], &summary["delivered"], &summary["unanswered"]),
        (&json!(3), &json!(2), &json!(1))
    );
}

#[test]
fn what_is_under_way_is_counted_where_the_server_ends_meanwhile() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let mut first = listener.accept().unwrap().0;
        let mut second = listener.accept().unwrap().0;
        for stream in [&mut first, &mut second] {
            assert!(stream.read(&mut [0; 64 * 1024]).unwrap() > 0);
        }
        drop(listener);
        let answer = response(200, &[], "");
        first.write_all(answer.as_bytes()).unwrap();
        drop(first);
        // Nothing tells when the next one has been refused.
        thread::sleep(Duration::from_millis(300));
        second.write_all(answer.as_bytes()).unwrap();
    });
    let args = ["replay", "-", "--to", &url, "--concurrency", "2", "--json"];
    let run = run_with(&args, Some(support::SECRET), lines().as_bytes());
    server.join().unwrap();
    assert_eq!(run.code(), 3, "{run:?}");
    let objects = run.objects();
    let summary = objects.iter().find_map(|object| object.get("summary")).unwrap();
    assert_eq!((&summary["sent"], &summary["delivered"]), (&json!(3), &json!(2)), "{objects:?}");
}

#[test]
fn a_dry_run_sends_nothing() {
    let server = accepting();
    let run = run_with(
        &["replay", "-", "--to", &server.url(), "--dry-run"],
        Some(support::SECRET),
        lines().as_bytes(),
    );
    assert_eq!(run.code(), 0);
    assert!(run.stdout().contains("3 would be sent"));
    assert!(server.taken().is_empty());
}

#[test]
fn a_header_that_cannot_be_sent_is_left_out_or_refused() {
    let folder = Folder::new("headers");
    let file = folder.write("a.http", b"POST / HTTP/1.1\nsvix-id: msg_1\ncontent-type: te\x01xt\n\n{}");
    let server = accepting();
    let url = server.url();
    let run = run(&["replay", &file, "--to", &url]);
    assert_eq!(run.code(), 0, "{run:?}");
    assert_eq!(server.taken()[0].header("content-type"), Some("application/json"));
    let file = folder.write("b.http", b"POST / HTTP/1.1\nsvix-id: msg_1\nsvix-signature: v1,\x01\n\n{}");
    let run = support::run(&["replay", &file, "--to", &url, "--verbatim"]);
    assert_eq!(run.code(), 2, "{run:?}");
    assert!(run.stderr().contains("without --verbatim"), "{}", run.stderr());
    assert!(server.taken().is_empty());
}

#[test]
fn captured_text_does_not_steer_the_terminal() {
    let server = accepting();
    let odd = line(&Delivery::of_body(&b"{\"type\":\"\\u001b[2Juser\"}"[..]).id("msg_odd"));
    let run = run_with(&["replay", "-", "--to", &server.url()], Some(support::SECRET), odd.as_bytes());
    assert_eq!(run.code(), 0);
    assert!(!run.stdout().contains('\x1b'), "{:?}", run.stdout());
}

#[test]
fn wrong_usage_is_explained() {
    for (args, expected) in [
        (&["replay", "/nowhere", "--to", "http://127.0.0.1:1/"][..], "cannot read /nowhere"),
        (&["replay", "-", "--to", "http://example.com/"], "--allow-remote"),
        (&["replay", "-", "--to", "http://127.0.0.1:1/", "--rate", "0"], "above 0"),
        (&["replay", "-", "--to", "http://127.0.0.1:1/", "--verbatim", "--new-ids"], "--new-ids"),
        (&["replay", "--to", "http://127.0.0.1:1/"], "FILE"),
    ] {
        let run = run(args);
        assert_eq!(run.code(), 2, "{run:?}");
        assert!(run.stderr().contains(expected), "{}", run.stderr());
    }
}
