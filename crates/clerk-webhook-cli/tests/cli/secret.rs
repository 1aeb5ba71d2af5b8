//! `clerk-webhook secret`: what it makes can be used, and what cannot is explained without being shown.

use clerk_webhook_core::SigningSecret;
use serde_json::{Value, json};

use crate::support::folder::File;
use crate::support::process::run_with;

const SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

#[test]
fn what_is_made_is_one_line_that_can_be_used_and_never_the_same() {
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
fn it_has_as_many_bytes_as_are_asked_for() {
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
fn what_is_wrong_is_said_and_not_shown() {
    for (text, expected) in [
        (format!("\"{SECRET}\""), "quotes"),
        (format!("CLERK_WEBHOOK_SIGNING_SECRET={SECRET}"), "name of a variable"),
        (format!("{}\n  {}", &SECRET[..20], &SECRET[20..]), "line break"),
        (SECRET.replace('9', "_"), "URL-safe"),
        (SECRET[..14].to_owned(), "fewer than 16 bytes"),
        (" \n".to_owned(), "is empty"),
        ("sk_test_Ypq3ItkZpDR0".to_owned(), "secret key of Clerk's API"),
        ("pk_live_Ypq3ItkZpDR0".to_owned(), "publishable key"),
    ] {
        for checked in [
            run_with(&["secret", "check"], Some(&text), b""),
            run_with(&["secret", "check", "-"], None, text.as_bytes()),
            run_with(&["secret", "check", &text], None, b""),
        ] {
            assert_eq!(checked.code, 1, "{text}: {checked:?}");
            assert!(checked.stdout.contains(expected), "{text}: {checked:?}");
            assert!(!checked.stdout.contains("Ypq3ItkZ"), "{checked:?}");
        }
    }
}

#[test]
fn several_are_told_apart() {
    let file = File::new("secrets-to-check", format!("{SECRET}\nsk_live_x\n").as_bytes());
    let checked = run_with(&["secret", "check", "--json", "--secret-file", file.path()], None, b"");
    assert_eq!(checked.code, 1, "{checked:?}");
    let usable: Vec<Value> = checked.objects().into_iter().map(|object| object["usable"].clone()).collect();
    assert_eq!(usable, [json!(true), json!(false)]);
    let told = run_with(&["secret", "check", "--secret", SECRET, "--secret", "x"], None, b"");
    assert!(told.stdout.contains("fine  --secret, secret 1: a key of 24 bytes"), "{told:?}");
}

#[test]
fn one_that_everybody_knows_is_usable_and_warned_of() {
    let checked = run_with(&["secret", "check"], Some(clerk_webhook_test::SECRET), b"");
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.contains("anyone can sign with it"), "{checked:?}");
}

#[test]
fn none_at_all_is_wrong_usage() {
    let checked = run_with(&["secret", "check"], None, b"");
    assert_eq!(checked.code, 2, "{checked:?}");
    assert!(checked.stderr.contains("no secret to check"), "{checked:?}");
    assert_eq!(run_with(&["secret"], None, b"").code, 2);
}
