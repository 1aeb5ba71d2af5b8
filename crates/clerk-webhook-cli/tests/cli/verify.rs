//! `clerk-webhook verify`: what is right is authentic, what was really broken is named by its cause.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use clerk_webhook_core::HeaderFamily;
use clerk_webhook_test::{Delivery, SECRET, fixture::AnyFixture};
use flate2::Compression;
use flate2::read::GzEncoder;
use serde_json::{Value, json};
use std::io::Read as _;

use crate::support::captured::CapturedRequest;
use crate::support::folder::{File, Folder};
use crate::support::process::{run, run_with};

const EVENT: &str = concat!(
    r#"{"data":{"first_name":"Zoë & <Ada>","image_url":"https://img.clerk.com/a?b=1&c=2","#,
    r#""secret_thing":"do not show me"},"object":"event","type":"user.updated"}"#
);

/// A secret that no test signs with.
const OTHER_SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

#[track_caller]
fn verdict(request: &CapturedRequest) -> Value {
    let run = run_with(&["verify", "--json", "-"], Some(SECRET), &request.http());
    let mut objects = run.objects();
    assert_eq!(objects.len(), 1, "{run:?}");
    let object = objects.remove(0);
    assert_eq!(run.code, i32::from(object["verdict"] == "refused"), "{run:?}");
    for hidden in ["do not show me", &SECRET[6..], &request.signature_part()] {
        assert!(hidden.is_empty() || !run.stdout.contains(hidden), "{run:?}");
    }
    object
}

impl CapturedRequest {
    /// Part of the signature that it was made with.
    fn signature_part(&self) -> String {
        let signature = self.headers.iter().find(|(name, _)| name == "svix-signature");
        signature.map(|(_, value)| value.chars().skip(3).take(40).collect()).unwrap_or_default()
    }
}

#[test]
fn a_right_delivery_of_every_fixture_is_authentic() {
    for fixture in AnyFixture::all() {
        let request = CapturedRequest::from_delivery(&Delivery::of(fixture));
        let verdict = verdict(&request);
        assert_eq!(verdict["verdict"], "authentic", "{verdict}");
        assert_eq!(verdict["event_type"], fixture.event_type().as_str());
        assert_eq!(verdict["message_id"], request.value("svix-id"));
        assert_eq!(verdict["warnings"], json!([]), "{fixture:?}");
    }
}

