//! The contents of an event, which do not depend on the way it was decoded.

use bytes::Bytes;
use clerk_webhook_core::event::marker::{UserCreated, UserDeleted};
use clerk_webhook_core::event::{DecodeError, EventErrorKind, UnrecognizedReason};
use clerk_webhook_core::{Event, EventData, EventType, Timestamp, Verifier};
use clerk_webhook_tests::{SECRET, fixture, fixtures, message_id, sign};
use serde_json::Value;

fn event(body: impl Into<Bytes>) -> Event {
    Event::from_trusted(message_id(), Timestamp::from_secs(1_700_000_000), body.into()).unwrap()
}

fn rejection(body: &'static [u8]) -> (EventErrorKind, String) {
    let error = Event::from_trusted(message_id(), Timestamp::now(), body.into()).unwrap_err();
    (error.kind(), error.to_string())
}

#[test]
fn reads_the_envelope() {
    let body = r#"{"data":{"id":"user_1"},"event_attributes":{"http_request":{"client_ip":"192.0.2.1",
        "user_agent":""}},"instance_id":"ins_1","object":"event","timestamp":1716883200123,"type":"user.created"}"#;
    let event = event(body);
    assert_eq!(event.message_id(), &message_id());
    assert_eq!(event.event_type(), &EventType::UserCreated);
    assert_eq!(event.occurred_at(), Some(Timestamp::from_millis(1_716_883_200_123)));
    assert_eq!(event.attempted_at(), Timestamp::from_secs(1_700_000_000));
    assert_eq!(event.instance_id(), Some("ins_1"));
    let request = event.http_request().unwrap();
    assert_eq!((request.client_ip.as_deref(), request.user_agent.as_deref()), (Some("192.0.2.1"), None));
    assert_eq!(event.raw_data(), r#"{"id":"user_1"}"#);
    assert_eq!(event.secret_index(), None);
}

