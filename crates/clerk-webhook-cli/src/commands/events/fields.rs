//! The fields that an event has.

use std::collections::BTreeMap;

use clerk_webhook_core::{Event, EventData, Timestamp};
use clerk_webhook_test::fixture::AnyFixture;
use serde::Serialize;
use serde_json::Value;

/// What is known of a field.
#[derive(Debug, Serialize)]
pub(super) struct Field {
    /// As `trigger --set` takes it, with `[]` for any element of an array.
    pub(super) path: String,
    /// The types of JSON that it has in the examples.
    pub(super) types: Vec<&'static str>,
    /// Whether an event without it does not have the form of its type.
    pub(super) required: bool,
    /// Whether it can be null.
    pub(super) nullable: bool,
}

/// Finds the fields in all examples that have the same payload as this one, and tries out what happens without them.
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

/// Lists the places in a value, as paths and as JSON Pointers.
fn walk(value: &Value, path: &str, pointer: &str, places: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                places.push((path.clone(), pointer.clone()));
                // What is in metadata is the application's own.
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

/// Returns the event without a member; an element of an array is never required.
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

/// Returns whether a receiver gets an event of a type that it knows.
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
    fn what_the_core_demands_is_required() {
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
    fn types_are_those_of_all_examples_of_the_payload() {
        assert_eq!(field("user.created", "data.phone_numbers[].phone_number").types, ["string"]);
        assert_eq!(field("user.created", "data.last_sign_in_at").types, ["integer"]);
        assert_eq!(field("user.created", "data.public_metadata").types, ["object"]);
    }

    #[test]
    fn metadata_is_not_looked_into() {
        let fields = of(AnyFixture::named("organization.created").unwrap());
        assert!(fields.iter().all(|field| !field.path.contains("metadata.")), "{fields:?}");
    }
}
