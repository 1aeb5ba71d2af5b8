//! What can be said of a request where no signature matches.

use super::cause::Cause;
use super::finding::Finding;
use super::headers::Attempt;
use super::signatures::Form;
use crate::capture::Capture;

/// Says what is missing of the body.
pub(super) fn of_body(capture: &Capture) -> Option<Finding> {
    let length = capture.body.len();
    let announced = content_length(capture).filter(|announced| *announced > length);
    if length == 0 {
        let fact = match announced {
            Some(announced) => format!("the body is empty, and Content-Length announces {announced} bytes"),
            None => "the body is empty, and it is not an empty one that was signed".to_owned(),
        };
        return Some(Finding::new(Cause::BodyEmpty, fact));
    }
    let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(&capture.body);
    match (announced, parsed) {
        // What is whole JSON has been written anew and not been cut off.
        (_, Ok(_)) => None,
        (Some(announced), Err(_)) => {
            let fact = format!(
                "the body ends after {length} of the {announced} bytes that Content-Length announces"
            );
            Some(Finding::new(Cause::Truncated, fact))
        }
        (None, Err(error)) if error.is_eof() => {
            let fact = format!("the JSON of the body breaks off after {length} bytes");
            Some(Finding::new(Cause::Truncated, fact))
        }
        _ => None,
    }
}

/// Returns whether the search has looked behind a cause.
pub(super) fn can_be_undone(cause: Cause) -> bool {
    !matches!(
        cause,
        Cause::BodyEmpty | Cause::Truncated | Cause::SignatureUnreadable | Cause::OnlyAsymmetricSignatures
    )
}

/// Returns what is odd about the request and may lead somebody to the cause.
pub(super) fn hints(capture: &Capture, attempt: Option<&Attempt>) -> Vec<String> {
    let mut hints = Vec::new();
    let body = &capture.body;
    if let Some(at) = body.windows(3).position(|bytes| bytes == "\u{fffd}".as_bytes()) {
        hints.push(format!(
            "The body has the character U+FFFD at byte {at}: something decoded it as text and replaced what it could not \
             read, which cannot be undone"
        ));
    }
    if let Some(at) = body.iter().position(|byte| *byte == 0) {
        hints.push(format!("The body has a zero byte at byte {at}, which JSON never has"));
    }
    if let Some(encoding) = capture.text("content-encoding").map(str::to_ascii_lowercase)
        && ["br", "zstd", "compress"].contains(&encoding.as_str())
    {
        hints.push(format!(
            "Content-Encoding is {encoding}, which is not undone here: decompress the body first"
        ));
    }
    if let Some(announced) = content_length(capture)
        && announced > body.len()
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
    {
        hints.push(format!(
            "The body has {} bytes and Content-Length announced {announced}, but its JSON is whole: something wrote it anew",
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
        hints.push("The signature has letters of one case only, as if something had changed them".to_owned());
    }
    hints
}

fn content_length(capture: &Capture) -> Option<usize> {
    capture.text("content-length")?.parse().ok()
}