#[test]
fn every_break_is_named() {
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(EVENT).unwrap()).unwrap();
    let mut gzip = Vec::new();
    GzEncoder::new(EVENT.as_bytes(), Compression::default()).read_to_end(&mut gzip).unwrap();
    let right = || CapturedRequest::of(EVENT);
    // Another message until its signature has what the alphabets of base64 differ in.
    let telling = std::iter::repeat_with(right)
        .find(|request| {
            request.value("svix-signature").contains('+') && request.value("svix-signature").contains('/')
        })
        .unwrap();
    let recoded = |engine: &base64::engine::GeneralPurpose| {
        telling.clone().map("svix-signature", |list| {
            format!("v1,{}", engine.encode(STANDARD.decode(&list[3..]).unwrap()))
        })
    };
    let cut = &EVENT.as_bytes()[..100];
    for (cause, request) in [
        ("missing_header", right().without("svix-timestamp")),
        ("empty_header", right().set("svix-id", "")),
        ("repeated_header", right().with("svix-id", "msg_other")),
        ("joined_header", right().map("svix-id", |id| format!("{id}, {id}"))),
        ("mixed_header_families", right().without("svix-id").with("webhook-id", "msg_1")),
        ("quoted_header", right().map("svix-signature", |list| format!("\"{list}\""))),
        ("malformed_header", right().set("svix-id", "msg.1")),
        ("signature_without_version", right().map("svix-signature", |list| list[3..].to_owned())),
        ("signature_separator", right().map("svix-signature", |list| list.replace(',', "="))),
        ("signature_url_safe", recoded(&URL_SAFE)),
        ("signature_unpadded", right().map("svix-signature", |list| list.trim_end_matches('=').to_owned())),
        (
            "signature_percent_encoded",
            telling.clone().map("svix-signature", |list| list.replace('+', "%2B").replace('/', "%2F")),
        ),
        ("signature_case_lost", right().map("svix-signature", str::to_lowercase)),
        ("timestamp_in_milliseconds", right().map("svix-timestamp", |seconds| format!("{seconds}123"))),
        ("timestamp_with_fraction", right().map("svix-timestamp", |seconds| format!("{seconds}.5"))),
        ("malformed_timestamp", right().map("svix-timestamp", |seconds| format!("+{seconds}"))),
        ("timestamp_too_old", CapturedRequest::seconds_ago(1020, EVENT)),
        ("timestamp_too_new", CapturedRequest::seconds_ago(-1020, EVENT)),
        ("trailing_newline_added", right().body(format!("{EVENT}\n"))),
        ("trailing_newline_removed", CapturedRequest::of(&format!("{EVENT}\n")).body(EVENT)),
        ("line_breaks_changed", CapturedRequest::of(&pretty).body(pretty.replace('\n', "\r\n"))),
        ("byte_order_mark_added", right().body(format!("\u{feff}{EVENT}"))),
        ("white_space_added", right().body(format!("  {EVENT}"))),
        ("json_spacing_changed", right().body(pretty.clone())),
        ("json_escapes_changed", right().body(EVENT.replace('/', "\\/"))),
        ("json_encoded_twice", right().body(serde_json::to_string(EVENT).unwrap())),
        ("json_wrapped", right().body(json!({ "body": EVENT, "isBase64Encoded": false }).to_string())),
        ("base64_encoded", right().body(STANDARD.encode(EVENT))),
        ("form_encoded", right().body(format!("payload={EVENT}"))),
        ("charset_changed", right().body(EVENT.bytes().map(char::from).collect::<String>())),
        ("compressed", right().body(gzip)),
        ("bytes_appended", right().body(format!("{EVENT}\0\0"))),
        ("truncated", right().with("content-length", EVENT.len().to_string()).body(cut)),
        ("body_empty", right().body("")),
        ("nothing_fits", right().body(EVENT.replace("Ada", "Eve"))),
        ("nothing_fits", CapturedRequest::from_delivery(&Delivery::of_body(EVENT).wrong_secret())),
    ] {
        let verdict = verdict(&request);
        assert_eq!(verdict["cause"], cause, "{verdict}");
        assert!(verdict["advice"].as_str().is_some_and(|advice| advice.len() > 20), "{verdict}");
    }
}

#[test]
fn two_breaks_are_both_told() {
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(EVENT).unwrap()).unwrap();
    let verdict = verdict(&CapturedRequest::seconds_ago(7200, EVENT).body(pretty + "\n"));
    assert_eq!(verdict["cause"], "json_spacing_changed");
    let notes = verdict["notes"].to_string();
    assert!(notes.contains("svix-timestamp is 2 h in the past"), "{notes}");
}

#[test]
fn people_read_the_verdict_in_the_first_line() {
    let request = CapturedRequest::of(EVENT);
    let told = run_with(&["verify", "-"], Some(SECRET), &request.http());
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.stdout.starts_with("authentic  user.updated\n"), "{told:?}");
    assert!(told.stdout.contains(request.value("svix-id")), "{told:?}");

    let told = run_with(&["verify", "-"], Some(SECRET), &request.body(format!("{EVENT}\n")).http());
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.stdout
            .starts_with("not authentic  trailing_newline_added\n  why       the body has a line break"),
        "{told:?}"
    );
    assert!(told.stdout.contains("\n  do        "), "{told:?}");
    assert!(!told.stdout.contains("do not show me"), "{told:?}");
    assert!(told.stderr.is_empty(), "{told:?}");
}

