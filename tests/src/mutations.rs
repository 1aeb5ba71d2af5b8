//! Bodies in which one field is missing.

use serde_json::Value;

/// How a field is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The field is absent.
    Absent,
    /// The field is `null`.
    Null,
}

/// An event body in which one field of the data is missing.
#[derive(Debug)]
pub struct Mutation {
    /// The path to the field, such as `data.email_addresses[0].id`.
    pub path: String,
    /// How the field is missing.
    pub missing: Missing,
    /// The JSON text.
    pub body: Vec<u8>,
}

/// Returns two bodies for each field of the data, at any depth: one without the field, and one with `null`.
///
/// # Panics
///
/// Panics if the body is not JSON.
#[must_use]
pub fn mutations(body: &[u8]) -> Vec<Mutation> {
    let event: Value = serde_json::from_slice(body).expect("the body is JSON");
    let mut places = Vec::new();
    collect(&event["data"], "data", "/data", &mut places);
    let mut mutations = Vec::new();
    for (path, pointer) in places {
        let mut null = event.clone();
        *null.pointer_mut(&pointer).expect("the pointer is valid") = Value::Null;
        let mut absent = event.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("the pointer begins with a slash");
        let parent = absent.pointer_mut(parent).expect("the pointer is valid");
        if let Some(members) = parent.as_object_mut() {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
            for (missing, event) in [(Missing::Absent, absent), (Missing::Null, null)] {
                mutations.push(Mutation { path: path.clone(), missing, body: event.to_string().into() });
            }
        }
    }
    mutations
}

/// Collects the paths and JSON pointers of all values inside a value.
fn collect(value: &Value, path: &str, pointer: &str, into: &mut Vec<(String, String)>) {
    let mut add = |value: &Value, path: String, pointer: String| {
        into.push((path.clone(), pointer.clone()));
        collect(value, &path, &pointer, into);
    };
    match value {
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                add(element, format!("{path}[{index}]"), format!("{pointer}/{index}"));
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                add(member, format!("{path}.{name}"), format!("{pointer}/{escaped}"));
            }
        }
        _ => {}
    }
}
