//! The body of a response.

use serde_json::Value;

use crate::output::printable;
use crate::send::client::Answer;

/// The length of the beginning of a body in which texts are searched, in bytes.
const BEGINNING: usize = 4096;

/// The maximum length of a quotation from a body, in characters.
const QUOTED: usize = 80;

/// The maximum length of a text that can be a message about a failure, in bytes.
const MESSAGE: usize = 200;

/// Returns the beginning of the body in lower case.
pub(super) fn beginning(answer: &Answer) -> String {
    let end = answer.body.len().min(BEGINNING);
    String::from_utf8_lossy(answer.body.get(..end).unwrap_or_default()).trim().to_ascii_lowercase()
}

/// Returns whether the text contains one of the words.
pub(super) fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// Returns whether the response is a web page.
pub(super) fn is_page(answer: &Answer, text: &str) -> bool {
    let declared = answer.header("content-type").is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.starts_with("text/html") || value.starts_with("application/xhtml")
    });
    declared || text.starts_with("<!doctype html") || text.starts_with("<html")
}

/// Quotes the beginning of the body, escaped for the terminal.
pub(super) fn quoted(answer: &Answer) -> String {
    printable(answer.body.trim_ascii(), QUOTED)
}

/// Returns whether the body of a response reports a failure.
pub(super) fn reports_failure(answer: &Answer) -> bool {
    match serde_json::from_slice(&answer.body) {
        Ok(Value::Object(members)) => members.iter().any(|(name, value)| says_failure(name, value)),
        Ok(Value::String(text)) => is_failure(&text),
        Ok(_) => false,
        Err(_) => is_failure(&String::from_utf8_lossy(&answer.body)),
    }
}

fn says_failure(name: &str, value: &Value) -> bool {
    match (name.to_ascii_lowercase().as_str(), value) {
        ("success" | "ok" | "valid" | "verified" | "received", Value::Bool(held)) => !held,
        ("error" | "errors", Value::Bool(failed)) => *failed,
        ("error" | "errors", Value::String(text)) => !text.is_empty(),
        ("error" | "errors", Value::Array(list)) => !list.is_empty(),
        ("error" | "errors", Value::Object(members)) => !members.is_empty(),
        ("status" | "statuscode" | "status_code" | "code", Value::Number(code)) => {
            code.as_u64().is_some_and(|code| (400..600).contains(&code))
        }
        ("status" | "result", Value::String(word)) => {
            let word = word.to_ascii_lowercase();
            matches!(word.as_str(), "error" | "fail" | "failed" | "failure") || is_failure(&word)
        }
        ("message" | "msg" | "detail" | "body", Value::String(text)) => is_failure(text),
        _ => false,
    }
}

/// Returns whether a text is a message about a failure.
fn is_failure(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    let begins = |word: &&str| {
        text.strip_prefix(*word)
            .is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
    };
    let first = ["error", "invalid", "missing", "unauthorized", "forbidden", "bad request", "webhook error"];
    let words =
        ["verification failed", "failed to ", "not verified", "no matching signature", "invalid signature"];
    text.len() <= MESSAGE && (first.iter().any(begins) || has(&text, &words))
}

/// Returns whether two responses do not differ, except for ids, numbers, and times in their bodies.
pub(crate) fn alike(one: &Answer, other: &Answer) -> bool {
    one.status == other.status
        && one.header("location") == other.header("location")
        && masked(&one.body) == masked(&other.body)
}

/// Returns the text with a mark instead of each word that contains a digit.
fn masked(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '-');
    let mut masked = String::new();
    for piece in text.split_inclusive(|character| !is_part(character)) {
        let word = piece.trim_end_matches(|character| !is_part(character));
        let has_digit = word.contains(|character: char| character.is_ascii_digit());
        masked.push_str(if has_digit { "#" } else { word });
        masked.push_str(piece.strip_prefix(word).unwrap_or_default());
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str) -> Answer {
        Answer {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
            body: body.to_owned().into(),
            elapsed: std::time::Duration::ZERO,
            sent_as_svix: true,
        }
    }

    #[test]
    fn recognizes_a_body_that_reports_a_failure() {
        for body in [
            r#"{"success":false,"message":"Missing required headers"}"#,
            r#"{"ok":false}"#,
            r#"{"error":"Webhook secret not set"}"#,
            r#"{"errors":[{"message":"x"}]}"#,
            r#"{"statusCode":400,"body":"{}"}"#,
            r#"{"status":"error"}"#,
            r#"{"message":"Invalid signature"}"#,
            r#""Unauthorized""#,
            "Error occurred",
            "Webhook Error: No matching signature found",
            "Signature verification failed",
        ] {
            assert!(reports_failure(&answer(body)), "{body}");
        }
        for body in [
            "",
            "OK",
            r#"{"success":true,"errors":[],"error":null,"message":"Webhook received"}"#,
            r#"{"received":true,"error":false,"code":0,"status":200}"#,
            r#"{"status":"success","message":"user.created handled"}"#,
            "errors: 0",
            "[]",
            "<p>Error",
        ] {
            assert!(!reports_failure(&answer(body)), "{body}");
        }
    }

    #[test]
    fn compares_responses_without_ids_and_numbers() {
        for (one, other, expected) in [
            (r#"{"id":"msg_2aB","at":12.5}"#, r#"{"id":"msg_9zzz1","at":130.25}"#, true),
            ("OK", "OK", true),
            ("handled é msg_1.", "handled é msg_2.", true),
            ("OK", "Invalid", false),
            (r#"{"success":true}"#, r#"{"success":false}"#, false),
        ] {
            assert_eq!(alike(&answer(one), &answer(other)), expected, "{one} {other}");
        }
    }
}
