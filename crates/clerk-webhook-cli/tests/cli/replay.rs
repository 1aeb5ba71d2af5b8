//! `clerk-webhook replay` sends captured requests again.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::support::endpoint::receiver;
use crate::support::folder::Folder;
use crate::support::process::{self, SECRET, command, run, run_with};
use crate::support::server::{Request, Server, closed_port, response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::{Timestamp, Verifier};
use clerk_webhook_test::{Delivery, fixture::AnyFixture};
use serde_json::json;

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
fn a_receiver_accepts_replayed_requests() {
    let (endpoint, events) = receiver();
    let run = run_with(&["replay", "-", "--to", &endpoint.url], Some(SECRET), lines().as_bytes());
    assert_eq!(run.code, 0, "{run:?}");
    let received: Vec<_> = events.try_iter().collect();
    let ids: Vec<_> = received.iter().map(|event| event.message_id().to_string()).collect();
    assert_eq!(ids, ["msg_1", "msg_2", "msg_3"]);
    assert!(run.stdout.contains("3 sent in"), "{}", run.stdout);
}

#[test]
fn signs_only_with_the_secret_that_verified_the_request() {
    let other = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let folder = Folder::new("secrets");
    let file = folder.write("one.http", &http_file(&old("user.created", "msg_1")));
    let server = accepting();
    let secrets = ["--secret", other, "--secret", SECRET];
    let run = run_with(&[&["replay", &file, "--to", &server.url()], &secrets[..]].concat(), None, b"");
    assert_eq!(run.code, 0, "{run:?}");
    let [request] = &server.taken()[..] else { unreachable!("{run:?}") };
    assert_eq!(request.header("svix-signature").unwrap().split(' ').count(), 1);
    Verifier::new(SECRET).unwrap().verify(&request.pairs(), &request.body).unwrap();
}

#[test]
fn sends_the_body_unchanged_and_drops_connection_headers() {
    let folder = Folder::new("bytes");
    let delivery = Delivery::of_body(&b"{ \"type\":\"user.created\" }\r\n"[..]).id("msg_bytes").stale();
    let file = folder.write("one.http", &http_file(&delivery));
    let server = accepting();
    let run = run(&["replay", &file, "--to", &server.url()]);
    assert_eq!(run.code, 0, "{run:?}");
    let [request] = &server.taken()[..] else { unreachable!("{run:?}") };
    assert_eq!(request.body, delivery.body());
    assert_eq!(request.line, "POST /webhooks/clerk HTTP/1.1");
    assert_eq!((request.header("cookie"), request.header("connection")), (None, None));
    assert_eq!(request.header("host"), Some(server.address.to_string().as_str()));
    Verifier::new(SECRET).unwrap().verify(&request.pairs(), &request.body).unwrap();
    assert!(run.stdout.contains("user.created") && run.stdout.contains("msg_bytes"), "{}", run.stdout);
}

#[test]
fn verbatim_sends_the_captured_signature_and_warns_if_it_is_old() {
    let server = accepting();
    let url = server.url();
    let run = run_with(&["replay", "-", "--verbatim", "--to", &url], None, lines().as_bytes());
    assert_eq!(run.code, 0, "{run:?}");
    assert!(
        run.stderr.contains("3 of 3 requests were not signed within the last five minutes"),
        "{}",
        run.stderr
    );
    let requests = server.taken();
    let expected = old("user.created", "msg_1").headers();
    for (name, value) in &expected {
        assert_eq!(requests[0].header(name), Some(value.as_str()), "{name}");
    }
    let fresh = line(&Delivery::of(AnyFixture::named("user.created").unwrap()));
    let run = run_with(&["replay", "-", "--verbatim", "--to", &url], None, fresh.as_bytes());
    assert!(!run.stderr.contains("five minutes"), "{}", run.stderr);
}

#[test]
fn filters_by_event_type_and_time() {
    for (options, expected) in [
        (&["--only", "user.*"][..], &["msg_1", "msg_2"][..]),
        (&["--only", "user.deleted", "--only", "session.*"], &["msg_2", "msg_3"]),
        (&["--since", "2025-01-01T00:00:00Z"], &["msg_1", "msg_2", "msg_3"]),
        (&["--until", "1760000001", "--only", "*.deleted"], &["msg_2"]),
    ] {
        let server = accepting();
        let url = server.url();
        let run =
            run_with(&[&["replay", "-", "--to", &url], options].concat(), Some(SECRET), lines().as_bytes());
        assert_eq!(run.code, 0, "{run:?}");
        assert_eq!(ids(&server.taken()), expected, "{options:?}");
    }
    for options in [&["--only", "nothing.*"][..], &["--since", "-2d"], &["--until", "1700000000"]] {
        let server = accepting();
        let url = server.url();
        let run =
            run_with(&[&["replay", "-", "--to", &url], options].concat(), Some(SECRET), lines().as_bytes());
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("captured requests matches"), "{run:?}");
        assert!(server.taken().is_empty());
    }
}

