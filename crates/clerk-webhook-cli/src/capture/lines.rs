//! Reads the JSON lines that `clerk webhooks listen --json` prints.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Deserializer, Map, Value};

use super::request::Capture;

/// A line that `clerk webhooks listen --json` prints. Lines of types other than `event` describe the tunnel.
#[derive(Deserialize)]
struct Line {
    r#type: Option<String>,
    headers: Option<Map<String, Value>>,
    body_b64: Option<String>,
}

/// Reads a sequence of objects. Line breaks between them are optional.
pub(super) fn read(place: &str, bytes: &Bytes) -> Result<Vec<Capture>, String> {
    let mut captures = Vec::new();
    for (index, line) in Deserializer::from_slice(bytes).into_iter::<Line>().enumerate() {
        let number = index + 1;
        let line = line.map_err(|error| {
            format!("object {number} is not a line of `clerk webhooks listen --json`: {error}")
        })?;
        if line.r#type.as_deref().is_some_and(|kind| kind != "event") {
            continue;
        }
        let (Some(headers), Some(body)) = (line.headers, line.body_b64) else {
            return Err(format!(
                "object {number} has no \"headers\" or no \"body_b64\", so it is not a delivery that \
                 `clerk webhooks listen --json` printed"
            ));
        };
        let body =
            STANDARD.decode(body).map_err(|_| format!("\"body_b64\" of object {number} is not base64"))?;
        let fields: usize = headers.values().map(count).sum();
        if fields > MOST_FIELDS {
            return Err(format!(
                "object {number} has {fields} header fields, but at most {MOST_FIELDS} are allowed"
            ));
        }
        let headers = headers.into_iter().flat_map(|(name, value)| values(&name, value)).collect();
        captures.push(Capture {
            place: format!("{place}:{number}"),
            target: None,
            headers,
            body: body.into(),
            ..Capture::default()
        });
    }
    if captures.is_empty() {
        return Err(
            "no delivery found: expected the output of `clerk webhooks listen --json`. To capture deliveries with \
             `clerk-webhook listen`, use --record"
                .to_owned(),
        );
    }
    Ok(captures)
}

/// The maximum number of header fields of a request. Each value of an array becomes a field with a copy of
/// the name.
const MOST_FIELDS: usize = 1000;

fn count(value: &Value) -> usize {
    match value {
        Value::Array(several) => several.iter().map(count).sum(),
        _ => 1,
    }
}

fn values(name: &str, value: Value) -> Vec<(String, Vec<u8>)> {
    match value {
        Value::Array(several) => several.into_iter().flat_map(|value| values(name, value)).collect(),
        Value::String(text) => vec![(name.to_owned(), text.into_bytes())],
        Value::Null => Vec::new(),
        other => vec![(name.to_owned(), other.to_string().into_bytes())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(text: &'static str) -> Result<Vec<Capture>, String> {
        read("a.ndjson", &Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn reads_events_and_skips_lines_about_the_tunnel() {
        let lines = concat!(
            r#"{"type":"ready","url":"https://example.com"}"#,
            "\n",
            r#"{"type":"event","svix_id":"msg_1","event_type":"user.created","headers":{"svix-id":"msg_1","x-many":["a","b"],"svix-timestamp":1716883200},"body_b64":"e30=","forward_status":200}"#,
            "\n"
        );
        let captures = captures(lines).unwrap();
        let [capture] = captures.as_slice() else { panic!("{captures:?}") };
        assert_eq!(capture.place, "a.ndjson:2");
        assert_eq!(capture.text("svix-timestamp"), Some("1716883200"));
        assert_eq!(capture.header("X-Many").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(capture.body, "{}");
    }

    #[test]
    fn rejects_more_header_fields_than_the_limit() {
        let values = vec!["\"a\""; MOST_FIELDS + 1].join(",");
        let text = format!(r#"{{"headers":{{"svix-id":[{values}]}},"body_b64":"e30="}}"#);
        let error = read("a.ndjson", &Bytes::from(text)).unwrap_err();
        assert!(error.contains("1001 header fields"), "{error}");
    }

    #[test]
    fn explains_why_a_line_is_not_a_delivery() {
        for (text, expected) in [
            (r#"{"data":{},"type":"event"}"#, "no \"headers\""),
            (r#"{"headers":{},"body_b64":"?"}"#, "not base64"),
            (r#"{"type":"ready"}"#, "no delivery"),
            (r#"{"headers":1}"#, "object 1"),
        ] {
            let error = captures(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
