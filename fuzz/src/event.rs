//! Target `event`: parses any body, with `serde_json::Value` as an independent parser.

use std::fmt;
use std::str;
use std::sync::LazyLock;

use bytes::Bytes;
use clerk_webhook_core::event::{EventErrorKind, UnrecognizedReason};
use clerk_webhook_core::{Event, EventData, EventType, ReceiveError, ReceiveErrorKind, Timestamp, Verifier};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::script;

/// A verifier that has already decoded every known type, so that it decodes in one pass.
static WARMED: LazyLock<Verifier> = LazyLock::new(|| {
    let verifier = script::receiver().build().expect("the verifier has a secret");
    for event_type in EventType::ALL {
        let body = format!(r#"{{"data":{{}},"type":"{event_type}"}}"#).into();
        let _ = receive(&verifier, &body).expect("the body is an event").data();
    }
    verifier
});

/// Parses an event in two passes and in one pass, and compares both with the independent parser.
pub fn check(input: &[u8]) -> &'static str {
    let body = Bytes::copy_from_slice(input);
    let in_one_pass = receive(&WARMED, &body);
    let in_two_passes = receive(&script::receiver().build().expect("the verifier has a secret"), &body);
    assert_same(&in_one_pass, &in_two_passes);
    let trusted = Event::from_trusted(script::message_id(), script::now(), body.clone());
    assert_eq!(
        trusted.as_ref().map_err(|error| ReceiveErrorKind::Event(error.kind())).map(Event::event_type),
        in_one_pass.as_ref().map_err(ReceiveError::kind).map(Event::event_type),
    );

    let event = trusted.ok();
    match Members::read(&body) {
        Ok(members) => {
            let event = event.expect("the independent parser accepts the event");
            check_envelope(&event, &members);
            check_data(&event, &members.last("data").cloned().unwrap_or_default())
        }
        Err(Flaw::Json) => {
            // The product checks skipped values less strictly: numbers, depth, unpaired surrogates.
            let is_loose =
                str::from_utf8(&body).is_ok_and(|text| serde_json::from_str::<&RawValue>(text).is_ok());
            let Some(event) = event else { return "rejected" };
            assert!(is_loose, "a body that is not even loosely JSON was accepted");
            assert_eq!(event.data_as::<Value>().ok(), serde_json::from_str(event.raw_data()).ok());
            let _ = event.data();
            "loose"
        }
        Err(Flaw::Event) => {
            let kind = in_one_pass.expect_err("the independent parser rejects the event").kind();
            assert_eq!(kind, ReceiveErrorKind::Event(EventErrorKind::InvalidEvent));
            "no_event"
        }
    }
}

fn receive(verifier: &Verifier, body: &Bytes) -> Result<Event, ReceiveError> {
    let headers = script::secret().sign(&script::message_id(), script::now(), body).to_pairs();
    verifier.receive(&headers, body.clone())
}

/// Asserts that two events are equal in every method, or that two errors have the same kind.
fn assert_same(left: &Result<Event, ReceiveError>, right: &Result<Event, ReceiveError>) {
    script::assert_same(left, right);
    let (Ok(left), Ok(right)) = (left, right) else { return };
    assert_eq!(left.occurred_at(), right.occurred_at());
    assert_eq!(left.instance_id(), right.instance_id());
    assert_eq!(left.http_request(), right.http_request());
    // The debug output includes the reason why data is not recognized.
    assert_eq!(format!("{:?}", left.data()), format!("{:?}", right.data()));
    assert_eq!(left.data(), right.data());
    assert_eq!(left.raw_data(), right.raw_data());
    assert_eq!(left.clone().into_data(), *right.data());
}

fn check_envelope(event: &Event, members: &Members) {
    let event_type = members.last("type").and_then(Value::as_str).unwrap_or_default();
    assert_eq!(event.event_type().as_str(), event_type);
    assert_eq!(event.instance_id(), members.last("instance_id").and_then(Value::as_str));
    assert_eq!(event.occurred_at(), members.last("timestamp").and_then(read_timestamp));

    let data = members.last("data").cloned().unwrap_or_default();
    assert_eq!(event.data_as::<Value>().ok(), Some(data.clone()));
    assert_eq!(serde_json::from_str::<Value>(event.raw_data()).ok(), Some(data));

    // Excludes objects with repeated members, and arrays instead of objects.
    let attributes = members.last("event_attributes").cloned().unwrap_or_default();
    let request = event.http_request();
    if let Some(request) = request.filter(|_| attributes["http_request"].is_object()) {
        let text = |name| attributes["http_request"][name].as_str().filter(|text| !text.is_empty());
        assert_eq!(request.client_ip.as_deref(), text("client_ip"));
        assert_eq!(request.user_agent.as_deref(), text("user_agent"));
    }
    if attributes.is_null() {
        assert_eq!(request, None);
    }
    let shown = format!(
        "Event {{ id: {:?}, event_type: {:?}, attempted_at: {:?}, occurred_at: {:?}, .. }}",
        event.message_id(),
        event.event_type(),
        event.attempted_at(),
        event.occurred_at(),
    );
    assert_eq!(format!("{event:?}"), shown, "Debug must show only these fields");
}

