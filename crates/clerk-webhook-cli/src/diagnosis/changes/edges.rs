//! Line breaks, white space and byte-order marks at the edges of a body, and CRLF within it.

use super::super::cause::{Cause, Finding};
use super::body::{Body, Undone, one};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn newline_added(body: &Body<'_>) -> Vec<Undone> {
    let endings = [b"\r\n".as_slice(), b"\n", b"\r"];
    let Some(text) = endings.iter().find_map(|end| body.bytes.strip_suffix(*end)) else { return Vec::new() };
    let fact = "the body ends in a line break that was not signed";
    one(Cause::TrailingNewlineAdded, fact, body.bytes.slice_ref(text))
}

pub(super) fn newline_removed(body: &Body<'_>) -> Vec<Undone> {
    let fact = "the trailing line break that was signed is missing from the body";
    let added = |end: &str| one(Cause::TrailingNewlineRemoved, fact, [body.bytes, end.as_bytes()].concat());
    ["\n", "\r\n"].into_iter().flat_map(added).collect()
}

pub(super) fn white_space_added(body: &Body<'_>) -> Vec<Undone> {
    let undone = |(fact, text): (&str, &[u8])| {
        (Finding::new(Cause::WhiteSpaceAdded, fact), body.bytes.slice_ref(text))
    };
    let edges = [
        ("the body ends in white space that was not signed", body.bytes.trim_ascii_end()),
        ("the body begins with white space that was not signed", body.bytes.trim_ascii_start()),
        ("the body begins and ends with white space that was not signed", body.bytes.trim_ascii()),
    ];
    edges.into_iter().filter(|(_, text)| text.len() < body.bytes.len()).map(undone).collect()
}

pub(super) fn byte_order_mark_added(body: &Body<'_>) -> Vec<Undone> {
    let Some(text) = body.bytes.strip_prefix(BYTE_ORDER_MARK) else { return Vec::new() };
    let fact = "the body begins with a byte-order mark that was not signed";
    one(Cause::ByteOrderMarkAdded, fact, body.bytes.slice_ref(text))
}

/// Undoes a conversion from LF to CRLF, which the body shows.
pub(super) fn line_breaks_changed(body: &Body<'_>) -> Vec<Undone> {
    let Some(text) = body.text.filter(|text| text.contains("\r\n")) else { return Vec::new() };
    let fact = "the body has CRLF line breaks, but LF was signed";
    one(Cause::LineBreaksChanged, fact, text.replace("\r\n", "\n"))
}

/// Undoes a conversion from CRLF to LF.
pub(super) fn line_feeds_changed(body: &Body<'_>) -> Vec<Undone> {
    let Some(text) = body.text.filter(|text| text.contains('\n')) else { return Vec::new() };
    let fact = "the body has LF line breaks, but CRLF was signed";
    one(Cause::LineBreaksChanged, fact, text.replace("\r\n", "\n").replace('\n', "\r\n"))
}
