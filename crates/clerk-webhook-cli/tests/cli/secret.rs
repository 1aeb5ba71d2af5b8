//! `clerk-webhook secret` creates usable secrets, and explains why a secret is unusable without showing it.

use clerk_webhook_core::{SecretError, SigningSecret};
use serde_json::{Value, json};

use crate::support::folder::File;
use crate::support::process::run_with;

const SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

#[test]
fn creates_a_new_usable_secret_on_one_line() {
    let first = run_with(&["secret", "new"], None, b"");
    let second = run_with(&["secret", "new"], None, b"");
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.stdout.ends_with('\n') && first.stdout.lines().count() == 1 && first.stderr.is_empty());
    assert_ne!(first.stdout, second.stdout);
    assert!(SigningSecret::parse(&first.stdout).is_ok());
    let checked = run_with(&["secret", "check", "--json"], Some(first.stdout.trim()), b"");
    let expected = json!({
        "place": "CLERK_WEBHOOK_SIGNING_SECRET", "position": 1, "usable": true, "bytes": 32, "problem": null, "warnings": [],
    });
    assert_eq!(checked.objects(), [expected]);
}

#[test]
fn creates_a_secret_of_the_requested_length() {
    for bytes in ["24", "64"] {
        let made = run_with(&["secret", "new", "-n", bytes, "--json"], None, b"").objects().remove(0);
        assert_eq!(made["bytes"].to_string(), bytes);
        let checked =
            run_with(&["secret", "check", "--json"], made["secret"].as_str(), b"").objects().remove(0);
        assert_eq!(checked["bytes"].to_string(), bytes);
    }
    for bytes in ["23", "65", "x"] {
        assert_eq!(run_with(&["secret", "new", "-n", bytes], None, b"").code, 2);
    }
}

#[test]
fn explains_problems_without_showing_the_secret() {
    let cases = include_str!("../../../../tests/field-cases/secrets.txt");
    let cases = cases.lines().map(|case| case.split_once('\t').unwrap());
    for (expected, text) in cases.chain([("Blank", " \n")]) {
        let text = &text.replace("\\n", "\n");
        let error = SigningSecret::parse_list(text).unwrap_err();
        assert_eq!(format!("{:?}", error.kind()), expected, "{text}");
        // The problem is the library's constant text for this kind of mistake.
        let problem = SecretError::from(error.kind());
        for (place, checked) in [
            ("CLERK_WEBHOOK_SIGNING_SECRET", run_with(&["secret", "check"], Some(text), b"")),
            ("standard input", run_with(&["secret", "check", "-"], None, text.as_bytes())),
            ("argument", run_with(&["secret", "check", text], None, b"")),
        ] {
            assert_eq!((checked.code, checked.stdout), (1, format!("bad   {place}: {problem}\n")), "{text}");
        }
    }
}

#[test]
fn reports_each_of_several_secrets() {
    let file = File::new("secrets-to-check", format!("{SECRET}\nsk_live_x\n").as_bytes());
    let checked = run_with(&["secret", "check", "--json", "--secret-file", file.path()], None, b"");
    assert_eq!(checked.code, 1, "{checked:?}");
    let usable: Vec<Value> = checked.objects().into_iter().map(|object| object["usable"].clone()).collect();
    assert_eq!(usable, [json!(true), json!(false)]);
    let checked = run_with(&["secret", "check", "--secret", SECRET, "--secret", "x"], None, b"");
    assert!(checked.stdout.contains("ok    --secret, secret 1: a key of 24 bytes"), "{checked:?}");
}

#[test]
fn warns_about_a_publicly_known_secret() {
    let checked = run_with(&["secret", "check"], Some(clerk_webhook_test::SECRET), b"");
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.contains("anyone can sign with it"), "{checked:?}");
}

#[test]
fn rejects_a_missing_secret_as_wrong_usage() {
    let checked = run_with(&["secret", "check"], None, b"");
    assert_eq!(checked.code, 2, "{checked:?}");
    assert!(checked.stderr.contains("no secret to check"), "{checked:?}");
    assert_eq!(run_with(&["secret"], None, b"").code, 2);
}