#[test]
fn assigns_new_ids_only_to_requests_that_verify() {
    let folder = Folder::new("ids");
    folder.write("a.http", &http_file(&old("user.created", "msg_1")));
    folder.write("b.http", b"POST / HTTP/1.1\n\n{\"type\":\"user.deleted\"}");
    folder.write("c.http", &http_file(&old("user.created", "msg_1")));
    let server = accepting();
    let run = run(&["replay", folder.path(), "--to", &server.url(), "--new-ids"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("1 skipped: 1 missing_header"), "{}", run.stdout);
    let ids = ids(&server.taken());
    assert_eq!(ids.len(), 2);
    assert!(!ids.contains(&"msg_1".to_owned()) && ids[0] != ids[1]);
}

#[test]
fn counts_outcomes() {
    let server = Server::new(|request| match request.header("svix-id") {
        Some("msg_2") => response(409, &[], r#"{"outcome":"in_progress"}"#),
        Some("msg_3") => response(500, &[], ""),
        _ => response(200, &[], r#"{"outcome":"duplicate"}"#),
    });
    let url = server.url();
    let run = run_with(&["replay", "-", "--to", &url], Some(SECRET), lines().as_bytes());
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("1 500, 1 duplicate, 1 in_progress"), "{}", run.stdout);

    let run = run_with(&["replay", "-", "--to", &url, "--json"], Some(SECRET), lines().as_bytes());
    let objects = run.objects();
    assert_eq!(objects.len(), 4);
    assert_eq!((&objects[1]["id"], &objects[1]["status"]), (&json!("msg_2"), &json!(409)));
    assert_eq!(
        objects[3]["summary"],
        json!({
            "captured": 3, "sent": 3, "delivered": 1, "unanswered": 0,
            "outcomes": { "500": 1, "duplicate": 1, "in_progress": 1 },
            "skipped": 0, "skip_reasons": {}, "unreadable": 0,
        })
    );
}

#[test]
fn sends_each_request_once_with_concurrency() {
    let server = accepting();
    let all: String = (0..50).map(|index| line(&old("user.updated", &format!("msg_{index}")))).collect();
    let args = ["replay", "-", "--to", &server.url(), "--concurrency", "8", "--rate", "2000"];
    let run = run_with(&args, Some(SECRET), all.as_bytes());
    assert_eq!(run.code, 0, "{run:?}");
    let mut ids = ids(&server.taken());
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}

#[test]
fn stops_if_nothing_listens_but_continues_after_a_broken_response() {
    let url = format!("http://{}/", closed_port());
    let run = run_with(&["replay", "-", "--to", &url, "--json"], Some(SECRET), lines().as_bytes());
    assert_eq!(run.code, 3, "{run:?}");
    let objects = run.objects();
    assert_eq!(objects[1]["summary"]["sent"], 1, "{objects:?}");
    assert_eq!(objects[2]["error"]["kind"], "network");

    let server = Server::new(|request| match request.header("svix-id") {
        Some("msg_1") => String::new(),
        _ => response(200, &[], ""),
    });
    let run = run_with(&["replay", "-", "--to", &server.url(), "--json"], Some(SECRET), lines().as_bytes());
    assert_eq!(run.code, 3, "{run:?}");
    let summary = &run.objects()[3]["summary"];
    assert_eq!(
        (&summary["sent"], &summary["delivered"], &summary["unanswered"]),
        (&json!(3), &json!(2), &json!(1))
    );
}

#[test]
fn counts_requests_in_flight_when_the_server_stops() {
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
        // No event signals that the next connection was refused.
        thread::sleep(Duration::from_millis(300));
        second.write_all(answer.as_bytes()).unwrap();
    });
    let args = ["replay", "-", "--to", &url, "--concurrency", "2", "--json"];
    let run = run_with(&args, Some(SECRET), lines().as_bytes());
    server.join().unwrap();
    assert_eq!(run.code, 3, "{run:?}");
    let objects = run.objects();
    let summary = objects.iter().find_map(|object| object.get("summary")).unwrap();
    assert_eq!((&summary["sent"], &summary["delivered"]), (&json!(3), &json!(2)), "{objects:?}");
}

