//! Every event type has a payload that decodes Clerk's deliveries.

use std::collections::BTreeSet;

use clerk_webhook_core::{Event, EventData, EventType, Timestamp};
use clerk_webhook_tests::{beside_checkout, fixtures, json_files, message_id};
use serde_json::Value;

/// Decodes each file in both ways, and returns the event types of the files.
fn read_all(files: Vec<(String, Vec<u8>)>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for (name, body) in files {
        let event = Event::from_trusted(message_id(), Timestamp::now(), body.clone().into()).unwrap();
        let expected = name.split("__").next().unwrap();
        assert_eq!(event.event_type(), expected, "{name}");
        if let EventData::Unrecognized(data) = event.data() {
            panic!("{name}: {}", data.reason());
        }

        let json: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(event.data_as::<Value>().unwrap(), json["data"], "{name}");
        assert_eq!(event.raw_body(), &body, "{name}");
        seen.insert(expected.to_owned());
    }
    seen
}

fn all_types() -> BTreeSet<String> {
    EventType::ALL.iter().map(ToString::to_string).collect()
}

#[test]
fn every_type_has_a_fixture_that_decodes() {
    assert_eq!(read_all(fixtures()), all_types());
}

#[test]
fn every_sample_of_clerk_decodes() {
    if let Some(path) = beside_checkout("events/samples", "reading samples of Clerk's deliveries") {
        let samples = json_files(&path);
        assert!(samples.len() >= 46, "{}", samples.len());
        assert_eq!(read_all(samples), all_types());
    }
}

#[test]
fn debug_shows_no_secrets() {
    let mut checked = 0;
    for (name, body) in fixtures() {
        let json: Value = serde_json::from_slice(&body).unwrap();
        let event = Event::from_trusted(message_id(), Timestamp::now(), body.into()).unwrap();
        let debug = format!("{:?} {event:?}", event.data());
        // In emails and text messages, `data` contains codes and links. In other types, it is not secret.
        let message = name.starts_with("email.") || name.starts_with("sms.");
        let mut strings = Vec::new();
        collect_secrets(&json["data"], message, &mut strings);
        for string in strings.into_iter().filter(|string| string.len() > 5) {
            checked += 1;
            assert!(!debug.contains(string), "{name}: Debug shows {string}");
        }
        assert!(!message || debug.contains("[REDACTED]"), "{name}: {debug}");
    }
    assert!(checked > 10, "the fixtures contain only {checked} secrets");
}

/// Collects the strings of all secret fields, at any depth.
fn collect_secrets<'a>(value: &'a Value, message: bool, into: &mut Vec<&'a str>) {
    const SECRETS: [&str; 9] = [
        "backup_codes",
        "body",
        "body_plain",
        "external_verification_redirect_url",
        "message",
        "nonce",
        "private_metadata",
        "subject",
        "url",
    ];
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_secrets(item, message, into)),
        Value::Object(members) => {
            for (name, member) in members {
                if SECRETS.contains(&name.as_str()) || (message && name == "data") {
                    collect_strings(member, into);
                } else if name != "error" {
                    // Clerk's error messages are not secret.
                    collect_secrets(member, message, into);
                }
            }
        }
        _ => {}
    }
}

fn collect_strings<'a>(value: &'a Value, into: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => into.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_strings(item, into)),
        Value::Object(members) => members.values().for_each(|member| collect_strings(member, into)),
        _ => {}
    }
}