/// Reads integer milliseconds. A number below 10¹¹ is read as seconds.
fn read_timestamp(value: &Value) -> Option<Timestamp> {
    let number = value.as_i64().or_else(|| {
        let float = value.as_f64().filter(|_| !value.is_u64())?;
        (float == float.trunc() && float.abs() < 9e15).then_some(float as i64)
    })?;
    Some(Timestamp::from_millis(if number < 100_000_000_000 { number.saturating_mul(1000) } else { number }))
}

fn check_data(event: &Event, sent: &Value) -> &'static str {
    let data = event.data();
    // `into_data` of a shared and of an unshared event.
    assert_eq!(event.clone().into_data(), *data);
    assert_eq!(with_data(event, sent.clone()).into_data(), *with_data(event, sent.clone()).data());
    let shown = format!("{data:?}");
    let EventData::Unrecognized(unrecognized) = data else {
        // `EventType` and `EventData` have the same variant names.
        assert!(shown.starts_with(&format!("{:?}(", event.event_type())), "{shown}");
        compare(&written(data), sent, "data");
        check_redaction(event, sent);
        return "typed";
    };
    assert_eq!(unrecognized.event_type(), event.event_type());
    assert_eq!(unrecognized.as_json(), event.raw_data());
    match unrecognized.reason() {
        UnrecognizedReason::UnknownType => {
            assert!(!event.event_type().is_known());
            "unknown_type"
        }
        UnrecognizedReason::Undecodable(error) => {
            assert!(event.event_type().is_known());
            // A reason contains the path to the mismatch, never the value.
            let masked = with_data(event, mask(sent, true, false));
            if let EventData::Unrecognized(masked) = masked.data() {
                let expected = with_data(event, sent.clone());
                let EventData::Unrecognized(expected) = expected.data() else { return "undecodable" };
                assert_eq!(masked.reason(), expected.reason());
            }
            assert!(error.path().starts_with("data"));
            "undecodable"
        }
        other => panic!("unknown variant {other:?}; add it here"),
    }
}

/// Asserts that `Debug` output does not change if all confidential values change.
fn check_redaction(event: &Event, sent: &Value) {
    let (plain, masked) = (with_data(event, sent.clone()), with_data(event, mask(sent, false, false)));
    let shown = |event: &Event| format!("{:?}{:#?}", event.data(), event.data());
    assert_eq!(shown(&plain), shown(&masked));
}

/// Returns the event with different data.
fn with_data(event: &Event, data: Value) -> Event {
    let body = serde_json::json!({ "data": data, "type": event.event_type().as_str() });
    let body = Bytes::from(body.to_string());
    Event::from_trusted(event.message_id().clone(), event.attempted_at(), body).expect("the body is an event")
}

/// Replaces letters and digits in strings with `x`, in all strings or only in confidential ones.
fn mask(value: &Value, is_confidential: bool, is_error: bool) -> Value {
    match value {
        Value::String(text) if is_confidential => {
            text.replace(|character: char| character.is_ascii_alphanumeric(), "x").into()
        }
        Value::Array(values) => values.iter().map(|value| mask(value, is_confidential, is_error)).collect(),
        Value::Object(members) => {
            let masked = members.iter().map(|(name, value)| {
                let is_confidential = is_confidential
                    || match name.as_str() {
                        // The variables of an email or SMS, not the field of the same name in an invitation.
                        "data" => members.contains_key("delivered_by_clerk"),
                        // The text of an email or SMS, not the message of an error.
                        "message" => !is_error,
                        name => CONFIDENTIAL.contains(&name),
                    };
                (name.clone(), mask(value, is_confidential, name == "error"))
            });
            Value::Object(masked.collect())
        }
        other => other.clone(),
    }
}

/// The members that are `Sensitive` or `Metadata` in every object.
const CONFIDENTIAL: [&str; 12] = [
    "actor",
    "backup_codes",
    "body",
    "body_plain",
    "external_verification_redirect_url",
    "meta",
    "nonce",
    "private_metadata",
    "public_metadata",
    "subject",
    "unsafe_metadata",
    "url",
];

