//! `PATH=VALUE`: a change to the body.

use serde_json::Value;

/// A place in the body, and its new value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Assignment {
    /// The path as the user wrote it.
    pub(super) path: String,
    /// The path as a JSON Pointer.
    pub(super) pointer: String,
    pub(super) value: Value,
}

impl Assignment {
    /// Parses `PATH=VALUE`. A value that is not JSON is text.
    pub(super) fn of_json(text: &str) -> Result<Self, String> {
        Self::parse(text, |value| serde_json::from_str(value).unwrap_or_else(|_| value.into()))
    }

    /// Parses `PATH=TEXT`.
    pub(super) fn of_text(text: &str) -> Result<Self, String> {
        Self::parse(text, |value| value.into())
    }

    fn parse(text: &str, value: impl FnOnce(&str) -> Value) -> Result<Self, String> {
        let (path, text) = text
            .split_once('=')
            .filter(|(path, _)| !path.is_empty())
            .ok_or("expected PATH=VALUE, such as data.first_name=Ada")?;
        Ok(Self { path: path.to_owned(), pointer: pointer(path), value: value(text) })
    }
}

/// Converts a path such as `data.email_addresses[0].id` into a JSON Pointer.
///
/// A path that begins with a slash is already a JSON Pointer.
fn pointer(path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut pointer = String::new();
    for name in path.split('.') {
        // The index of `name[0]` becomes a separate part. Other text in brackets belongs to the name.
        let (name, index) = name
            .strip_suffix(']')
            .and_then(|name| name.split_once('['))
            .filter(|(_, index)| *index == "-" || index.bytes().all(|byte| byte.is_ascii_digit()))
            .map_or((name, None), |(name, index)| (name, Some(index)));
        for part in std::iter::once(name).chain(index) {
            pointer.push('/');
            pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn accepts_paths_with_dots_and_json_pointers() {
        for (path, expected) in [
            ("type", "/type"),
            ("data.first_name", "/data/first_name"),
            ("/data/first_name", "/data/first_name"),
            ("/data/a.b", "/data/a.b"),
            ("data.email_addresses[0].id", "/data/email_addresses/0/id"),
            ("data.email_addresses.0.id", "/data/email_addresses/0/id"),
            ("data.linked_to[-]", "/data/linked_to/-"),
            ("data.public_metadata.a/b~c", "/data/public_metadata/a~1b~0c"),
            ("data.x[y]", "/data/x[y]"),
        ] {
            assert_eq!(pointer(path), expected);
        }
    }

    #[test]
    fn parses_values_as_json_or_else_as_text() {
        for (text, expected) in [
            ("data.x=Ada", json!("Ada")),
            ("data.x=42", json!(42)),
            ("data.x=null", json!(null)),
            ("data.x=\"42\"", json!("42")),
            ("data.x={\"a\":[1]}", json!({"a": [1]})),
            ("data.x=", json!("")),
            ("data.x=a=b", json!("a=b")),
        ] {
            assert_eq!(Assignment::of_json(text).unwrap().value, expected);
        }
        assert_eq!(Assignment::of_text("data.x=42").unwrap().value, json!("42"));
        for text in ["", "data.x", "=1"] {
            assert!(Assignment::of_json(text).is_err(), "{text}");
        }
    }
}
