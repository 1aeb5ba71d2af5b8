//! Bodies in which one field is missing.

use serde_json::Value;

/// What has happened to a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The field is absent.
    Absent,
    /// The field is `null`.
    Null,
}

/// The body of an event in which one field of the data is missing.
#[derive(Debug)]
pub struct Mutation {
    /// The path to the field, such as `data.email_addresses[0].id`.
    pub path: String,
    /// What has happened to the field.
    pub missing: Missing,
    /// The body.
    pub body: Vec<u8>,
}

/// Returns all bodies in which one field of the data is absent or `null`, at any depth.
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
        *null.pointer_mut(&pointer).expect("the place was found") = Value::Null;
        let mut absent = event.clone();
        let (parent, name) = pointer.rsplit_once('/').expect("it begins with a slash");
        let parent = absent.pointer_mut(parent).expect("the place was found");
        if let Some(members) = parent.as_object_mut() {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
            for (missing, event) in [(Missing::Absent, absent), (Missing::Null, null)] {
                mutations.push(Mutation { path: path.clone(), missing, body: event.to_string().into() });
            }
        }
    }
    mutations
}

/// Collects the paths and JSON pointers of everything inside of a value.
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
