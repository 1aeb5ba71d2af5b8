//! The fixtures match their descriptions and have the format of Clerk's bodies.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use clerk_webhook_core::{EventData, EventType};
use clerk_webhook_test::fixture::AnyFixture;
use serde_json::Value;

#[test]
fn the_table_lists_the_files_in_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/events");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.strip_suffix(".json").unwrap().to_owned())
        .collect();
    files.sort_unstable();
    let table: Vec<_> = AnyFixture::all().map(|fixture| fixture.name()).collect();
    assert_eq!(table, files);
}

#[test]
fn every_event_type_has_a_fixture() {
    let types: BTreeSet<_> = AnyFixture::all().map(|fixture| fixture.event_type().to_string()).collect();
    let known: BTreeSet<_> = EventType::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(types, known);
    for known in EventType::ALL {
        assert_eq!(AnyFixture::of(known).unwrap().name(), known.as_str());
    }
    assert!(AnyFixture::of(&EventType::from("user.invented")).is_none());
    assert!(AnyFixture::named("user.created__invented").is_none());
}

#[test]
fn every_fixture_decodes_as_its_event_type() {
    for fixture in AnyFixture::all() {
        let event = fixture.event();
        assert_eq!(*event.event_type(), fixture.event_type(), "{fixture:?}");
        if let EventData::Unrecognized(data) = fixture.data() {
            panic!("{fixture:?}: {}", data.reason());
        }
        assert_eq!(event.raw_body(), &fixture.body());
        assert_eq!(fixture.json()["type"], fixture.event_type().as_str());
    }
}

#[test]
fn every_fixture_is_compact_json_with_sorted_keys() {
    for fixture in AnyFixture::all() {
        let mut json = fixture.json();
        json.sort_all_objects();
        assert_eq!(fixture.body(), json.to_string(), "{fixture:?}");
    }
}

#[test]
fn descriptions_are_unique_noun_phrases() {
    let descriptions: BTreeSet<_> = AnyFixture::all().map(|fixture| fixture.description()).collect();
    assert_eq!(descriptions.len(), AnyFixture::all().len());
    let sentence = |text: &&str| !text.ends_with('.') && !text.starts_with(char::is_uppercase);
    assert!(descriptions.iter().all(sentence));
}

/// Addresses and numbers are in the ranges reserved for examples (RFC 2606, 5737, 3849; 555-01xx).
#[test]
fn fixtures_contain_no_real_addresses_or_numbers() {
    for fixture in AnyFixture::all() {
        strings(&fixture.json(), "", &mut |name, text| {
            let is_free = match name {
                _ if text.contains('@') && !text.contains(' ') && !name.ends_with("user_agent") => {
                    let domain = text.rsplit('@').next().unwrap();
                    [".example", "example.com", "example.org", "example.net", ".test"]
                        .iter()
                        .any(|end| domain.ends_with(end))
                }
                _ if name.contains("phone_number") && text.starts_with('+') => text.starts_with("+120255501"),
                "client_ip" | "ip_address" => {
                    text.is_empty()
                        || text == "0.0.0.0"
                        || text.starts_with("192.0.2.")
                        || text.starts_with("2001:db8:")
                }
                _ => true,
            };
            assert!(is_free, "{fixture:?}: {name} is {text}");
        });
    }
}

fn strings(value: &Value, name: &str, look: &mut impl FnMut(&str, &str)) {
    match value {
        Value::String(text) => look(name, text),
        Value::Array(elements) => elements.iter().for_each(|element| strings(element, name, look)),
        Value::Object(members) => members.iter().for_each(|(name, member)| strings(member, name, look)),
        _ => {}
    }
}

#[test]
fn examples_of_one_object_have_the_same_id() {
    for (object, path) in [
        ("user", "/data/id"),
        ("organization", "/data/id"),
        ("organizationMembership", "/data/id"),
        ("organizationMembership", "/data/public_user_data/user_id"),
    ] {
        let ids = ["created", "updated", "deleted"].map(|event| {
            AnyFixture::named(&format!("{object}.{event}")).unwrap().json().pointer(path).cloned()
        });
        assert!(ids[0].is_some() && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}
