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

/// The beginning of a body.
pub(super) struct Beginning {
    /// The text in lower case.
    pub(super) text: String,
    /// Whether the body is a web page. Frameworks declare also plain text as HTML.
    pub(super) is_page: bool,
    /// The part that can contain a reason: the error or the title of a web page, or the complete text.
    reason: String,
}

impl Beginning {
    pub(super) fn of(answer: &Answer) -> Self {
        let bytes = answer.body.get(..BEGINNING).unwrap_or(&answer.body);
        let original = String::from_utf8_lossy(bytes);
        let original =
            original.trim_matches(|character: char| character.is_whitespace() || character == '\u{feff}');
        let text = original.to_ascii_lowercase();
        let content_type = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let is_declared = has(&content_type, &["text/html", "application/xhtml"]);
        let is_page = text.starts_with("<!doctype html")
            || text.starts_with("<html")
            || (is_declared && text.starts_with('<'));
        let inside = |tag: &&str| {
            let begin = text.find(tag)? + tag.len();
            original.get(begin..)?.split('<').next()
        };
        let reason = match is_page {
            // Express shows errors in `pre`.
            true => ["<pre>", "<title>"].iter().find_map(inside).unwrap_or_default(),
            false => original,
        };
        Self { is_page, reason: reason.trim().to_owned(), text }
    }

    /// Returns the part that can contain a reason, in lower case.
    pub(super) fn reason(&self) -> String {
        self.reason.to_ascii_lowercase()
    }

    /// Quotes the part that can contain a reason, escaped for the terminal.
    pub(super) fn quoted(&self) -> String {
        printable(&self.reason, QUOTED)
    }
}

/// Returns whether the text contains one of the words.
pub(super) fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// Returns the letters of a text without some words.
pub(super) fn letters_without(text: &str, words: &[&str]) -> String {
    let letters: String = text.chars().filter(char::is_ascii_alphabetic).collect();
    words.iter().fold(letters, |rest, word| rest.replace(word, ""))
}

/// Returns whether a 404 comes from the application: its JSON has a text, and not the text of a router.
pub(super) fn is_404_of_application(answer: &Answer) -> bool {
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else { return false };
    let texts = leaves(&body).into_iter().filter_map(Value::as_str).map(str::to_ascii_lowercase);
    let mut is_of_router = texts
        .filter(|text| !text.is_empty())
        .map(|text| {
            // Also Nitro ("Cannot find any path matching", "Page not found: /x") and Flask ("was not found on the server").
            let of_routers = ["cannot post", "route", "endpoint", "cannot find any path", "page not found"];
            has(&text, &of_routers)
                || text.contains("not found on the server")
                || letters_without(&text, &["requested", "function", "resource", "page", "was"]) == "notfound"
        })
        .peekable();
    is_of_router.peek().is_some() && !is_of_router.any(|is_of_router| is_of_router)
}

/// Returns the values in JSON that contain no other values.
fn leaves(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().flat_map(leaves).collect(),
        Value::Object(members) => members.values().flat_map(leaves).collect(),
        leaf => vec![leaf],
    }
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
        ("error" | "errors", value) => leaves(value).into_iter().any(|value| match value {
            Value::Null => false,
            Value::Bool(failed) => *failed,
            Value::Number(count) => count.as_f64() != Some(0.0),
            text => text != "",
        }),
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
    let words = [
        "verification failed",
        "verification error",
        "could not verify",
        "failed to ",
        "mismatch",
        "not verified",
        "no matching signature",
        "invalid signature",
    ];
    text.len() <= MESSAGE && (first.iter().any(begins) || has(&text, &words))
}

/// Returns whether two responses do not differ, except for ids and times in their bodies.
///
/// Returns `None` if they differ only in other numbers: these can be counters and durations, or the result.
pub(crate) fn alike(one: &Answer, other: &Answer) -> Option<bool> {
    let is_same = |masks: fn(&str) -> bool| masked(&one.body, masks) == masked(&other.body, masks);
    let has_digit = |word: &str| word.contains(|character: char| character.is_ascii_digit());
    if one.status != other.status || one.header("location") != other.header("location") || !is_same(has_digit)
    {
        return Some(false);
    }
    is_same(is_id_or_time).then_some(true)
}

