//! Removes encodings and wrappers from a body.

use std::io::Read as _;

use base64::Engine as _;
use bytes::Bytes;
use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use serde_json::value::RawValue;

use super::budget::{Budget, MAX_WRAPPED};
use super::cause::Cause;
use super::finding::Finding;
use super::signatures::{LENIENT_URL_SAFE, percent_decoded};
use crate::capture::Capture;

/// The maximum number of bodies, including the captured one.
const MAX_BODIES: usize = 48;
/// The maximum number of nested wrappers. More do not occur in practice.
const MAX_DEPTH: usize = 2;

/// The cost of examining a body, per byte.
const LOOKING: usize = 8;
/// The cost of decompression, per byte of output.
const DECOMPRESSING: usize = 2;

/// A body and the wrappers that were removed from it.
#[derive(Clone, Debug)]
pub(super) struct Unwrapped {
    pub(super) bytes: Bytes,
    pub(super) findings: Vec<Finding>,
}

/// Returns the captured body, then the bodies inside it, the least wrapped first, within the budget.
pub(super) fn all(capture: &Capture, budget: &mut Budget) -> Vec<Unwrapped> {
    let mut bodies = vec![Unwrapped { bytes: capture.body.clone(), findings: Vec::new() }];
    if capture.body.len() > MAX_WRAPPED {
        budget.left_wrapped = true;
        return bodies;
    }
    let mut from = 0;
    for _ in 0..MAX_DEPTH {
        let until = bodies.len();
        for index in from..until {
            let outer = bodies[index].clone();
            if budget.spend(LOOKING * outer.bytes.len()).is_none() {
                return bodies;
            }
            for (cause, fact, bytes) in inside(capture, &outer.bytes, outer.findings.is_empty(), budget).found
            {
                if bodies.len() < MAX_BODIES && !bodies.iter().any(|body| body.bytes == bytes) {
                    let mut findings = outer.findings.clone();
                    findings.push(Finding::new(cause, fact));
                    bodies.push(Unwrapped { bytes, findings });
                }
            }
        }
        from = until;
    }
    bodies
}

/// The results of one unwrapping step.
struct Inside<'b> {
    found: Vec<(Cause, String, Bytes)>,
    budget: &'b mut Budget,
}

impl Inside<'_> {
    /// Adds a body if the budget allows its size.
    fn push(&mut self, (cause, fact, bytes): (Cause, String, Bytes)) {
        if self.budget.take_unwrapped(bytes.len()).is_some() {
            self.found.push((cause, fact, bytes));
        }
    }
}

/// Returns the bodies that one unwrapping step finds inside a body.
fn inside<'b>(capture: &Capture, body: &Bytes, outermost: bool, budget: &'b mut Budget) -> Inside<'b> {
    let mut found = Inside { found: Vec::new(), budget };
    let trimmed = body.trim_ascii();
    compressed(body, &mut found);
    if let Some(bytes) = without_chunks(body) {
        found.push((
            Cause::ChunkedFraming,
            "the body contains the framing of chunked transfer encoding".into(),
            bytes.into(),
        ));
    }
    if let Ok(text) = std::str::from_utf8(trimmed) {
        in_json(body, text, &mut found);
        in_form(body, text, &mut found);
        if text.contains('&')
            && let Some(bytes) = without_entities(text)
        {
            found.push((Cause::HtmlEscaped, "the body is escaped for HTML".into(), bytes.into()));
        }
        in_multipart(body, &mut found);
    }
    let base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=\r\n".contains(byte);
    if trimmed.len() >= 16 && trimmed.iter().all(base64) {
        let standard = |byte: &u8| match byte {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        };
        let text: Vec<u8> = trimmed.iter().filter(|byte| !byte.is_ascii_whitespace()).map(standard).collect();
        if let Ok(bytes) = LENIENT_URL_SAFE.decode(text) {
            found.push((Cause::Base64Encoded, "the body is base64-encoded".into(), bytes.into()));
        }
    }
    charsets(body, &mut found);
    slices(capture, body, outermost, &mut found);
    found
}

fn compressed(body: &Bytes, found: &mut Inside<'_>) {
    let most = found.budget.decompressed();
    let budget = &mut *found.budget;
    let mut read = |decoder: &mut dyn std::io::Read| -> Option<Bytes> {
        let mut bytes = Vec::new();
        let read = decoder.take(most as u64 + 1).read_to_end(&mut bytes);
        budget.spend(DECOMPRESSING * bytes.len())?;
        let is_whole = read.is_ok() && budget.allows_decompressed(bytes.len());
        (is_whole && !bytes.is_empty()).then(|| bytes.into())
    };
    let (name, bytes) = match body.as_ref() {
        [0x1f, 0x8b, ..] => ("gzip", read(&mut GzDecoder::new(body.as_ref()))),
        [first, second, ..]
            if first & 0xf == 8 && (u16::from(*first) << 8 | u16::from(*second)) % 31 == 0 =>
        {
            ("deflate", read(&mut ZlibDecoder::new(body.as_ref())))
        }
        // Raw deflate has no magic number. Since it is hardly ever valid text, only other bodies are tried.
        _ if std::str::from_utf8(body).is_err() => ("deflate", read(&mut DeflateDecoder::new(body.as_ref()))),
        _ => return,
    };
    if let Some(bytes) = bytes {
        found.push((Cause::Compressed, format!("the body is compressed ({name})"), bytes));
    }
}