#[test]
fn lines_of_the_official_command_get_a_verdict_each() {
    let line = |request: &CapturedRequest, status: u16| {
        let headers: serde_json::Map<_, _> =
            request.headers.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
        json!({
            "type": "event",
            "svix_id": request.value("svix-id"),
            "event_type": "user.updated",
            "headers": headers,
            "body_b64": STANDARD.encode(&request.body),
            "forward_status": status,
        })
    };
    let right = CapturedRequest::of(EVENT);
    let broken = CapturedRequest::of(EVENT).body(format!("{EVENT} "));
    let lines = format!("{}\n{}\n{}\n", json!({"type": "ready"}), line(&right, 200), line(&broken, 400));
    let file = File::new("deliveries.ndjson", lines.as_bytes());
    for arguments in
        [["verify", "--json", "--delivery", file.path()].as_slice(), &["verify", "--json", file.path()]]
    {
        let told = run(arguments);
        assert_eq!(told.code, 1, "{told:?}");
        let objects = told.objects();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["verdict"], "authentic");
        assert_eq!(objects[1]["cause"], "white_space_added");
        assert!(objects[1]["place"].as_str().unwrap().ends_with("deliveries.ndjson:3"), "{told:?}");
    }
    let told = run(&["verify", file.path()]);
    assert!(told.stdout.ends_with("\n1 of 2 are authentic\n"), "{told:?}");
}

#[test]
fn parts_make_a_request() {
    let delivery = Delivery::of_body(EVENT).header_family(HeaderFamily::Webhook);
    let request = CapturedRequest::from_delivery(&delivery);
    let body = File::new("body.json", &request.body);
    let values = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.value(name));
    let parts =
        ["--body", body.path(), "--id", values[0], "--timestamp", values[1], "--signature", values[2]];
    for names in ["svix", "webhook"] {
        let told = run(&[&["verify", "--json", "--headers", names], parts.as_slice()].concat());
        assert_eq!(told.objects()[0]["verdict"], "authentic", "{told:?}");
    }
    let told = run_with(&["verify", "--json", "--body", "-", "--id", values[0]], Some(SECRET), &request.body);
    assert_eq!(told.objects()[0]["cause"], "missing_header", "{told:?}");
}

#[test]
fn the_age_is_judged_as_it_is_asked() {
    let request = CapturedRequest::seconds_ago(7200, EVENT).http();
    let refused =
        |arguments: &[&str]| run_with(&[&["verify", "-"], arguments].concat(), Some(SECRET), &request).code;
    assert_eq!(refused(&[]), 1);
    assert_eq!(refused(&["--now", "-2h"]), 0);
    assert_eq!(refused(&["--tolerance", "3h"]), 0);
    assert_eq!(refused(&["--tolerance", "60"]), 1);
    let told = run_with(&["verify", "--any-age", "-"], Some(SECRET), &request);
    assert_eq!(told.code, 0);
    assert!(told.stdout.contains("the age was not checked"), "{told:?}");
}

#[test]
fn a_recording_is_judged_as_of_when_it_was_received() {
    let request = CapturedRequest::seconds_ago(7200, EVENT);
    let seconds: i64 = request.value("svix-timestamp").parse().unwrap();
    let recording = |seconds_later: i64| {
        let moment = jiff::Timestamp::from_second(seconds + seconds_later).unwrap();
        [format!("# received-at: {moment}\n# verdict: authentic\n").into_bytes(), request.http()].concat()
    };
    let told = run_with(&["verify", "--json", "-"], Some(SECRET), &recording(3));
    assert_eq!(told.code, 0, "{told:?}");
    let object = &told.objects()[0];
    let received_at = json!((seconds + 3) * 1000);
    assert_eq!((&object["age_seconds"], &object["received_at"]), (&json!(3), &received_at), "{object}");
    assert_eq!(object["judged_at"], received_at);
    let told = run_with(&["verify", "-"], Some(SECRET), &recording(3));
    assert!(told.stdout.contains("3 s before it was received"), "{told:?}");

    // A replay that was received too late stays one, a forgery too, and the present can be asked for.
    let told = run_with(&["verify", "--json", "-"], Some(SECRET), &recording(301));
    assert_eq!(told.objects()[0]["cause"], "timestamp_too_old", "{told:?}");
    let told = run_with(&["verify", "--json", "--now", "now", "-"], Some(SECRET), &recording(3));
    assert_eq!(told.objects()[0]["cause"], "timestamp_too_old", "{told:?}");
    let forged = String::from_utf8(recording(3)).unwrap().replace("Ada", "Eve");
    let told = run_with(&["verify", "-"], Some(SECRET), forged.as_bytes());
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stdout.contains("when it was received"), "{told:?}");
}

