//! `clerk-webhook verify` reads captures and reports a verdict on each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_core::HeaderFamily;
use clerk_webhook_test::{Delivery, SECRET, fixture::AnyFixture};
use serde_json::{Value, json};

use crate::support::captured::CapturedRequest;
use crate::support::folder::{File, Folder};
use crate::support::process::{run, run_with};

const EVENT: &str = concat!(
    r#"{"data":{"first_name":"Zoë & <Ada>","image_url":"https://img.clerk.com/a?b=1&c=2","#,
    r#""secret_thing":"do not show me"},"object":"event","type":"user.updated"}"#
);

/// A secret that no test signs with.
const OTHER_SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

#[test]
fn accepts_a_valid_delivery_of_every_fixture() {
    for fixture in AnyFixture::all() {
        let request = CapturedRequest::from_delivery(&Delivery::of(fixture));
        let verdict = request.verdict();
        assert_eq!(verdict["verdict"], "authentic", "{verdict}");
        assert_eq!(verdict["event_type"], fixture.event_type().as_str());
        assert_eq!(verdict["message_id"], request.value("svix-id"));
        assert_eq!(verdict["warnings"], json!([]), "{fixture:?}");
    }
}

#[test]
fn prints_the_verdict_on_the_first_line() {
    let request = CapturedRequest::of(EVENT);
    let output = run_with(&["verify", "-"], Some(SECRET), &request.http());
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.starts_with("authentic  user.updated\n"), "{output:?}");
    assert!(output.stdout.contains(request.value("svix-id")), "{output:?}");

    let output = run_with(&["verify", "-"], Some(SECRET), &request.body(format!("{EVENT}\n")).http());
    assert_eq!(output.code, 1, "{output:?}");
    assert!(
        output
            .stdout
            .starts_with("not authentic  trailing_newline_added\n  why       the body ends in a line break"),
        "{output:?}"
    );
    assert!(output.stdout.contains("\n  do        "), "{output:?}");
    assert!(!output.stdout.contains("do not show me"), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn judges_each_line_of_the_official_command() {
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
        let output = run(arguments);
        assert_eq!(output.code, 1, "{output:?}");
        let objects = output.objects();
        assert_eq!(objects.len(), 2);
        assert_eq!(objects[0]["verdict"], "authentic");
        assert_eq!(objects[1]["cause"], "white_space_added");
        assert!(objects[1]["place"].as_str().unwrap().ends_with("deliveries.ndjson:3"), "{output:?}");
    }
    let output = run(&["verify", file.path()]);
    assert!(output.stdout.ends_with("\n1 of 2 are authentic\n"), "{output:?}");
}

#[test]
fn builds_a_request_from_options() {
    let delivery = Delivery::of_body(EVENT).header_family(HeaderFamily::Webhook);
    let request = CapturedRequest::from_delivery(&delivery);
    let body = File::new("body.json", &request.body);
    let values = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| request.value(name));
    let parts =
        ["--body", body.path(), "--id", values[0], "--timestamp", values[1], "--signature", values[2]];
    for names in ["svix", "webhook"] {
        let output = run(&[&["verify", "--json", "--headers", names], parts.as_slice()].concat());
        assert_eq!(output.objects()[0]["verdict"], "authentic", "{output:?}");
    }
    let output =
        run_with(&["verify", "--json", "--body", "-", "--id", values[0]], Some(SECRET), &request.body);
    assert_eq!(output.objects()[0]["cause"], "missing_header", "{output:?}");
}

#[test]
fn options_determine_how_the_age_is_checked() {
    let request = CapturedRequest::seconds_ago(7200, EVENT).http();
    let refused =
        |arguments: &[&str]| run_with(&[&["verify", "-"], arguments].concat(), Some(SECRET), &request).code;
    assert_eq!(refused(&[]), 1);
    assert_eq!(refused(&["--now", "-2h"]), 0);
    assert_eq!(refused(&["--tolerance", "3h"]), 0);
    assert_eq!(refused(&["--tolerance", "60"]), 1);
    let output = run_with(&["verify", "--any-age", "-"], Some(SECRET), &request);
    assert_eq!(output.code, 0);
    assert!(output.stdout.contains("the age was not checked"), "{output:?}");
}

