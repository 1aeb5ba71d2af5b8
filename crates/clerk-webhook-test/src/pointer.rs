//! Places in JSON, by JSON Pointer (RFC 6901).

use std::error::Error;
use std::fmt;

use serde_json::Value;

/// Why a value could not be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointerError(String);

impl PointerError {
    pub(crate) fn not_json() -> Self {
        Self("the body is not JSON, so nothing can be set in it".to_owned())
    }
}

impl fmt::Display for PointerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for PointerError {}

/// Sets a value; the object or array that holds it has to be there.
pub(crate) fn set(root: &mut Value, pointer: &str, value: Value) -> Result<(), PointerError> {
    if pointer.is_empty() {
        *root = value;
        return Ok(());
    }
    let Some((parent, last)) = pointer.rsplit_once('/').filter(|_| pointer.starts_with('/')) else {
        return Err(PointerError(format!(
            "{pointer} is no JSON Pointer: it has to begin with a slash, as /data/first_name"
        )));
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    let holder = root
        .pointer_mut(parent)
        .ok_or_else(|| PointerError(format!("there is nothing at {parent}, so {pointer} cannot be set")))?;
    match holder {
        Value::Object(members) => {
            members.insert(last, value);
        }
        Value::Array(elements) if last == "-" => elements.push(value),
        Value::Array(elements) => {
            let length = elements.len();
            let element = last.parse().ok().and_then(|index: usize| elements.get_mut(index));
            *element.ok_or_else(|| {
                PointerError(format!("{parent} has {length} elements, and {pointer} is none of them"))
            })? = value;
        }
        _ => return Err(PointerError(format!("{parent} is neither an object nor an array"))),
    }
    Ok(())
}
