//! Sets and removes JSON values by JSON Pointer (RFC 6901).

use std::error::Error;
use std::fmt;

use serde_json::Value;

/// The error for a JSON Pointer that cannot be applied to a body.
///
/// The message explains the problem with the pointer and contains no data from the body.
#[derive(Clone, PartialEq, Eq)]
pub struct PointerError(String);

impl PointerError {
    pub(crate) fn not_json() -> Self {
        Self("cannot change the body: it is not JSON".to_owned())
    }
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Prints the same text as `Display`, because a test that returns the error shows only `Debug`.
impl fmt::Debug for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for PointerError {}

/// Sets a value. Its parent object or array must exist.
pub(crate) fn set(root: &mut Value, pointer: &str, value: Value) -> Result<(), PointerError> {
    if pointer.is_empty() {
        *root = value;
        return Ok(());
    }
    let Place { holder, parent, last } = Place::find(root, pointer)?;
    match holder {
        Value::Object(members) => {
            members.insert(last, value);
        }
        Value::Array(elements) if last == "-" => elements.push(value),
        Value::Array(elements) => {
            let index = index(&last, elements.len()).ok_or_else(|| no_element(elements, parent, pointer))?;
            elements[index] = value;
        }
        _ => return Err(not_a_container(parent)),
    }
    Ok(())
}

/// Removes a value, which must exist.
pub(crate) fn remove(root: &mut Value, pointer: &str) -> Result<(), PointerError> {
    let Place { holder, parent, last } = Place::find(root, pointer)?;
    match holder {
        Value::Object(members) => {
            members.remove(&last).ok_or_else(|| PointerError(format!("{pointer} does not exist")))?;
        }
        Value::Array(elements) => {
            let index = index(&last, elements.len()).ok_or_else(|| no_element(elements, parent, pointer))?;
            elements.remove(index);
        }
        _ => return Err(not_a_container(parent)),
    }
    Ok(())
}

/// The place of an object member or array element, which need not exist.
struct Place<'v, 'p> {
    holder: &'v mut Value,
    parent: &'p str,
    last: String,
}

impl<'v, 'p> Place<'v, 'p> {
    fn find(root: &'v mut Value, pointer: &'p str) -> Result<Self, PointerError> {
        let Some((parent, last)) = pointer.rsplit_once('/').filter(|_| pointer.starts_with('/')) else {
            return Err(PointerError(format!(
                "{pointer:?} is not a JSON Pointer: it must begin with a slash, as in /data/first_name"
            )));
        };
        let last = last.replace("~1", "/").replace("~0", "~");
        let holder = root.pointer_mut(parent);
        let holder = holder
            .ok_or_else(|| PointerError(format!("{parent} does not exist, so {pointer} cannot exist")))?;
        Ok(Self { holder, parent, last })
    }
}

/// Parses an element's index: digits without a sign or a leading zero.
fn index(text: &str, length: usize) -> Option<usize> {
    let is_canonical = text == "0" || !text.starts_with(['0', '+']);
    text.parse().ok().filter(|index| is_canonical && *index < length)
}

fn no_element(elements: &[Value], parent: &str, pointer: &str) -> PointerError {
    let (length, of) = (elements.len(), name(parent));
    PointerError(format!("{of} has {length} elements, and {pointer} is not one of them"))
}

fn not_a_container(parent: &str) -> PointerError {
    PointerError(format!("{} is neither an object nor an array", name(parent)))
}

fn name(parent: &str) -> &str {
    if parent.is_empty() { "the body" } else { parent }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn debug_prints_the_text_of_display() {
        let error = set(&mut Value::Null, "no pointer", Value::Null).unwrap_err();
        assert!(error.to_string().contains("no pointer"), "{error}");
        assert_eq!(format!("{error:?}"), error.to_string());
    }

    fn after(change: impl FnOnce(&mut Value) -> Result<(), PointerError>) -> Result<Value, String> {
        let mut value = json!({ "a": { "b/c": 1, "~": 2 }, "list": [0, 1], "text": "x" });
        change(&mut value).map(|()| value).map_err(|error| error.to_string())
    }

    #[test]
    fn sets_members_and_elements() {
        let set = |pointer: &str| after(|value| set(value, pointer, json!(9)));
        assert_eq!(set("").unwrap(), json!(9));
        assert_eq!(set("/a/new").unwrap()["a"]["new"], 9);
        assert_eq!(set("/a/b~1c").unwrap()["a"]["b/c"], 9);
        assert_eq!(set("/a/~0").unwrap()["a"]["~"], 9);
        assert_eq!(set("/a/~01").unwrap()["a"]["~1"], 9);
        assert_eq!(set("/").unwrap()[""], 9);
        assert_eq!(set("/list/1").unwrap()["list"], json!([0, 9]));
        assert_eq!(set("/list/-").unwrap()["list"], json!([0, 1, 9]));
    }

    #[test]
    fn removes_members_and_elements() {
        let remove = |pointer: &str| after(|value| remove(value, pointer));
        assert_eq!(remove("/a/b~1c").unwrap()["a"], json!({ "~": 2 }));
        assert_eq!(remove("/list/0").unwrap()["list"], json!([1]));
        for (pointer, expected) in [
            ("/a/x", "/a/x does not exist"),
            ("/x/y", "/x does not exist, so /x/y cannot exist"),
            ("/list/2", "/list has 2 elements, and /list/2 is not one of them"),
            ("/list/-", "/list has 2 elements, and /list/- is not one of them"),
            ("/text/0", "/text is neither an object nor an array"),
        ] {
            assert_eq!(remove(pointer).unwrap_err(), expected);
        }
        assert!(remove("").unwrap_err().contains("not a JSON Pointer"));
    }

    #[test]
    fn explains_why_a_pointer_cannot_be_set() {
        let set = |pointer: &str| after(|value| set(value, pointer, json!(9)));
        for (pointer, expected) in [
            ("a", "\"a\" is not a JSON Pointer: it must begin with a slash, as in /data/first_name"),
            (
                "data/a",
                "\"data/a\" is not a JSON Pointer: it must begin with a slash, as in /data/first_name",
            ),
            ("/x/y", "/x does not exist, so /x/y cannot exist"),
            ("/list/2", "/list has 2 elements, and /list/2 is not one of them"),
            ("/list/01", "/list has 2 elements, and /list/01 is not one of them"),
            ("/list/+1", "/list has 2 elements, and /list/+1 is not one of them"),
            ("/text/a", "/text is neither an object nor an array"),
        ] {
            assert_eq!(set(pointer).unwrap_err(), expected);
        }
        let scalar = super::set(&mut json!(1), "/a", json!(2)).unwrap_err();
        assert_eq!(scalar.to_string(), "the body is neither an object nor an array");
    }
}
