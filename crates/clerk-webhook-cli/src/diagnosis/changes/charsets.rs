//! Bodies that were decoded with one character encoding and then encoded with a different one.

use super::super::cause::{Cause, Finding};
use super::body::{Body, Undone};

/// The characters of Windows-1252 for the bytes from 0x80 to 0x9f.
const WINDOWS_1252: &str = "€\u{81}‚ƒ„…†‡ˆ‰Š‹Œ\u{8d}Ž\u{8f}\u{90}‘’“”•–—˜™š›œ\u{9d}žŸ";

pub(super) fn decoded(body: &Body<'_>) -> Vec<Undone> {
    let mut undone = Vec::new();
    let mut add = |fact: &str, bytes: Option<Vec<u8>>| {
        let finding = Finding::new(Cause::CharsetChanged, fact);
        undone.extend(bytes.map(|bytes| (finding, bytes.into())));
    };
    match body.text {
        Some(text) if text.is_ascii() => {}
        Some(text) => {
            let bytes = text.chars().map(windows_1252_byte).collect();
            add("the body was decoded as Latin-1 or Windows-1252 and encoded as UTF-8", bytes);
        }
        None => {
            let text: String = body.bytes.iter().map(|byte| windows_1252_character(*byte)).collect();
            let fact = "the body is encoded as Latin-1 or Windows-1252, but UTF-8 was signed";
            add(fact, Some(text.into_bytes()));
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

fn windows_1252_character(byte: u8) -> char {
    let index = usize::from(byte).checked_sub(0x80);
    index.and_then(|index| WINDOWS_1252.chars().nth(index)).unwrap_or(char::from(byte))
}

fn windows_1252_byte(character: char) -> Option<u8> {
    (0x80..0xa0).find(|byte| windows_1252_character(*byte) == character).or(u8::try_from(character).ok())
}
