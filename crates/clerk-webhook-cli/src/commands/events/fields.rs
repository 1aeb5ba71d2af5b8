//! The fields of an event.

use std::collections::BTreeMap;

use clerk_webhook_core::{Event, EventData, Timestamp};
use clerk_webhook_test::fixture::AnyFixture;
use serde::Serialize;
use serde_json::Value;

/// A field of an event.
#[derive(Debug, Serialize)]
pub(super) struct Field {
    /// The path in the syntax of `trigger --set`, with `[]` for any element of an array.
    pub(super) path: String,
    /// The JSON types of its values in the examples.
    pub(super) types: Vec<&'static str>,
    /// Whether the event fails to decode as its type without this field.
    pub(super) required: bool,
    /// Whether an event decodes if this field is null.
    pub(super) nullable: bool,
}

/// Collects the fields of all examples with the same payload type.
///
/// To find out whether a field is required, it decodes the example without the field.
pub(super) fn of(fixture: AnyFixture) -> Vec<Field> {
    let payload = |fixture: AnyFixture| fixture.event_type().payload_name();
    let same = |other: &AnyFixture| payload(*other) == payload(fixture);
    let mut found: BTreeMap<String, Field> = BTreeMap::new();
    for example in AnyFixture::all().filter(same) {
        let whole = example.json();
        let mut places = Vec::new();
        walk(&whole, "", "", &mut places);
        for (path, pointer) in places {
            let field = found.entry(path.clone()).or_insert_with(|| Field {
                path,
                types: Vec::new(),
                required: without(&whole, &pointer).is_some_and(|event| !is_understood(&event)),
                nullable: is_understood(&with_null(&whole, &pointer)),
            });
            if let Some(kind) = whole.pointer(&pointer).and_then(kind)
                && !field.types.contains(&kind)
            {
                field.types.push(kind);
            }
        }
    }
    found.into_values().collect()
}

/// Lists all members and elements of a value, as paths and as JSON Pointers.
fn walk(value: &Value, path: &str, pointer: &str, places: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                places.push((path.clone(), pointer.clone()));
                // The application defines the contents of metadata.
                if !name.ends_with("metadata") {
                    walk(member, &path, &pointer, places);
                }
            }
        }
        Value::Array(elements) => {
            let path = format!("{path}[]");
            for (index, element) in elements.iter().enumerate() {
                let pointer = format!("{pointer}/{index}");
                places.push((path.clone(), pointer.clone()));
                walk(element, &path, &pointer, places);
            }
        }
        _ => {}
    }
}

fn kind(value: &Value) -> Option<&'static str> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    })
}

/// Returns the event without a member. Returns `None` for an element of an array, which is never required.
fn without(whole: &Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let mut event = whole.clone();
    event.pointer_mut(parent)?.as_object_mut()?.remove(&name.replace("~1", "/").replace("~0", "~"))?;
    Some(event)
}

fn with_null(whole: &Value, pointer: &str) -> Value {
    let mut event = whole.clone();
    if let Some(place) = event.pointer_mut(pointer) {
        *place = Value::Null;
    }
    event
}

/// Returns whether the event decodes into a known type.
fn is_understood(event: &Value) -> bool {
    let Ok(id) = "msg_1".parse() else { return false };
    Event::from_trusted(id, Timestamp::from_secs(0), event.to_string().into())
        .is_ok_and(|event| !matches!(event.data(), EventData::Unrecognized(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(fixture: &str, path: &str) -> Field {
        let fields = of(AnyFixture::named(fixture).unwrap());
        fields.into_iter().find(|field| field.path == path).unwrap()
    }

    #[test]
    fn reports_required_and_nullable_fields() {
        for (path, required, nullable) in [
            ("type", true, false),
            ("data", true, false),
            ("data.id", true, false),
            ("data.first_name", false, true),
            ("timestamp", false, true),
            ("data.email_addresses[]", false, false),
        ] {
            let field = field("user.created", path);
            assert_eq!((field.required, field.nullable), (required, nullable), "{path}");
        }
    }

    #[test]
    fn collects_types_from_all_examples_of_the_payload() {
        assert_eq!(field("user.created", "data.phone_numbers[].phone_number").types, ["string"]);
        assert_eq!(field("user.created", "data.last_sign_in_at").types, ["integer"]);
        assert_eq!(field("user.created", "data.public_metadata").types, ["object"]);
    }

    #[test]
    fn skips_the_members_of_metadata() {
        let fields = of(AnyFixture::named("organization.created").unwrap());
        assert!(fields.iter().all(|field| !field.path.contains("metadata.")), "{fields:?}");
    }
}