/// Returns whether a word is a time or a number of at least six digits, a UUID, or has a part of at least twelve
/// letters and digits, as ids have. Shorter parts can be a result, such as `E400` or `sha256`.
fn is_id_or_time(word: &str) -> bool {
    let is_digit = |character: char| character.is_ascii_digit();
    let is_random =
        |part: &str| part.len() >= 12 && part.contains(is_digit) && part.contains(char::is_alphabetic);
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_of_digits =
        digits >= 6 && !word.contains(|letter: char| letter.is_alphabetic() && !matches!(letter, 'T' | 'Z'));
    let is_uuid = word.len() == 36 && word.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-');
    is_of_digits || is_uuid || word.split(['_', '-']).any(is_random)
}

/// Returns the text with a mark instead of some words. A time such as `18:39:14.5` is one word.
fn masked(body: &[u8], masks: fn(&str) -> bool) -> String {
    let text = String::from_utf8_lossy(body);
    let (mut masked, mut word) = (String::new(), String::new());
    let mut characters = text.chars().chain(['\n']).peekable();
    while let Some(character) = characters.next() {
        let is_digit = |character: &char| character.is_ascii_digit();
        let is_in_time = matches!(character, ':' | '.')
            && word.ends_with(|before| is_digit(&before))
            && characters.peek().is_some_and(is_digit);
        if character.is_alphanumeric() || matches!(character, '_' | '-') || is_in_time {
            word.push(character);
        } else {
            masked.push_str(if masks(&word) { "#" } else { &word });
            masked.push(character);
            word.clear();
        }
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
            "Signature mismatch",
            "webhook verification error: x",
            "We could not verify the webhook",
            r#"{"errors":{"svix-id":["missing"]}}"#,
            r#"{"errors":2}"#,
        ] {
            assert!(reports_failure(&answer(body)), "{body}");
        }
        for body in [
            "",
            "OK",
            r#"{"success":true,"errors":[],"error":null,"message":"Webhook received"}"#,
            r#"{"received":true,"error":false,"code":0,"status":200}"#,
            r#"{"status":"success","message":"user.created handled"}"#,
            r#"{"success":true}"#,
            r#"{"error":null}"#,
            r#"{"errors":{"count":0}}"#,
            r#"{"errors":[{}],"error":""}"#,
            "errors: 0",
            "[]",
            "<p>Error",
        ] {
            assert!(!reports_failure(&answer(body)), "{body}");
        }
    }

    #[test]
    fn compares_responses_without_ids_and_times() {
        for (one, other, expected) in [
            ("OK", "OK", Some(true)),
            ("handled é msg_2aBcDeFgHiJkL.", "handled é msg_9zYxWvUtSrQpO.", Some(true)),
            (
                r#"{"id":"msg_2aBcDeFgHiJkL","at":1795800000}"#,
                r#"{"id":"msg_9zYxWvUtSrQpO","at":1795800001}"#,
                Some(true),
            ),
            ("5e9f0c6a-1d2b-4c3d-8e4f-a1b2c3d4e5f6", "00000000-aaaa-bbbb-cccc-dddddddddddd", Some(true)),
            ("at 2026-11-28T18:39:14.5Z", "at 2026-11-28T18:40:00.123Z", Some(true)),
            ("at 18:39:59", "at 18:40:00", Some(true)),
            // Short words can be a result.
            (r#"{"code":"A1"}"#, r#"{"code":"E0"}"#, None),
            ("accepted_sha256", "rejected_sha256", None),
            // A result, or the time that the response took.
            (r#"{"accepted":1}"#, r#"{"accepted":0}"#, None),
            (r#"{"id":"a1","ms":9}"#, r#"{"id":"b2","ms":12.5}"#, None),
            ("v1:accepted", "v1:rejected", Some(false)),
            ("OK", "Invalid", Some(false)),
            (r#"{"success":true}"#, r#"{"success":false}"#, Some(false)),
        ] {
            assert_eq!(alike(&answer(one), &answer(other)), expected, "{one} {other}");
        }
    }
}