/// Decodes chunked transfer encoding; returns `None` if the body contains anything else.
fn without_chunks(body: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = body;
    loop {
        let end = rest.iter().take(64).position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(rest[..end].trim_ascii()).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?, 16).ok()?;
        rest = &rest[end + 1..];
        if size == 0 {
            return (!bytes.is_empty()).then_some(bytes);
        }
        bytes.extend_from_slice(rest.get(..size)?);
        rest = &rest[size..];
        rest = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"))?;
    }
}

/// Finds bodies in JSON strings and in members of the objects that gateways produce.
fn in_json(body: &Bytes, text: &str, found: &mut Inside<'_>) {
    const TWICE: &str = "the body is a JSON string, but the content of the string was signed";
    if text.starts_with('"')
        && let Ok(inner) = serde_json::from_str::<String>(text)
    {
        found.push((Cause::JsonEncodedTwice, TWICE.into(), inner.into()));
    }
    if text.starts_with("{\\\"")
        && let Ok(inner) = serde_json::from_str::<String>(&format!("\"{text}\""))
    {
        let fact = "the body is escaped like the content of a JSON string";
        found.push((Cause::JsonEncodedTwice, fact.into(), inner.into()));
    }
    if !text.starts_with('{') {
        return;
    }
    let Ok(members) = serde_json::from_str::<std::collections::BTreeMap<String, &RawValue>>(text) else {
        return;
    };
    // An object with these members is an event, and not a wrapper.
    if members.contains_key("data") && members.contains_key("type") {
        return;
    }
    for (name, value) in members.into_iter().take(32) {
        let fact = format!(
            "the body is a JSON object, but only its member {:?} was signed",
            super::finding::shown(name.as_bytes())
        );
        match serde_json::from_str::<String>(value.get()) {
            Ok(inner) if inner.len() >= 2 => found.push((Cause::JsonWrapped, fact, inner.into())),
            Err(_) if value.get().starts_with('{') => {
                found.push((Cause::JsonWrapped, fact, body.slice_ref(value.get().as_bytes())));
            }
            _ => {}
        }
    }
}

fn in_form(body: &Bytes, text: &str, found: &mut Inside<'_>) {
    if text.starts_with(['{', '[', '"']) && !text.ends_with('=') {
        return;
    }
    const WHOLE: &str = "the body is URL-encoded";
    let mut add = |fact: String, bytes: Bytes| found.push((Cause::FormEncoded, fact, bytes));
    let mut start = 0;
    for pair in text.split('&').take(16) {
        let rest = text.get(start..).unwrap_or_default();
        start += pair.len() + 1;
        let Some((name, value)) = pair.split_once('=') else { continue };
        let plain = name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-[]".contains(&byte));
        if plain && !value.is_empty() {
            let fact = format!("the body is a form, but only its field {name} was signed");
            add(fact.clone(), form_decoded(value).into());
            // The value might have been appended to the name without encoding.
            add(fact, body.slice_ref(rest.get(name.len() + 1..).unwrap_or_default().as_bytes()));
        }
    }
    let whole = text.strip_suffix('=').unwrap_or(text);
    if whole.len() < text.len() || whole.contains('%') {
        add(WHOLE.to_owned(), form_decoded(whole).into());
        add(WHOLE.to_owned(), percent_decoded(whole).unwrap_or_else(|| whole.to_owned()).into());
    }
}

fn form_decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decoded(&text).unwrap_or(text)
}

/// Replaces HTML entities with their characters; returns `None` if the text contains none.
fn without_entities(text: &str) -> Option<String> {
    const ENTITIES: [(&str, &str); 11] = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#x22;", "\""),
        ("&#039;", "'"),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#x2F;", "/"),
        ("&nbsp;", "\u{a0}"),
        // This entity must be the last one, because its replacement can be the beginning of any other entity.
        ("&amp;", "&"),
    ];
    let plain =
        ENTITIES.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character));
    (plain != text).then_some(plain)
}

