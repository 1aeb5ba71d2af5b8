//! The envelope of an event: the members of the body other than `data`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::data::{EventData, TypedData};
use super::event_type::EventType;
use crate::timestamp::Timestamp;

const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// The envelope of an event.
///
/// All members except `type` are optional, so that an event is not rejected if Clerk adds or removes members. A
/// member with an unexpected value is treated as missing. Without a `type` that is a string, the body is not an
/// event: a transformation may have put the event into another object, and an acknowledgment would lose it.
pub(super) struct Envelope<'a, D> {
    pub(super) event_type: EventType,
    pub(super) data: Option<D>,
    pub(super) occurred_at: Option<Timestamp>,
    pub(super) instance_id: Option<&'a RawValue>,
    pub(super) attributes: Option<&'a RawValue>,
}

impl<'a, D> Envelope<'a, D> {
    pub(super) fn without_data(self) -> Envelope<'a, ()> {
        let Self { event_type, occurred_at, instance_id, attributes, .. } = self;
        Envelope { event_type, data: None, occurred_at, instance_id, attributes }
    }
}

impl<'a> Envelope<'a, &'a RawValue> {
    /// Reads the envelope without decoding the data.
    pub(super) fn read(body: &'a str) -> serde_json::Result<Self> {
        read(body, PhantomData)
    }
}

impl<'a> Envelope<'a, Box<EventData>> {
    /// Reads the envelope and the data in one pass if the type is at the end of the body.
    ///
    /// Returns `None` if the body must be read in two passes: if the type is not at the end, is unknown or is
    /// not wanted, or if reading fails.
    pub(super) fn read_typed(body: &'a str, wanted: impl Fn(&EventType) -> bool) -> Option<Self> {
        let event_type = EventType::from(type_at_tail(body)?);
        if !wanted(&event_type) {
            return None;
        }
        let envelope = read(body, TypedData(&event_type)).ok()?;
        (envelope.event_type == event_type && envelope.data.is_some()).then_some(envelope)
    }
}

fn read<'a, S>(body: &'a str, data: S) -> serde_json::Result<Envelope<'a, S::Value>>
where
    S: DeserializeSeed<'a> + Copy,
{
    let mut deserializer = serde_json::Deserializer::from_str(body);
    let envelope = deserializer.deserialize_map(EnvelopeVisitor(data))?;
    deserializer.end()?;
    envelope.ok_or_else(|| serde_json::Error::missing_field("type"))
}

/// Returns the type if the body ends with `"type":"…"}`.
///
/// Clerk's bodies end like this, because Clerk sorts keys alphabetically. In valid JSON, this ending can only
/// be the last member of the outermost object. It cannot be inside a string: none of its quotation marks
/// follows a backslash, so each of them starts or ends a string.
fn type_at_tail(body: &str) -> Option<&str> {
    let rest = body.trim_end_matches(WHITE_SPACE).strip_suffix('}')?;
    let rest = rest.trim_end_matches(WHITE_SPACE).strip_suffix('"')?;
    let (rest, event_type) = rest.rsplit_once('"')?;
    let rest = rest.trim_end_matches(WHITE_SPACE).strip_suffix(':')?;
    let rest = rest.trim_end_matches(WHITE_SPACE).strip_suffix("\"type\"")?;
    let before = rest.trim_end_matches(WHITE_SPACE);
    (before.ends_with([',', '{']) && !event_type.contains('\\')).then_some(event_type)
}