#[test]
fn a_dry_run_sends_nothing() {
    let server = accepting();
    let run =
        run_with(&["replay", "-", "--to", &server.url(), "--dry-run"], Some(SECRET), lines().as_bytes());
    assert_eq!(run.code, 0);
    assert!(run.stdout.contains("3 would be sent"));
    assert!(server.taken().is_empty());
}

#[test]
fn omits_unsendable_headers_or_skips_the_request() {
    let folder = Folder::new("headers");
    let signed = http_file(&old("user.created", "msg_1").without("content-type"));
    let signed = String::from_utf8(signed).unwrap().replacen("\r\n", "\r\ncontent-type: te\u{1}xt\r\n", 1);
    let file = folder.write("a.http", signed.as_bytes());
    let server = accepting();
    let url = server.url();
    let run = run(&["replay", &file, "--to", &url]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(server.taken()[0].header("content-type"), Some("application/json"));
    let file = folder.write("b.http", b"POST / HTTP/1.1\nsvix-id: msg_1\nsvix-signature: v1,\x01\n\n{}");
    let run = process::run(&["replay", &file, "--to", &url, "--verbatim"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.contains("nothing sent; 1 skipped: 1 not_sendable"), "{}", run.stdout);
    assert!(server.taken().is_empty());
}

#[test]
fn escapes_control_characters_of_captured_text() {
    let server = accepting();
    let odd = line(&Delivery::of_body(&b"{\"type\":\"\\u001b[2Juser\"}"[..]).id("msg_odd"));
    let run = run_with(&["replay", "-", "--to", &server.url()], Some(SECRET), odd.as_bytes());
    assert_eq!(run.code, 0);
    assert!(!run.stdout.contains('\x1b'), "{:?}", run.stdout);
}

#[test]
fn explains_wrong_usage() {
    for (args, expected) in [
        (&["replay", "/nowhere", "--to", "http://127.0.0.1:1/"][..], "cannot read /nowhere"),
        (&["replay", "-", "--to", "http://example.com/"], "--allow-remote"),
        (&["replay", "-", "--to", "http://127.0.0.1:1/", "--rate", "0"], "above 0"),
        (&["replay", "-", "--to", "http://127.0.0.1:1/", "--verbatim", "--new-ids"], "--new-ids"),
        (&["replay", "--to", "http://127.0.0.1:1/"], "FILE"),
        (
            &["replay", "-", "--to", "http://127.0.0.1:1/"],
            "send your own body, use `clerk-webhook trigger --file`",
        ),
    ] {
        let run = run(args);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(expected), "{}", run.stderr);
    }
}

/// Recordings of `listen --record` are verified before they are signed. The recorded verdict is not trusted.
mod recordings {
    use clerk_webhook_test::fixture;
    use serde_json::Value;

    use super::*;
    use crate::support::listener::Listener;

    /// The recordings' time of receipt in these tests: as text, and in seconds since 1970.
    const RECEIVED: (&str, i64) = ("2025-10-09T08:53:20.250Z", 1_760_000_000);

    fn user_created(id: &str) -> Delivery {
        Delivery::of(fixture::user_created()).id(id).at(Timestamp::from_secs(RECEIVED.1))
    }

    /// Returns a file in the format of `listen --record`.
    fn recording(delivery: &Delivery, received_at: &str, verdict: &str) -> Vec<u8> {
        let lines = format!("# received-at: {received_at}\n# verdict: {verdict}\n");
        [lines.into_bytes(), http_file(delivery)].concat()
    }

    /// Replays a folder. Returns the exit code, the received requests, the skipped ids with their reasons,
    /// and the summary.
    fn replay(folder: &Folder, options: &[&str]) -> (i32, Vec<Request>, Vec<(String, String)>, Value) {
        let server = accepting();
        let run =
            process::run(&[&["replay", "--json", folder.path(), "--to", &server.url()], options].concat());
        let objects = run.objects();
        let skipped = objects.iter().filter(|object| !object["skipped"].is_null());
        let skipped = skipped.map(|object| {
            (object["id"].as_str().unwrap_or("-").to_owned(), object["skipped"].as_str().unwrap().to_owned())
        });
        let summary = objects.last().unwrap()["summary"].clone();
        (run.code, server.taken(), skipped.collect(), summary)
    }

    fn is_signed(request: &Request) -> bool {
        Verifier::new(SECRET).unwrap().verify(&request.pairs(), &request.body).is_ok()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, cause)| ((*id).to_owned(), (*cause).to_owned())).collect()
    }

    #[test]
    fn does_not_sign_recorded_forgeries() {
        let folder = Folder::new("forged");
        let listener = Listener::start(&["--record", folder.path()]);
        let now = || Delivery::of(fixture::user_created());
        listener.deliver(&now().id("msg_right"));
        listener.deliver(&now().id("msg_altered").altered());
        listener.deliver(&now().id("msg_secret").wrong_secret());
        listener.deliver(&now().id("msg_stale").stale());
        listener.deliver(&now().id("msg_unsigned").without("svix-signature"));
        listener.deliver(&now().without("svix-id"));
        drop(listener);
        assert_eq!(folder.names().len(), 6);

        let (endpoint, events) = receiver();
        let to = endpoint.url.clone();
        let run = run(&["replay", folder.path(), "--to", &to]);
        assert_eq!(run.code, 1, "{run:?}");
        let received: Vec<_> = events.try_iter().map(|event| event.message_id().to_string()).collect();
        assert_eq!(received, ["msg_right"], "{run:?}");
        let summary = "5 skipped: 1 expired_timestamp, 2 invalid_signature, 2 missing_header";
        assert!(run.stdout.contains("1 sent in") && run.stdout.contains(summary), "{}", run.stdout);
        assert!(run.stderr.contains("--include-refused"), "{}", run.stderr);

        let run = process::run(&["replay", folder.path(), "--to", &to, "--new-ids"]);
        assert_eq!((run.code, events.try_iter().count()), (1, 1), "{run:?}");
    }

    #[test]
    fn verifies_recordings_that_claim_to_be_authentic() {
        let folder = Folder::new("claims");
        let forged = user_created("msg_forged").altered();
        folder.write("forged.http", &recording(&forged, RECEIVED.0, "authentic"));
        folder.write("right.http", &recording(&user_created("msg_right"), RECEIVED.0, "authentic"));
        let (code, sent, skipped, summary) = replay(&folder, &[]);
        assert_eq!((code, ids(&sent)), (1, vec!["msg_right".to_owned()]));
        assert!(is_signed(&sent[0]));
        assert_eq!(skipped, pairs(&[("msg_forged", "invalid_signature")]));
        assert_eq!(
            (&summary["captured"], &summary["sent"], &summary["skipped"], &summary["skip_reasons"]),
            (&json!(2), &json!(1), &json!(1), &json!({ "invalid_signature": 1 }))
        );
        let run = run(&["replay", folder.path(), "--to", &accepting().url(), "--dry-run"]);
        assert!(run.stdout.contains("although it was recorded as authentic"), "{}", run.stdout);
        assert!(run.stdout.contains("1 would be sent; 1 skipped: 1 invalid_signature"), "{}", run.stdout);
    }

    #[test]
    fn the_recorded_time_affects_only_the_age() {
        let folder = Folder::new("times");
        let right = user_created("msg_1");
        for (name, delivery, received_at, cause) in [
            ("a", right.clone(), RECEIVED.0, None),
            ("b", right.clone(), "2025-10-09T08:58:20.999Z", None),
            ("c", right.clone(), "2025-10-09T08:58:21Z", Some("expired_timestamp")),
            ("d", right.clone(), "2025-10-09T08:48:19Z", Some("expired_timestamp")),
            ("e", right.clone(), "2026-10-09T08:53:20Z", Some("expired_timestamp")),
            // No time of receipt makes a forgery valid.
            ("f", right.clone().altered(), RECEIVED.0, Some("invalid_signature")),
            ("g", right.clone().wrong_secret(), RECEIVED.0, Some("invalid_signature")),
            ("h", right.clone().altered(), "9999-12-29T23:59:59Z", Some("expired_timestamp")),
            ("i", right.clone().altered(), "-009999-01-09T00:00:00Z", Some("expired_timestamp")),
        ] {
            let file = folder.write("one.http", &recording(&delivery, received_at, "authentic"));
            let (code, sent, skipped, _) = replay(&folder, &[]);
            assert_eq!(code, i32::from(cause.is_some()), "{name}");
            assert_eq!(sent.len(), usize::from(cause.is_none()), "{name}");
            assert_eq!(skipped.first().map(|(_, cause)| cause.as_str()), cause, "{name}");
            fs::remove_file(file).unwrap();
        }
    }

    #[test]
    fn takes_the_time_from_the_file_name_or_ignores_the_age() {
        let folder = Folder::new("older");
        let write = |name: &str, delivery: &Delivery| folder.write(name, &http_file(delivery));
        // Names that older versions wrote.
        write("20251009T085320.250Z-user.created-msg_named.http", &user_created("msg_named"));
        write("20251009T093320.250Z-user.created-msg_late.http", &user_created("msg_late"));
        write("20251009T085321.000Z-user.created-msg_altered.http", &user_created("msg_altered").altered());
        write("other.http", &user_created("msg_other"));
        write("other-altered.http", &user_created("msg_other_altered").altered());
        let (code, sent, skipped, _) = replay(&folder, &[]);
        assert_eq!((code, ids(&sent)), (1, vec!["msg_named".to_owned(), "msg_other".to_owned()]));
        assert_eq!(
            skipped,
            pairs(&[
                ("msg_altered", "invalid_signature"),
                ("msg_late", "expired_timestamp"),
                ("msg_other_altered", "invalid_signature"),
            ])
        );
    }

    #[test]
    fn verifies_recordings_of_a_listener_without_a_secret() {
        let folder = Folder::new("unverified");
        let listener = Listener::start_with(&mut command(), &["--record", folder.path()]);
        listener.deliver(&Delivery::of(fixture::user_created()).id("msg_right"));
        listener.deliver(&Delivery::of(fixture::user_created()).id("msg_secret").wrong_secret());
        drop(listener);
        let (code, sent, skipped, _) = replay(&folder, &[]);
        assert_eq!((code, ids(&sent)), (1, vec!["msg_right".to_owned()]));
        assert_eq!(skipped, pairs(&[("msg_secret", "invalid_signature")]));
    }

    #[test]
    fn include_refused_sends_unverified_requests_with_their_captured_headers() {
        let folder = Folder::new("include");
        let forged = user_created("msg_forged").altered();
        folder.write("a.http", &recording(&user_created("msg_right"), RECEIVED.0, "authentic"));
        folder.write("b.http", &recording(&forged, RECEIVED.0, "refused, invalid_signature"));
        folder.write("c.http", &recording(&forged.clone().without("svix-id"), RECEIVED.0, "refused"));
        let (code, sent, skipped, summary) = replay(&folder, &["--include-refused", "--new-ids"]);
        assert_eq!((code, sent.len(), skipped), (0, 3, Vec::new()));
        assert!(is_signed(&sent[0]) && sent[0].header("svix-id") != Some("msg_right"));
        for (name, value) in forged.headers() {
            assert_eq!(sent[1].header(name), Some(value.as_str()), "{name}");
        }
        assert_eq!((&sent[1].body, sent[2].header("svix-id")), (&forged.body().to_vec(), None));
        assert_eq!((&summary["skipped"], &summary["sent"]), (&json!(0), &json!(3)));
    }

    #[test]
    fn continues_after_an_unreadable_file() {
        let folder = Folder::new("broken");
        folder.write("a.http", &recording(&user_created("msg_1"), RECEIVED.0, "authentic"));
        folder.write("b.http", b"POST / HTTP/1.1\nno header");
        folder.write("c.http", &recording(&user_created("msg_2"), "yesterday", "authentic"));
        fs::create_dir(folder.join("d.http")).unwrap();
        folder.write("e.ndjson", b"{\"headers\":");
        folder.write("f.ndjson", line(&user_created("msg_3")).as_bytes());
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.join("nowhere"), folder.join("g.http")).unwrap();
        let unreadable = if cfg!(unix) { 5 } else { 4 };

        let (code, sent, _, summary) = replay(&folder, &[]);
        assert_eq!((code, ids(&sent)), (1, vec!["msg_1".to_owned(), "msg_3".to_owned()]));
        assert_eq!((&summary["captured"], &summary["unreadable"]), (&json!(2), &json!(unreadable)));

        let to = accepting().url();
        let run = run(&["replay", folder.path(), "--to", &to, "--dry-run"]);
        assert_eq!(run.code, 1, "{run:?}");
        for part in ["b.http", "is not a header", "c.http", "received-at", "d.http", "e.ndjson"] {
            assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
        }
        let files = format!("{unreadable} files unreadable");
        assert!(run.stdout.contains("2 would be sent") && run.stdout.contains(&files), "{run:?}");

        // A folder without a readable file is incorrect usage.
        for name in ["a.http", "f.ndjson"] {
            fs::remove_file(folder.join(name)).unwrap();
        }
        assert_eq!(process::run(&["replay", folder.path(), "--to", &to]).code, 2);
    }
}
