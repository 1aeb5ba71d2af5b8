//! Bodies that were decoded with one character encoding and then encoded with a different one.

use super::super::cause::{Cause, Finding};
use super::body::{Body, Undone};

pub(super) fn decoded(body: &Body<'_>) -> Vec<Undone> {
    let mut undone = Vec::new();
    let mut add = |fact: &str, bytes: Option<Vec<u8>>| {
        let finding = Finding::new(Cause::CharsetChanged, fact);
        undone.extend(bytes.map(|bytes| (finding, bytes.into())));
    };
    match body.text {
        Some(text) if text.is_ascii() => {}
        Some(text) => {
            let bytes = text.chars().map(|character| u8::try_from(character).ok()).collect();
            add("the body was decoded as Latin-1 and encoded as UTF-8", bytes);
        }
        None => {
            let text: String = body.bytes.iter().map(|byte| char::from(*byte)).collect();
            add("the body is encoded as Latin-1, but UTF-8 was signed", Some(text.into_bytes()));
        }
    }
    let little = matches!(body.bytes.as_ref(), [0xff, 0xfe, ..] | [b'{', 0, ..]);
    if !little && !matches!(body.bytes.as_ref(), [0xfe, 0xff, ..] | [0, b'{', ..]) {
        return undone;
    }
    let unit = |unit: &[u8; 2]| if little { u16::from_le_bytes(*unit) } else { u16::from_be_bytes(*unit) };
    let units = body.bytes.as_chunks::<2>().0.iter().map(unit).filter(|unit| *unit != 0xfeff);
    let text = char::decode_utf16(units).collect::<Result<String, _>>();
    let fact = "the body is encoded as UTF-16, but UTF-8 was signed";
    add(fact, text.ok().map(String::into_bytes));
    undone
}
