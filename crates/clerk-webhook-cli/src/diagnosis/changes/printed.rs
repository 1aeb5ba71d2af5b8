//! Values that a program converted to text instead of passing the raw bytes.

use serde::Deserialize;

use super::super::cause::{Cause, Finding};
use super::body::{Body, Undone, one};

/// Decodes `{"type":"Buffer","data":[123,…]}`, `{"0":123,…}`, `[123,…]` and `123,…`.
pub(super) fn bytes_as_numbers(body: &Body<'_>) -> Vec<Undone> {
    #[derive(Deserialize)]
    struct Buffer {
        data: Vec<u8>,
    }
    let Some(text) = body.text.map(str::trim) else { return Vec::new() };
    let buffer = serde_json::from_str::<Buffer>(text).ok().map(|buffer| buffer.data);
    let array = || {
        let entries = text.trim_matches(['{', '[', ']', '}']).split(',');
        entries.map(|entry| entry.rsplit(':').next()?.trim().parse::<u8>().ok()).collect::<Option<Vec<_>>>()
    };
    let Some(bytes) = buffer.or_else(array) else { return Vec::new() };
    let fact = "the body is a list of bytes in decimal, as JSON.stringify writes a Buffer";
    one(Cause::BytesAsNumbers, fact, bytes)
}

/// Decodes `b'…'`, the text of Python's `str(bytes)`.
pub(super) fn python_bytes(body: &Body<'_>) -> Vec<Undone> {
    let text = body.text.map(str::trim).and_then(|text| text.strip_prefix('b'));
    let inner = ['\'', '"'].into_iter().find_map(|quote| text?.strip_prefix(quote)?.strip_suffix(quote));
    let Some(bytes) = inner.and_then(python_unescaped) else { return Vec::new() };
    one(Cause::BytesAsText, "the body is the text of Python's str() of bytes: b'…'", bytes)
}

fn python_unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    Some(bytes)
}

/// The beginnings of objects that programs converted to text.
const OBJECTS: [(&str, &str); 7] = [
    ("[object Object]", "JavaScript's String(object): [object Object]"),
    ("{'", "Python's str() of a dict"),
    ("{ data:", "console.log of an object in Node.js"),
    ("{\n  data:", "console.log of an object in Node.js"),
    ("map[", "Go's fmt of a map"),
    ("{\"data\"=>", "Ruby's inspect of a Hash"),
    ("{\"data\" =>", "Ruby's inspect of a Hash"),
];

/// Returns a finding if the body is the text of a parsed object.
pub(in crate::diagnosis) fn printed_object(bytes: &[u8]) -> Option<Finding> {
    let text = str::from_utf8(bytes).ok()?.trim().trim_matches('"');
    if text.starts_with("[object ") && !text.starts_with("[object Object]") {
        let fact =
            "the body is the text of a JavaScript object that was not read, such as a stream or a promise";
        return Some(Finding::new(Cause::BodyNotRead, fact));
    }
    let (_, writer) = OBJECTS.iter().find(|(beginning, _)| text.starts_with(beginning))?;
    let fact = format!("the parsed body was converted to a string by {writer}");
    Some(Finding::new(Cause::ObjectAsText, fact))
}
