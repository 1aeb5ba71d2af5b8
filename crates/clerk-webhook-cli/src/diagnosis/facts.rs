//! Facts about a request for which no signature matches.

use super::cause::Cause;
use super::finding::Finding;
use super::headers::Attempt;
use super::signatures::Form;
use crate::capture::Capture;

/// Returns a finding if the body is empty or truncated.
pub(super) fn of_body(capture: &Capture) -> Option<Finding> {
    let length = capture.body.len();
    let announced = content_length(capture).filter(|announced| *announced > length);
    if length == 0 {
        let fact = match announced {
            Some(announced) => format!("the body is empty, but Content-Length is {announced}"),
            None => "the body is empty, but the signed body was not".to_owned(),
        };
        return Some(Finding::new(Cause::BodyEmpty, fact));
    }
    let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(&capture.body);
    match (announced, parsed) {
        // If the JSON is complete, the body was serialized again rather than truncated.
        (_, Ok(_)) => None,
        (Some(announced), Err(_)) => {
            let fact = format!("the body ends after {length} bytes, but Content-Length is {announced}");
            Some(Finding::new(Cause::Truncated, fact))
        }
        (None, Err(error)) if error.is_eof() => {
            let fact = format!("the JSON in the body ends unexpectedly after {length} bytes");
            Some(Finding::new(Cause::Truncated, fact))
        }
        _ => None,
    }
}

/// Returns whether the search can undo the change that this cause describes.
pub(super) fn can_be_undone(cause: Cause) -> bool {
    !matches!(
        cause,
        Cause::BodyEmpty | Cause::Truncated | Cause::SignatureUnreadable | Cause::OnlyAsymmetricSignatures
    )
}

/// Returns notes about the request that can help the user find the cause.
pub(super) fn hints(capture: &Capture, attempt: Option<&Attempt>) -> Vec<String> {
    let mut hints = Vec::new();
    let body = &capture.body;
    if let Some(at) = body.windows(3).position(|bytes| bytes == "\u{fffd}".as_bytes()) {
        hints.push(format!(
            "The body contains the character U+FFFD at byte {at}: it was decoded as text, and invalid bytes were \
             replaced. This cannot be undone"
        ));
    }
    if let Some(at) = body.iter().position(|byte| *byte == 0) {
        hints.push(format!("The body contains a zero byte at byte {at}, which is not valid in JSON"));
    }
    if let Some(encoding) = capture.text("content-encoding").map(str::to_ascii_lowercase)
        && ["br", "zstd", "compress"].contains(&encoding.as_str())
    {
        hints.push(format!("Content-Encoding {encoding} is not supported: decompress the body first"));
    }
    if let Some(announced) = content_length(capture)
        && announced > body.len()
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
    {
        hints.push(format!(
            "The body has {} bytes and Content-Length is {announced}, but the JSON is complete: it was serialized again",
            body.len()
        ));
    }
    let one_case = |text: &String| {
        !text.bytes().any(|byte| byte.is_ascii_lowercase())
            || !text.bytes().any(|byte| byte.is_ascii_uppercase())
    };
    let case_lost = |attempt: &Attempt| {
        attempt.tokens.iter().any(|token| matches!(&token.form, Form::CaseLost(text) if one_case(text)))
    };
    if attempt.is_some_and(case_lost) {
        hints.push(
            "The signature contains letters of one case only, so its case was probably changed".to_owned(),
        );
    }
    hints
}

fn content_length(capture: &Capture) -> Option<usize> {
    capture.text("content-length")?.parse().ok()
}
