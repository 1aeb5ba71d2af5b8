//! Bodies that are encoded: as base64, as a form, or with compression.

use std::io::Read;

use base64::Engine as _;
use flate2::read::{GzDecoder, ZlibDecoder};

use super::super::cause::{Cause, Finding};
use super::super::signatures::{LENIENT_URL_SAFE, percent_decoded};
use super::body::{Body, MAX_BODY, Undone, one};

pub(super) fn base64(body: &Body<'_>) -> Vec<Undone> {
    const MIN_LENGTH: usize = 16;
    let Some(text) = body.text.filter(|text| text.trim().len() >= MIN_LENGTH) else { return Vec::new() };
    let text: String = text.split_ascii_whitespace().collect();
    let Ok(bytes) = LENIENT_URL_SAFE.decode(text.replace('+', "-").replace('/', "_")) else {
        return Vec::new();
    };
    one(Cause::Base64Encoded, "the body is base64-encoded", bytes)
}

pub(super) fn form(body: &Body<'_>) -> Vec<Undone> {
    const MAX_FIELDS: usize = 4;
    let text = body.text.map(str::trim).filter(|text| !text.starts_with(['{', '[', '"']));
    let Some(text) = text else { return Vec::new() };
    let mut undone = Vec::new();
    let mut rest = text;
    for _ in 0..MAX_FIELDS {
        let Some((name, value)) = rest.split_once('=') else { break };
        let is_name = name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-[]".contains(&byte));
        let (field, next) = value.split_once('&').unwrap_or((value, ""));
        if is_name && !field.is_empty() {
            let fact = format!("the body is a form, but only its field {name} was signed");
            // The value might have been appended to the name without encoding.
            for bytes in [form_decoded(field), value.to_owned()] {
                undone.extend(one(Cause::FormEncoded, fact.clone(), bytes));
            }
        }
        rest = next;
    }
    let whole = text.strip_suffix('=').unwrap_or(text);
    if let Some(decoded) = percent_decoded(whole) {
        for bytes in [form_decoded(whole), decoded] {
            undone.extend(one(Cause::FormEncoded, "the body is URL-encoded", bytes));
        }
    }
    undone
}

fn form_decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decoded(&text).unwrap_or(text)
}

pub(super) fn compressed(body: &Body<'_>) -> Vec<Undone> {
    let (name, decoder): (&str, Box<dyn Read + '_>) = match body.bytes.as_ref() {
        bytes @ [0x1f, 0x8b, ..] => ("gzip", Box::new(GzDecoder::new(bytes))),
        bytes @ [0x78, ..] => ("deflate", Box::new(ZlibDecoder::new(bytes))),
        _ => return Vec::new(),
    };
    let mut bytes = Vec::new();
    let is_whole = decoder.take(MAX_BODY as u64 + 1).read_to_end(&mut bytes).is_ok() && !bytes.is_empty();
    let fact = format!("the body is compressed ({name})");
    is_whole.then(|| (Finding::new(Cause::Compressed, fact), bytes.into())).into_iter().collect()
}
