//! `clerk-webhook events`: the catalog of event types.

use crate::support::process::{self, run};
use clerk_webhook_core::EventType;
use clerk_webhook_test::fixture::AnyFixture;
use serde_json::Value;

#[test]
fn lists_all_event_types() {
    let run = run(&["events"]);
    assert_eq!(run.code, 0);
    for event_type in EventType::ALL {
        let line = run
            .stdout
            .lines()
            .find(|line| line.split(' ').next() == Some(event_type.as_str()))
            .map(str::to_owned);
        let line = line.unwrap();
        assert!(line.contains(event_type.payload_name().unwrap()), "{line}");
        assert!(line.contains(event_type.summary().unwrap()), "{line}");
        assert!(line.chars().count() <= 105, "{line}");
    }
    assert!(run.stdout.contains("invented data"));

    let objects = process::run(&["events", "--json"]).objects();
    let types: Vec<_> = objects.iter().map(|object| object["type"].as_str().unwrap().to_owned()).collect();
    let all: Vec<_> = EventType::ALL.iter().map(EventType::as_str).collect();
    assert_eq!(types, all);
    assert!(objects.iter().all(|object| object["source"].as_str().unwrap().contains("schema")));
}

#[test]
fn lists_the_event_types_that_match_a_pattern() {
    let types = |pattern: &str| -> Vec<String> {
        let objects = run(&["events", pattern, "--json"]).objects();
        objects.iter().map(|object| object["type"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(types("user.*"), ["user.created", "user.deleted", "user.updated"]);
    assert_eq!(types("organization*.accepted"), ["organizationInvitation.accepted"]);
    assert_eq!(run(&["events", "nothing.*"]).code, 2);
}

#[test]
fn shows_the_fields_of_an_event_type() {
    let run = run(&["events", "user.created"]);
    assert_eq!(run.code, 0);
    let text = run.stdout;
    for expected in ["A user was created.", "\"first_name\": \"Ada\"", "user.created__saml", "invented data"]
    {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let field = |name: &str| {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(field("data.id"), "string required");
    assert_eq!(field("data.first_name"), "string optional");
    assert_eq!(field("data.email_addresses[]"), "object");

    let object = process::run(&["events", "user.created", "--json"]).objects().remove(0);
    let fields = object["fields"].as_array().unwrap();
    let id = fields.iter().find(|field| field["path"] == "data.id").unwrap();
    assert_eq!(
        (&id["required"], &id["nullable"], &id["types"][0]),
        (&true.into(), &false.into(), &"string".into())
    );
    assert_eq!(object["example"]["type"], "user.created");
}

#[test]
fn prints_an_example_on_one_line() {
    for fixture in AnyFixture::all() {
        let run = run(&["events", fixture.name(), "--example"]);
        assert_eq!(run.code, 0);
        assert_eq!(run.stdout.strip_suffix('\n').unwrap().as_bytes(), &fixture.body()[..]);
    }
    let all = run(&["events", "*", "--example"]).stdout;
    assert_eq!(all.lines().count(), EventType::ALL.len());
    assert!(all.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
}

#[test]
fn suggests_a_similar_name_for_an_unknown_one() {
    for (written, expected) in [
        ("user.create\u{1b}", "did you mean user.created"),
        ("subscription.past_due", "did you mean subscription.pastDue"),
        ("user.created__sam", "user.created__saml"),
    ] {
        let run = run(&["events", written]);
        assert_eq!(run.code, 2);
        assert!(run.stderr.contains(expected) && !run.stderr.contains('\u{1b}'), "{}", run.stderr);
    }
}
