//! Bodies that are a part of the captured body: a JSON string, a member, or bytes between others.

use serde::de::IgnoredAny;
use serde_json::Deserializer;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

use super::super::cause::{Cause, Finding};
use super::body::{Body, Undone, one};

pub(super) fn json_string(body: &Body<'_>) -> Vec<Undone> {
    let Some(text) = body.text.map(str::trim) else { return Vec::new() };
    if text.starts_with('"')
        && let Ok(inner) = serde_json::from_str::<String>(text)
    {
        let fact = "the body is a JSON string, but the content of the string was signed";
        return one(Cause::JsonEncodedTwice, fact, inner);
    }
    if text.starts_with("{\\\"")
        && let Ok(inner) = serde_json::from_str::<String>(&format!("\"{text}\""))
    {
        return one(Cause::JsonEncodedTwice, "the body is escaped like the content of a JSON string", inner);
    }
    Vec::new()
}

/// Finds bodies in the objects that gateways and queues produce.
pub(super) fn json_member(body: &Body<'_>) -> Vec<Undone> {
    const MAX_MEMBERS: usize = 8;
    let text = body.text.map(str::trim).filter(|text| text.starts_with('{'));
    let members = text.and_then(|text| serde_json::from_str::<BTreeMap<String, &RawValue>>(text).ok());
    // An object with these members is an event, and not a wrapper.
    let is_wrapper =
        |members: &BTreeMap<_, _>| !(members.contains_key("data") && members.contains_key("type"));
    let Some(members) = members.filter(is_wrapper) else { return Vec::new() };
    let inner = |(name, value): (String, &RawValue)| {
        let fact = format!(
            "the body is a JSON object, but only its member `{}` was signed",
            crate::output::printable(name.as_bytes(), 48)
        );
        let bytes = match serde_json::from_str::<String>(value.get()) {
            Ok(inner) => Some(inner.into()).filter(|inner: &bytes::Bytes| inner.len() > 1),
            Err(_) => value.get().starts_with('{').then(|| body.bytes.slice_ref(value.get().as_bytes())),
        };
        Some((Finding::new(Cause::JsonWrapped, fact), bytes?))
    };
    members.into_iter().filter_map(inner).take(MAX_MEMBERS).collect()
}

/// Returns a text such as `1 byte`.
fn bytes_of(number: usize) -> String {
    if number == 1 { "1 byte".to_owned() } else { format!("text of {number} bytes") }
}

/// Finds the JSON if bytes were added before or after it.
pub(super) fn surrounded(body: &Body<'_>) -> Vec<Undone> {
    let Some(start) = body.bytes.iter().position(|byte| *byte == b'{') else { return Vec::new() };
    let json = body.bytes.slice(start..);
    if !body.bytes.slice(..start).trim_ascii().is_empty() {
        return one(
            Cause::BytesPrepended,
            format!("{} before the JSON was not signed", bytes_of(start)),
            json,
        );
    }
    let length = json_length(&json).filter(|length| !json.slice(length..).trim_ascii().is_empty());
    let Some(length) = length else { return Vec::new() };
    let fact = format!("{} after the JSON was not signed", bytes_of(json.len() - length));
    one(Cause::BytesAppended, fact, body.bytes.slice(..start + length))
}

/// Returns the length of the JSON value at the start of the bytes.
fn json_length(bytes: &[u8]) -> Option<usize> {
    let mut values = Deserializer::from_slice(bytes).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}