#[test]
fn reads_envelope_times_in_seconds() {
    assert_eq!(
        event(r#"{"data":{},"timestamp":1716883200,"type":"x"}"#).occurred_at(),
        Some(Timestamp::from_secs(1_716_883_200)),
    );
    assert_eq!(event(r#"{"data":{},"type":"x"}"#).occurred_at(), None);
}

#[test]
fn ignores_an_instance_id_that_is_not_a_string() {
    for (instance, expected) in
        [("\"ins\\u005f1\"", Some("ins_1")), ("7", None), ("null", None), ("{}", None)]
    {
        let body = format!(r#"{{"data":{{}},"instance_id":{instance},"type":"x"}}"#);
        assert_eq!(event(body).instance_id(), expected, "{instance}");
    }
}

#[test]
fn accepts_any_order_of_keys_and_any_whitespace() {
    for body in [
        r#"{"type":"user.created","data":{"id":"user_1"}}"#,
        r#"{"data":{"id":"user_1"},"type":"user.created"}"#,
        "\n{ \"data\" : {\"id\":\"user_1\"} , \"type\" : \"user.created\" }\r\n",
        r#"{"data":{"id":"user_1"},"type":"user\u002ecreated"}"#,
    ] {
        assert!(matches!(event(body).data(), EventData::UserCreated(user) if user.id == "user_1"), "{body}");
    }
}

#[test]
fn eager_and_lazy_decoding_return_the_same_event() {
    let verifier = Verifier::new(SECRET).unwrap();
    for (name, body) in fixtures() {
        let receive = || verifier.receive(&sign(&body).to_pairs(), body.clone().into()).unwrap();
        let lazy = receive();
        assert!(!matches!(lazy.data(), EventData::Unrecognized(_)), "{name}");
        let eager = receive();
        assert_eq!(eager.data(), lazy.data(), "{name}");
        assert_eq!(eager.raw_data(), lazy.raw_data(), "{name}");
        assert_eq!(eager.data_as::<Value>().unwrap(), lazy.data_as::<Value>().unwrap(), "{name}");
        assert_eq!(eager.occurred_at(), lazy.occurred_at(), "{name}");
        assert_eq!(eager.instance_id(), lazy.instance_id(), "{name}");
        assert_eq!(eager.http_request(), lazy.http_request(), "{name}");
        assert_eq!(eager.clone().into_data(), lazy.into_data(), "{name}");
    }
}

#[test]
fn eager_and_lazy_decoding_report_the_same_errors() {
    let verifier = Verifier::new(SECRET).unwrap();
    let receive =
        |body: &str| verifier.receive(&sign(body.as_bytes()).to_pairs(), Bytes::from(body.to_owned()));
    let undecodable = r#"{"data":{"id":7},"type":"user.created"}"#;
    let not_json = r#"{"data":{"id":"user_1"},,"type":"user.created"}"#;
    for round in 0..3 {
        let event = receive(undecodable).unwrap();
        assert!(matches!(event.data(), EventData::Unrecognized(_)), "round {round}");
        assert_eq!(event.raw_data(), r#"{"id":7}"#);
        assert!(receive(not_json).is_err(), "round {round}");
        assert!(matches!(
            receive(r#"{"data":{"id":"u"},"type":"user.created"}"#).unwrap().data(),
            EventData::UserCreated(_)
        ));
    }
}

#[test]
fn unrecognized_data_has_a_reason() {
    let unknown = event(r#"{"data":{"a":1.0},"type":"user.banned"}"#);
    let EventData::Unrecognized(data) = unknown.data() else { panic!("{unknown:?}") };
    assert_eq!(data.reason(), &UnrecognizedReason::UnknownType);
    assert_eq!(data.event_type(), "user.banned");
    assert_eq!(data.as_json(), r#"{"a":1.0}"#);
    assert_eq!(data.data_as::<Value>().unwrap()["a"], 1.0);
    assert_eq!(data.reason().to_string(), "the event type is unknown to this version");
    assert_eq!(unknown.data(), event(r#"{"type":"user.banned","data":{"a":1.0}}"#).data());
    assert_ne!(unknown.data(), event(r#"{"data":{"a":1.5},"type":"user.banned"}"#).data());
    assert_ne!(unknown.data(), event(r#"{"data":{"a":1.0},"type":"user.unbanned"}"#).data());

    let unexpected =
        event(r#"{"data":{"id":"user_1","email_addresses":[{"email_address":42}]},"type":"user.updated"}"#);
    let EventData::Unrecognized(data) = unexpected.data() else { panic!("{unexpected:?}") };
    let UnrecognizedReason::Undecodable(error) = data.reason() else { panic!("{data:?}") };
    assert_eq!(DecodeError::path(error), "data.email_addresses[0].email_address");
    assert_eq!(error.to_string(), "data.email_addresses[0].email_address: expected a string");
    assert_eq!(data.reason().to_string(), error.to_string());

    // An array must not be decoded as an object with its fields in order, by neither way of decoding.
    let verifier = Verifier::new(SECRET).unwrap();
    for data in ["null", "[]", r#"["user_1","user","slug",true,"x"]"#, "\"user_1\"", "7"] {
        let body = format!(r#"{{"data":{data},"type":"user.deleted"}}"#);
        for _ in 0..2 {
            let event = verifier.receive(&sign(body.as_bytes()).to_pairs(), body.clone().into()).unwrap();
            assert!(matches!(event.data(), EventData::Unrecognized(_)), "{data}");
        }
    }
}

#[test]
fn a_marker_selects_the_typed_payload() {
    let created = event(fixture("user.created"));
    assert!(created.payload(UserCreated).is_some_and(|user| user.primary_email_address().is_some()));
    assert!(created.payload(UserDeleted).is_none());
}

#[test]
fn keeps_the_received_bytes() {
    let body = r#"{ "data":{"b":1.0,"a":"\/","a":2,"n":12345678901234567890}, "type":"x" }"#;
    let event = event(body);
    assert_eq!(event.raw_body(), body);
    assert_eq!(event.raw_data(), r#"{"b":1.0,"a":"\/","a":2,"n":12345678901234567890}"#);
}

#[test]
fn distinguishes_invalid_json_from_other_json() {
    for body in [
        &b""[..],
        b" ",
        b"hello",
        b"{",
        b"{\"type\":\"x\",\"data\":{}",
        b"{\"type\":\"x\",\"data\":{}} x",
        b"{\"data\":{}} x",
        b"{\"type\":\"\xff\",\"data\":{}}",
        b"\xef\xbb\xbf{\"type\":\"x\",\"data\":{}}",
        b"\0\0",
    ] {
        let text = "the body is not JSON in UTF-8: check whether a transformation on the endpoint changes it";
        assert_eq!(rejection(body), (EventErrorKind::InvalidJson, text.to_owned()), "{body:?}");
    }
    // A transformation can put the event into another object.
    let wrapped = &b"{\"event\":{\"data\":{},\"type\":\"user.created\"}}"[..];
    for body in [&b"[1,2]"[..], b"null", b"1", b"\"x\"", b"{}", b"{\"type\":1,\"data\":{}}", wrapped] {
        let text = "the body is JSON, but not an object whose `type` is a string: check whether a transformation of the \
                    endpoint changes it";
        assert_eq!(rejection(body), (EventErrorKind::InvalidEvent, text.to_owned()), "{body:?}");
    }
}

#[test]
fn an_object_without_data_is_an_unrecognized_event() {
    for event_type in ["", "x"] {
        let event = event(format!(r#"{{"type":"{event_type}"}}"#));
        assert_eq!((event.event_type().as_str(), event.raw_data()), (event_type, "null"));
        assert!(matches!(event.data(), EventData::Unrecognized(_)));
    }
    let without_data = event(r#"{"type":"user.created"}"#);
    let EventData::Unrecognized(data) = without_data.data() else { panic!("{without_data:?}") };
    assert!(matches!(data.reason(), UnrecognizedReason::Undecodable(_)));
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let deep = format!("{{\"data\":{}{},\"type\":\"x\"}}", "[".repeat(500_000), "]".repeat(500_000));
    let event = event(deep);
    assert!(matches!(event.data(), EventData::Unrecognized(_)));
    assert!(event.data_as::<Value>().is_err());
}

#[test]
fn clones_share_their_data() {
    let event = event(fixture("user.created"));
    let clone = event.clone();
    assert!(std::ptr::eq(event.data(), clone.data()));
}
