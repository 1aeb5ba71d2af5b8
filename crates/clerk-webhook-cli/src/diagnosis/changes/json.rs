//! JSON that was parsed and serialized again.
//!
//! The writer works token by token, so that numbers and duplicate keys are preserved.

use std::fmt::Write as _;
use std::ops::Range;

use serde_json::Value;

use super::super::cause::{Cause, Finding};
use super::body::{Body, MAX_BODY, Undone};

/// The white space between tokens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spacing {
    AsIs,
    Compact,
    /// `{"a": 1, "b": 2}`
    Spaced,
    Indented(&'static str),
}

/// Which characters in strings are escaped, in addition to those that JSON requires.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    AsIs,
    Minimal,
    Ascii,
}

use Escapes::{AsIs as NoChange, Ascii, Minimal};
use Spacing::{AsIs, Compact, Indented, Spaced};

/// The styles in which senders and their frameworks serialize JSON, the likeliest first. A style with two
/// differences follows the styles with one of them.
const STYLES: [(Spacing, Escapes, &str); 9] = [
    (Compact, NoChange, "it was compact"),
    (AsIs, Minimal, "its strings had no unnecessary escapes"),
    (Compact, Minimal, "it was compact, and its strings had no unnecessary escapes"),
    (Spaced, NoChange, "it had a space after colons and commas"),
    (AsIs, Ascii, "its strings had non-ASCII characters escaped"),
    (Spaced, Ascii, "it had a space after colons and commas, and non-ASCII characters escaped"),
    (Indented("  "), NoChange, "it was indented by 2 spaces"),
    (Indented("    "), NoChange, "it was indented by 4 spaces"),
    (Indented("\t"), NoChange, "it was indented by tabs"),
];

pub(super) fn serialized_again(body: &Body<'_>) -> Vec<Undone> {
    let Some(text) = body.text.map(str::trim) else { return Vec::new() };
    let Some(tokens) = tokens(text) else { return Vec::new() };
    let mut undone = Vec::new();
    let mut add = |cause: Cause, difference: &str, bytes: String| {
        let fact = format!("the JSON was serialized again: when the body was signed, {difference}");
        undone.push((Finding::new(cause, fact), bytes.into()));
    };
    let write = |spacing, escapes| written(text, &tokens, spacing, escapes);
    let differs = |spacing, escapes| write(spacing, escapes).is_some_and(|written| written != text);
    for (spacing, escapes, difference) in STYLES {
        // If one part of the style changes nothing, the style equals an earlier one.
        let is_new = (spacing == AsIs || differs(spacing, NoChange))
            && (escapes == NoChange || differs(AsIs, escapes));
        let cause = if escapes == NoChange { Cause::JsonSpacingChanged } else { Cause::JsonEscapesChanged };
        if let Some(bytes) = write(spacing, escapes).filter(|_| is_new) {
            add(cause, difference, bytes);
        }
    }
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        add(Cause::JsonKeysReordered, "its keys were in alphabetical order", value.to_string());
    }
    undone
}

/// Returns the tokens of a JSON text, or `None` if the text is not JSON.
pub(super) fn tokens(text: &str) -> Option<Vec<Range<usize>>> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'"' => {
                while let Some(&byte) = bytes.get(at) {
                    at += if byte == b'\\' { 2 } else { 1 };
                    if byte == b'"' {
                        break;
                    }
                }
            }
            b'{' | b'}' | b'[' | b']' | b',' | b':' => {}
            _ => {
                let is_scalar = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                while bytes.get(at).is_some_and(is_scalar) {
                    at += 1;
                }
            }
        }
        tokens.push(start..at);
    }
    Some(tokens)
}

/// Returns the text in a style; `None` if the result is larger than `MAX_BODY`.
fn written(text: &str, tokens: &[Range<usize>], spacing: Spacing, escapes: Escapes) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut end, mut depth) = (0, 0_usize);
    let mut after_opening = false;
    let break_line = |out: &mut String, depth: usize| {
        if let Indented(indent) = spacing {
            out.push('\n');
            (0..depth).for_each(|_| out.push_str(indent));
        }
    };
    for range in tokens {
        if out.len() > MAX_BODY {
            return None;
        }
        if spacing == AsIs {
            out.push_str(text.get(end..range.start)?);
            end = range.end;
        }
        let token = text.get(range.clone())?;
        let is_closing = matches!(token, "}" | "]");
        depth -= usize::from(is_closing && depth > 0);
        if after_opening != is_closing {
            break_line(&mut out, depth);
        }
        after_opening = matches!(token, "{" | "[");
        depth += usize::from(after_opening);
        match token.as_bytes().first()? {
            b'"' if escapes != NoChange => write_string(token, escapes, &mut out),
            _ => out.push_str(token),
        }
        match token {
            ":" if !matches!(spacing, AsIs | Compact) => out.push(' '),
            "," if spacing == Spaced => out.push(' '),
            "," => break_line(&mut out, depth),
            _ => {}
        }
    }
    Some(out)
}

fn write_string(token: &str, escapes: Escapes, out: &mut String) {
    let minimal = serde_json::from_str::<String>(token).and_then(|text| serde_json::to_string(&text));
    for character in minimal.as_deref().unwrap_or(token).chars() {
        if escapes == Ascii && !character.is_ascii() {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(character);
        }
    }
}