/// Compares serialized typed data with the data that was sent.
fn compare(written: &Value, sent: &Value, path: &str) {
    match (written, sent) {
        (Value::Object(written), Value::Object(sent)) => {
            for (name, written) in written {
                let path = format!("{path}.{name}");
                match sent.get(name) {
                    // If both spellings exist, the result depends on which one the product reads.
                    _ if has_other_spelling(name, sent) => {}
                    // Null means the default of `deleted`, which is true.
                    Some(Value::Null) if name == "deleted" => {}
                    Some(sent) => compare(written, sent, &path),
                    None => assert!(is_empty(written) || name == "deleted", "{path}: {written}"),
                }
            }
        }
        (Value::Array(written), Value::Array(sent)) if written == sent => {}
        (Value::Array(written), Value::Array(sent)) => {
            // The product skips memberships without an id.
            let is_membership = path.ends_with(".organization_memberships");
            let is_kept = |sent: &&Value| !is_membership || !(sent.is_null() || has_no_id(sent));
            let sent: Vec<_> = sent.iter().filter(is_kept).collect();
            assert_eq!(written.len(), sent.len(), "{path}");
            written.iter().zip(sent).for_each(|(written, sent)| compare(written, sent, path));
        }
        // A nested object without an id becomes `None`.
        (Value::Null, Value::Object(_)) if has_no_id(sent) => {}
        // In nested data, serde also accepts an array of the values instead of an object.
        (Value::Object(_), Value::Array(_)) => {}
        (Value::Number(written), Value::Number(sent)) => {
            assert_eq!(written.as_f64(), sent.as_f64(), "{path}");
        }
        _ => assert!(
            written == sent || (is_empty(written) && is_empty(sent)),
            "{path}: serialized {written}, sent {sent}"
        ),
    }
}

/// Returns whether an object has no usable id.
fn has_no_id(object: &Value) -> bool {
    object.is_object() && object.get("id").is_none_or(is_empty)
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn has_other_spelling(name: &str, sent: &serde_json::Map<String, Value>) -> bool {
    match name {
        "created_at" => sent.contains_key("created_at_ms"),
        "expire_at" => sent.contains_key("expires_at"),
        _ => false,
    }
}

/// Serializes typed data as JSON.
fn written(data: &EventData) -> Value {
    macro_rules! written {
        ($($variant:ident)+) => {
            match data {
                $(EventData::$variant(payload) => serde_json::to_value(payload).expect("the payload can be serialized"),)+
                other => panic!("unknown variant {other:?}; add it here"),
            }
        };
    }
    written! {
        EmailCreated OrganizationCreated OrganizationDeleted OrganizationUpdated OrganizationDomainCreated
        OrganizationDomainDeleted OrganizationDomainUpdated OrganizationInvitationAccepted
        OrganizationInvitationCreated OrganizationInvitationRevoked OrganizationMembershipCreated
        OrganizationMembershipDeleted OrganizationMembershipUpdated PaymentAttemptCreated
        PaymentAttemptUpdated PermissionCreated PermissionDeleted PermissionUpdated RoleCreated RoleDeleted
        RoleUpdated SessionCreated SessionEnded SessionPending SessionRemoved SessionRevoked SmsCreated
        SubscriptionActive SubscriptionCreated SubscriptionPastDue SubscriptionUpdated
        SubscriptionItemAbandoned SubscriptionItemActive SubscriptionItemCanceled SubscriptionItemCreated
        SubscriptionItemEnded SubscriptionItemFreeTrialEnding SubscriptionItemIncomplete
        SubscriptionItemPastDue SubscriptionItemUpcoming SubscriptionItemUpdated UserCreated UserDeleted
        UserUpdated WaitlistEntryCreated WaitlistEntryUpdated
    }
}

/// The flaw of a body.
enum Flaw {
    Json,
    Event,
}

/// The members of an envelope in order, including repeated ones.
struct Members(Vec<(String, Value)>);

impl Members {
    /// Parses an object. It must have a `type`, and all its `type` members must be strings.
    fn read(body: &[u8]) -> Result<Self, Flaw> {
        let value: Value = serde_json::from_slice(body).map_err(|_| Flaw::Json)?;
        if !value.is_object() {
            return Err(Flaw::Event);
        }
        let members: Self = serde_json::from_slice(body).map_err(|_| Flaw::Json)?;
        let mut types = members.0.iter().filter(|(name, _)| name == "type").peekable();
        let is_event = types.peek().is_some() && types.all(|(_, value)| value.is_string());
        if is_event { Ok(members) } else { Err(Flaw::Event) }
    }

    fn last(&self, name: &str) -> Option<&Value> {
        self.0.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
