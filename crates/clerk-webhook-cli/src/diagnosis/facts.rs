//! Facts about a request for which no signature matches.

use serde::de::IgnoredAny;

use super::cause::{Cause, Finding};
use super::changes::{is_indented_without_line_breaks, printed_object};
use crate::capture::Capture;

/// Returns what the body shows about the cause, the likeliest first.
pub(super) fn of_body(capture: &Capture) -> Option<Finding> {
    if let Some(finding) = printed_object(&capture.body) {
        return Some(finding);
    }
    let length = capture.body.len();
    let announced = content_length(capture).filter(|announced| *announced > length);
    let error = match serde_json::from_slice::<IgnoredAny>(&capture.body) {
        Ok(_) => return is_indented_without_line_breaks(&capture.body),
        Err(error) => error,
    };
    let (cause, fact) = match (length, announced) {
        (0, Some(announced)) => {
            (Cause::BodyEmpty, format!("the body is empty, but Content-Length is {announced}"))
        }
        (0, None) => (Cause::BodyEmpty, "the body is empty, but Clerk never sends an empty body".to_owned()),
        (_, Some(announced)) => (
            Cause::Truncated,
            format!("the body ends after {length} bytes, but Content-Length is {announced}"),
        ),
        (_, None) if error.is_eof() => {
            (Cause::Truncated, format!("the JSON in the body ends unexpectedly after {length} bytes"))
        }
        _ => return None,
    };
    Some(Finding::new(cause, fact))
}

/// Returns notes about the request that can help the user find the cause.
pub(super) fn hints(capture: &Capture) -> Vec<String> {
    let body = &capture.body;
    let mut hints = Vec::new();
    if let Some(at) = body.windows(3).position(|bytes| bytes == "\u{fffd}".as_bytes()) {
        hints.push(format!(
            "The body contains the character U+FFFD at byte {at}: it was decoded as text, and invalid bytes were \
             replaced. This cannot be undone. Capture the body as bytes"
        ));
    }
    // A question mark in a URL is usual.
    let is_lost = |text: &str| text.contains('?') && !text.contains('/');
    if body.is_ascii() && str::from_utf8(body).is_ok_and(|text| text.split('"').any(is_lost)) {
        hints.push(
            "The body contains only ASCII characters, and question marks: a conversion to ASCII may have replaced \
             other characters with question marks. This cannot be undone. Write the body as UTF-8"
                .to_owned(),
        );
    }
    if let Some(announced) = content_length(capture).filter(|announced| *announced > body.len())
        && serde_json::from_slice::<IgnoredAny>(body).is_ok()
    {
        hints.push(format!(
            "The body has {} bytes, but Content-Length is {announced}: it was serialized again or converted",
            body.len()
        ));
    }
    if let Some(encoding @ ("br" | "zstd" | "compress")) = capture.text("content-encoding") {
        hints.push(format!("Content-Encoding {encoding} is not supported: decompress the body first"));
    }
    hints
}

fn content_length(capture: &Capture) -> Option<usize> {
    capture.text("content-length")?.parse().ok()
}