#[test]
fn judges_a_recording_at_its_time_of_receipt() {
    let request = CapturedRequest::seconds_ago(7200, EVENT);
    let seconds: i64 = request.value("svix-timestamp").parse().unwrap();
    let recording = |seconds_later: i64| {
        let moment = jiff::Timestamp::from_second(seconds + seconds_later).unwrap();
        [format!("# received-at: {moment}\n# verdict: authentic\n").into_bytes(), request.http()].concat()
    };
    let output = run_with(&["verify", "--json", "-"], Some(SECRET), &recording(3));
    assert_eq!(output.code, 0, "{output:?}");
    let object = &output.objects()[0];
    let received_at = json!((seconds + 3) * 1000);
    assert_eq!((&object["age_seconds"], &object["received_at"]), (&json!(3), &received_at), "{object}");
    assert_eq!(object["judged_at"], received_at);
    let output = run_with(&["verify", "-"], Some(SECRET), &recording(3));
    assert!(output.stdout.contains("3.0 s before it was received"), "{output:?}");

    // The time of receipt does not excuse a late replay or a forgery, and --now overrides it.
    let output = run_with(&["verify", "--json", "-"], Some(SECRET), &recording(301));
    assert_eq!(output.objects()[0]["cause"], "timestamp_too_old", "{output:?}");
    let output = run_with(&["verify", "--json", "--now", "now", "-"], Some(SECRET), &recording(3));
    assert_eq!(output.objects()[0]["cause"], "timestamp_too_old", "{output:?}");
    let forged = String::from_utf8(recording(3)).unwrap().replace("Ada", "Eve");
    let output = run_with(&["verify", "-"], Some(SECRET), forged.as_bytes());
    assert_eq!(output.code, 1, "{output:?}");
    assert!(output.stdout.contains("at the time of receipt"), "{output:?}");
    let output = run_with(&["verify", "--any-age", "-"], Some(SECRET), forged.as_bytes());
    assert!(output.code == 1 && !output.stdout.contains("at the time of receipt"), "{output:?}");
    let timeless = forged.replace("svix-timestamp", "x-timestamp");
    let output = run_with(&["verify", "-"], Some(SECRET), timeless.as_bytes());
    assert!(output.code == 1 && !output.stdout.contains("at the time of receipt"), "{output:?}");
}

#[test]
fn continues_after_an_unreadable_file_in_a_folder() {
    let folder = Folder::new("verify-broken");
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("a.http", b"POST / HTTP/1.1\nno header");
    write("b.http", &CapturedRequest::of(EVENT).http());
    let output = run(&["verify", "--json", folder.path()]);
    assert_eq!(output.code, 1, "{output:?}");
    let objects = output.objects();
    let verdicts: Vec<_> = objects.iter().map(|object| object["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["authentic", "unreadable"]);
    assert!(objects[1]["detail"].as_str().unwrap().contains("a.http"), "{output:?}");
    let output = run(&["verify", folder.path()]);
    assert!(output.stdout.ends_with("\n1 of 1 are authentic; 1 file unreadable\n"), "{output:?}");
}

#[test]
fn reports_which_of_several_secrets_matched() {
    let request = CapturedRequest::of(EVENT).http();
    let output = run_with(
        &["verify", "--json", "--secret", OTHER_SECRET, "--secret", SECRET, "-"],
        Some(SECRET),
        &request,
    );
    assert_eq!(
        (output.objects()[0]["secret"].clone(), output.objects()[0]["secrets"].clone()),
        (json!(2), json!(2))
    );
    let file = File::new("secrets", format!("{OTHER_SECRET}\n{SECRET}\n").as_bytes());
    let output = run_with(&["verify", "--secret-file", file.path(), "-"], None, &request);
    assert!(output.stdout.contains("2 of 2"), "{output:?}");
}

#[test]
fn rejects_wrong_usage_with_exit_code_2() {
    for (secret, arguments, input, expected) in [
        (Some(SECRET), &["verify"][..], "", "no input"),
        (Some(SECRET), &["verify", "/nowhere/at/all"], "", "cannot read"),
        (Some(SECRET), &["verify", "-"], "hello", "not a request line or a header"),
        (Some(SECRET), &["verify", "--delivery", "-"], "hello", "object 1 is not JSON"),
        (Some(SECRET), &["verify", "--id", "msg_1", "-"], "", "--id"),
        (Some(SECRET), &["verify", "--id", "msg_1"], "", "--body"),
        (
            Some(SECRET),
            &["verify", "--body", "-"],
            "{}",
            "--body needs the headers of the delivery: pass --id",
        ),
        (Some(SECRET), &["verify", "--any-age", "--now", "now", "-"], "", "--any-age"),
        (Some(SECRET), &["verify", "--tolerance", "2d", "-"], "", "300s"),
        (None, &["verify", "-"], "", "no signing secret"),
        (Some("sk_live_x"), &["verify", "-"], "", "a secret API key"),
    ] {
        let output = run_with(arguments, secret, input.as_bytes());
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.stderr.contains(expected), "{output:?}");
    }
}

#[test]
fn escapes_control_characters_of_captured_values() {
    let request =
        CapturedRequest::of(EVENT).set("svix-timestamp", "1\u{1b}[2J").set("svix-id", "\u{1b}]0;x\u{7}");
    let output = run_with(&["verify", "-"], Some(SECRET), &request.http());
    assert_eq!(output.code, 1);
    assert!(
        !output.stdout.chars().any(|character| character.is_control() && character != '\n'),
        "{output:?}"
    );
    let odd = CapturedRequest::of("{\"type\":\"a\\u001b[2J\\u202eb\\u200d\",\"data\":{}}");
    let output = run_with(&["verify", "-"], Some(SECRET), &odd.http());
    assert!(output.stdout.contains("\\u{202e}b\\u{200d}"), "{output:?}");
    assert!(!output.stdout.contains(['\u{1b}', '\u{202e}', '\u{200d}']), "{output:?}");
}