fn in_multipart(body: &Bytes, found: &mut Inside<'_>) {
    let Some(line) = body.strip_prefix(b"--").and_then(|rest| rest.split(|byte| *byte == b'\n').next())
    else {
        return;
    };
    let boundary = [b"--", line.trim_ascii_end()].concat();
    if !(3..=80).contains(&boundary.len()) {
        return;
    }
    for part in parts(body, &boundary) {
        let head = [b"\r\n\r\n".as_slice(), b"\n\n"]
            .iter()
            .find_map(|empty_line| Some(position(part, empty_line)? + empty_line.len()));
        let Some(head) = head else { continue };
        let content = &part[head..];
        let content =
            content.strip_suffix(b"\r\n").or_else(|| content.strip_suffix(b"\n")).unwrap_or(content);
        if !content.is_empty() {
            let fact = "the body is a multipart form, but only one of its parts was signed";
            found.push((Cause::MultipartWrapped, fact.into(), body.slice_ref(content)));
        }
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Splits at the separator, at most 16 times.
fn parts<'b>(mut bytes: &'b [u8], separator: &[u8]) -> Vec<&'b [u8]> {
    const MOST: usize = 16;
    let mut parts = Vec::new();
    while parts.len() < MOST
        && let Some(at) = position(bytes, separator)
    {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + separator.len()..];
    }
    parts.push(bytes);
    parts
}

/// Finds bodies that were decoded with one character encoding and then encoded with a different one.
fn charsets(body: &Bytes, found: &mut Inside<'_>) {
    if body.is_ascii() && !body.contains(&0) {
        return;
    }
    let mut add =
        |fact: &str, bytes: Vec<u8>| found.push((Cause::CharsetChanged, fact.to_owned(), bytes.into()));
    match std::str::from_utf8(body) {
        Ok(text) => {
            for (name, table) in [("Latin-1", &LATIN_1), ("Windows-1252", &WINDOWS_1252)] {
                let byte = |character: char| table.byte(character);
                if let Some(bytes) = text.chars().map(byte).collect::<Option<Vec<u8>>>() {
                    add(&format!("the body was decoded as {name} and encoded as UTF-8"), bytes);
                }
            }
        }
        Err(_) => {
            for (name, table) in [("Latin-1", &LATIN_1), ("Windows-1252", &WINDOWS_1252)] {
                let text: String = body.iter().map(|byte| table.character(*byte)).collect();
                add(&format!("the body is encoded as {name}, but UTF-8 was signed"), text.into_bytes());
            }
        }
    }
    let utf_16 = |of: fn([u8; 2]) -> u16, body: &[u8]| {
        let (units, rest) = body.as_chunks::<2>();
        let units = units.iter().map(|unit| of(*unit));
        rest.is_empty().then(|| char::decode_utf16(units).collect::<Result<String, _>>().ok()).flatten()
    };
    let decoded = match body.as_ref() {
        [0xff, 0xfe, rest @ ..] => utf_16(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => utf_16(u16::from_be_bytes, rest),
        [b'{', 0, ..] => utf_16(u16::from_le_bytes, body),
        [0, b'{', ..] => utf_16(u16::from_be_bytes, body),
        _ => None,
    };
    if let Some(text) = decoded {
        add("the body is encoded as UTF-16, but UTF-8 was signed", text.into_bytes());
    }
}

/// A single-byte character encoding, defined by its characters from 0x80 to 0x9f.
struct Charset(Option<&'static [char; 32]>);

const LATIN_1: Charset = Charset(None);

/// Unassigned bytes map to the control character of the same number, as in browsers.
const WINDOWS_1252: Charset = Charset(Some(&[
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
]));

impl Charset {
    fn character(&self, byte: u8) -> char {
        match (self.0, byte) {
            (Some(table), 0x80..=0x9f) => table[usize::from(byte - 0x80)],
            _ => char::from(byte),
        }
    }

    fn byte(&self, character: char) -> Option<u8> {
        if let Some(table) = self.0
            && let Some(index) = table.iter().position(|other| *other == character)
        {
            return u8::try_from(index).ok().map(|index| index + 0x80);
        }
        u8::try_from(character).ok()
    }
}

/// Finds the body that was signed if bytes were added before or after it.
fn slices(capture: &Capture, body: &Bytes, outermost: bool, found: &mut Inside<'_>) {
    let length = capture.text("content-length").and_then(|length| length.parse::<usize>().ok());
    if let Some(length) = length.filter(|length| outermost && *length < body.len() && *length > 0) {
        let fact =
            format!("the body has {} bytes more than Content-Length, which is {length}", body.len() - length);
        found.push((Cause::BytesAppended, fact, body.slice(..length)));
    }
    let Some(start) = body.iter().position(|byte| *byte == b'{') else { return };
    let end = json_end(&body[start..]).map(|length| start + length);
    let in_front = !body[..start].trim_ascii().is_empty() && !body.starts_with(b"\xef\xbb\xbf{");
    if let Some(end) = end
        && !body[end..].trim_ascii().is_empty()
        && !in_front
    {
        let fact = format!("{} bytes follow the end of the JSON", body.len() - end);
        found.push((Cause::BytesAppended, fact, body.slice(..end)));
    }
    if in_front {
        let fact = format!("{start} bytes precede the JSON");
        found.push((Cause::BytesPrepended, fact, body.slice(start..)));
    }
}

/// Returns the length of the JSON value at the start of the bytes.
fn json_end(bytes: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<serde::de::IgnoredAny>();
    values.next()?.ok()?;
    Some(values.byte_offset())
}