/// Reads the members of the envelope. If a member is repeated, the last one wins, as in JavaScript and Go.
struct EnvelopeVisitor<S>(S);

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for EnvelopeVisitor<S> {
    /// `None` if the type is missing.
    type Value = Option<Envelope<'de, S::Value>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut event_type = None;
        let mut data = None;
        let mut occurred_at = None;
        let mut instance_id = None;
        let mut attributes = None;
        while let Some(member) = map.next_key()? {
            match member {
                Member::Type => event_type = Some(map.next_value::<EventType>()?),
                Member::Data => data = Some(map.next_value_seed(self.0)?),
                Member::Timestamp => occurred_at = read_timestamp(map.next_value()?),
                Member::InstanceId => {
                    instance_id = serde_json::from_str(map.next_value::<&RawValue>()?.get()).ok()
                }
                Member::EventAttributes => attributes = Some(map.next_value::<&RawValue>()?),
                Member::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(event_type.map(|event_type| Envelope { event_type, data, occurred_at, instance_id, attributes }))
    }
}

/// Reads milliseconds, or seconds if the number is too small for milliseconds.
fn read_timestamp(raw: &RawValue) -> Option<Timestamp> {
    let number: Timestamp = serde_json::from_str(raw.get()).ok()?;
    Some(Timestamp::from_secs_or_millis(number.as_millis()))
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Member {
    Type,
    Data,
    Timestamp,
    InstanceId,
    EventAttributes,
    #[serde(other)]
    Other,
}

/// The request to Clerk that caused an event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HttpRequest {
    /// The IPv4 or IPv6 address of the client.
    pub client_ip: Option<String>,
    /// The browser, application or backend library that sent the request.
    pub user_agent: Option<String>,
}

impl HttpRequest {
    /// Reads `event_attributes`, in which an empty string means a missing value.
    pub(super) fn from_attributes(json: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Attributes {
            http_request: Option<HttpRequest>,
        }

        let request = serde_json::from_str::<Attributes>(json).ok()?.http_request?;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Some(Self { client_ip: given(request.client_ip), user_agent: given(request.user_agent) })
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(super::open_enum::FromStrVisitor::<Self>::new())
    }
}

impl Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_type_at_the_end_only_if_it_is_unambiguous() {
        for body in [
            r#"{"data":{},"type":"user.created"}"#,
            "{ \"data\": {},\n \"type\" : \"user.created\" }\n",
            r#"{"type":"user.created"}"#,
        ] {
            assert_eq!(type_at_tail(body), Some("user.created"), "{body}");
        }
        for body in [
            r#"{"type":"user.created","data":{}}"#,
            r#"{"data":{},"subtype":"user.created"}"#,
            r#"{"data":{"x":"\"type\":\"user.created"}"#,
            r#"{"data":{},"x\",\"type":"user.created"}"#,
            r#"{"data":{},"type":"user\u002ecreated"}"#,
            r#"{"data":{},"type":"user\"created"}"#,
            r#"{"data":{},"x":"\\"type":"user.created"}"#,
            "type\":\"user.created\"}",
            "",
            "}",
            "\"}",
        ] {
            assert_eq!(type_at_tail(body), None, "{body}");
        }
    }

    #[test]
    fn ignores_a_nested_type_at_the_end() {
        let body = r#"{"type":"user.deleted","data":{"deleted":true,"type":"user.created"}}"#;
        assert_eq!(type_at_tail(body), None);
        assert_eq!(Envelope::read(body).unwrap().event_type, EventType::UserDeleted);

        // If the type is repeated, the last one wins, which is the one at the end of the body.
        let body = r#"{"type":"user.deleted","data":{"id":"user_1"},"type":"user.created"}"#;
        assert_eq!(Envelope::read(body).unwrap().event_type, EventType::UserCreated);
        assert!(matches!(
            Envelope::read_typed(body, |_| true).unwrap().data.as_deref(),
            Some(EventData::UserCreated(_))
        ));
    }

    #[test]
    fn accepts_only_an_object_whose_type_is_a_string() {
        let wrapped = r#"{"payload":{"data":{},"type":"user.created"}}"#;
        for body in [r#"{"data":1,"type":2}"#, r#"{"data":1,"type":null}"#, wrapped, "{}", "[]", "null", "1"]
        {
            assert!(Envelope::read(body).is_err(), "{body}");
        }
        let body =
            r#"{"data":null,"timestamp":"soon","instance_id":7,"event_attributes":[],"object":0,"type":"x"}"#;
        let envelope = Envelope::read(body).unwrap();
        assert_eq!(envelope.occurred_at, None);
        assert_eq!(HttpRequest::from_attributes(envelope.attributes.unwrap().get()), None);

        let envelope = Envelope::read(r#"{"type":""}"#).unwrap();
        assert_eq!((envelope.event_type.as_str(), envelope.data.is_none()), ("", true));
        assert!(Envelope::read_typed(r#"{"type":"user.created"}"#, |_| true).is_none());
    }

    #[test]
    fn decodes_empty_request_attributes_as_none() {
        let request = HttpRequest::from_attributes(r#"{"http_request":{"client_ip":"","user_agent":"x"}}"#);
        assert_eq!(request.unwrap(), HttpRequest { client_ip: None, user_agent: Some("x".into()) });
    }
}