#[test]
fn a_broken_file_of_a_folder_does_not_stop_the_others() {
    let folder = Folder::new("verify-broken");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("a.http", b"POST / HTTP/1.1\nno header");
    write("b.http", &CapturedRequest::of(EVENT).http());
    let told = run(&["verify", "--json", folder.path()]);
    assert_eq!(told.code, 1, "{told:?}");
    let objects = told.objects();
    let verdicts: Vec<_> = objects.iter().map(|object| object["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["authentic", "unreadable"]);
    assert!(objects[1]["detail"].as_str().unwrap().contains("a.http"), "{told:?}");
    let told = run(&["verify", folder.path()]);
    assert!(told.stdout.ends_with("\n1 of 1 are authentic; 1 file unreadable\n"), "{told:?}");
}

#[test]
fn it_says_which_of_several_secrets_matched() {
    let request = CapturedRequest::of(EVENT).http();
    let told = run_with(
        &["verify", "--json", "--secret", OTHER_SECRET, "--secret", SECRET, "-"],
        Some(SECRET),
        &request,
    );
    assert_eq!(
        (told.objects()[0]["secret"].clone(), told.objects()[0]["secrets"].clone()),
        (json!(2), json!(2))
    );
    let file = File::new("secrets", format!("{OTHER_SECRET}\n{SECRET}\n").as_bytes());
    let told = run_with(&["verify", "--secret-file", file.path(), "-"], None, &request);
    assert!(told.stdout.contains("2 of 2"), "{told:?}");
}

#[test]
fn wrong_usage_is_told_as_such() {
    for (secret, arguments, input, expected) in [
        (Some(SECRET), &["verify"][..], "", "no input"),
        (Some(SECRET), &["verify", "/nowhere/at/all"], "", "cannot read"),
        (Some(SECRET), &["verify", "-"], "hello", "not a request line"),
        (Some(SECRET), &["verify", "--delivery", "-"], "hello", "not a line of a listener"),
        (Some(SECRET), &["verify", "--id", "msg_1", "-"], "", "--id"),
        (Some(SECRET), &["verify", "--id", "msg_1"], "", "--body"),
        (Some(SECRET), &["verify", "--any-age", "--now", "now", "-"], "", "--any-age"),
        (Some(SECRET), &["verify", "--tolerance", "2d", "-"], "", "300s"),
        (None, &["verify", "-"], "", "no signing secret"),
        (Some("sk_live_x"), &["verify", "-"], "", "secret key of Clerk"),
    ] {
        let told = run_with(arguments, secret, input.as_bytes());
        assert_eq!(told.code, 2, "{told:?}");
        assert!(told.stderr.contains(expected), "{told:?}");
    }
}

#[test]
fn nothing_that_was_captured_moves_the_cursor() {
    let request =
        CapturedRequest::of(EVENT).set("svix-timestamp", "1\u{1b}[2J").set("svix-id", "\u{1b}]0;x\u{7}");
    let told = run_with(&["verify", "-"], Some(SECRET), &request.http());
    assert_eq!(told.code, 1);
    assert!(!told.stdout.chars().any(|character| character.is_control() && character != '\n'), "{told:?}");
    let odd = CapturedRequest::of("{\"type\":\"a\\u001b[2J\\u202eb\\u200d\",\"data\":{}}");
    let told = run_with(&["verify", "-"], Some(SECRET), &odd.http());
    assert!(told.stdout.contains("\\u{202e}b\\u{200d}"), "{told:?}");
    assert!(!told.stdout.contains(['\u{1b}', '\u{202e}', '\u{200d}']), "{told:?}");
}
