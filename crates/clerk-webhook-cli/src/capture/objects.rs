//! Reads requests from JSON: lines of `clerk webhooks listen --json`, events of functions, objects with headers
//! and a body, HAR files, and exports of HTTP clients.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Deserializer, Value};

use super::http_file::{self, CONVERT};
use super::request::Capture;

/// The maximum number of header fields of a request. Each value of an array becomes a field with a copy of
/// the name.
const MOST_FIELDS: usize = 1000;

/// The maximum number of objects and arrays around a request: HAR files have four, and folders of HTTP clients add two each.
const MOST_LEVELS: usize = 12;

/// The members in which programs store the headers, the likeliest first. `multiValueHeaders` has all values of
/// repeated headers.
const HEADERS: [&str; 4] = ["multiValueHeaders", "headers", "rawHeaders", "header"];
const BODIES: [&str; 3] = ["rawBody", "body", "postData"];
const TARGETS: [&str; 4] = ["rawPath", "path", "url", "uri"];

/// The members around a request: of HAR files, ngrok, Lambda@Edge, Postman, Insomnia, and logs.
const AROUND: [&str; 10] =
    ["request", "req", "event", "log", "entries", "requests", "Records", "cf", "item", "resources"];

/// The members of an object.
struct Members<'t>(BTreeMap<String, &'t RawValue>);

impl<'t> Members<'t> {
    /// Returns the first of these members that has a value, with empty values last.
    fn first(&self, names: &[&str]) -> Option<&'t RawValue> {
        let values = || names.iter().filter_map(|name| self.0.get(*name).copied());
        let has_content = |value: &&RawValue| !matches!(value.get(), "null" | "{}" | "[]" | "\"\"");
        values().find(has_content).or_else(|| values().find(|value| value.get() != "null"))
    }

    fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }
}

/// Reads a sequence of objects. Line breaks between them are optional. The place of a request contains the
/// number of its object if the file can contain several.
pub(super) fn read(place: &str, bytes: &Bytes) -> Result<Vec<Capture>, String> {
    let mut captures = Vec::new();
    for (index, text) in Deserializer::from_slice(bytes).into_iter::<&RawValue>().enumerate() {
        let number = index + 1;
        let text = text.map_err(|error| {
            format!(
                "object {number} is not JSON: {error}. If a program printed an object, print it with JSON.stringify or \
                 json.dumps, with the exact body as a string. {CONVERT}"
            )
        })?;
        let values: Vec<&RawValue> = serde_json::from_str(text.get()).unwrap_or_else(|_| vec![text]);
        let mut of_object = Vec::new();
        for value in values {
            of_object.extend(requests(value, 0).map_err(|why| format!("object {number} {why}"))?);
        }
        let is_one = of_object.len() == 1;
        captures.extend(of_object.into_iter().zip(1..).map(|(mut capture, index)| {
            let index = if is_one { String::new() } else { format!("[{index}]") };
            capture.place = format!("{place}:{number}{index}");
            capture
        }));
    }
    if captures.is_empty() {
        return Err(format!(
            "no delivery found: {EXPECTED}. To capture deliveries, use `clerk-webhook listen --record`"
        ));
    }
    Ok(captures)
}

const EXPECTED: &str = "expected an object such as {\"headers\": {\"svix-id\": \"…\"}, \"body\": \"…\"}, an event of API \
                        Gateway, a HAR file, or the output of `clerk webhooks listen --json`";

/// Reads the requests in an object, or in an array inside an object.
fn requests(value: &RawValue, level: usize) -> Result<Vec<Capture>, String> {
    let no_headers = || Err(format!("has no \"headers\": {EXPECTED}"));
    if level > MOST_LEVELS {
        return no_headers();
    }
    if level > 0
        && let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(value.get())
    {
        if let [value] = *values {
            return requests(value, level + 1);
        }
        // Most entries are other requests, without a body.
        let found = values.into_iter().filter_map(|value| requests(value, level + 1).ok()).flatten();
        let is_delivery = |(name, _): &(String, Vec<u8>)| name.to_ascii_lowercase().ends_with("-signature");
        return Ok(found.filter(|capture| capture.headers.iter().any(is_delivery)).collect());
    }
    let members = serde_json::from_str(value.get()).map(Members);
    let members = members.map_err(|_| format!("is not a request: {EXPECTED}"))?;
    if let Some(headers) = members.first(&HEADERS) {
        return capture(&members, headers).map(|capture| vec![capture]);
    }
    let around = AROUND.iter().filter_map(|name| members.0.get(*name));
    let mut found: Option<Result<Vec<_>, _>> = None;
    for inner in around.filter(|inner| inner.get().starts_with(['{', '['])) {
        match requests(inner, level + 1) {
            Ok(requests) if !requests.is_empty() => return Ok(requests),
            other => found = found.or(Some(other)),
        }
    }
    if let Some(found) = found {
        return found;
    }
    match members.text("type").as_deref() {
        Some("event") | None => no_headers(),
        Some(kind) if kind.contains('.') => Err(
            "is the body of an event without its headers. To verify the body, pass the file to `clerk-webhook verify` \
             with --body, and the headers with --id, --timestamp and --signature. To send your own body, use \
             `clerk-webhook trigger --file`"
                .to_owned(),
        ),
        Some(_) => Ok(Vec::new()),
    }
}

fn capture(members: &Members<'_>, headers: &RawValue) -> Result<Capture, String> {
    // Charles writes an object with the headers and the first line.
    let inner = serde_json::from_str::<BTreeMap<String, &RawValue>>(headers.get()).ok();
    let headers = inner.and_then(|inner| inner.get("headers").copied()).unwrap_or(headers);
    let headers = fields(serde_json::from_str(headers.get()).unwrap_or_default())?;
    let is_base64 = members.0.get("isBase64Encoded").is_some_and(|value| value.get() == "true");
    let body = match (members.text("body_b64"), members.first(&BODIES), members.text("raw")) {
        (Some(text), ..) => decoded(&text, "body_b64")?,
        (None, Some(body), _) => body_of(body, is_base64)?,
        // The inspector of ngrok has the complete request.
        (None, None, Some(raw)) => return http_file::read("", &decoded(&raw, "raw")?),
        (None, None, None) => return Err(format!("has no \"body\" and no \"body_b64\": {EXPECTED}")),
    };
    let target = TARGETS.iter().find_map(|name| members.text(name));
    Ok(Capture { target, headers, body, ..Capture::default() })
}

/// Reads a string, a Buffer of Node.js, the text in an object of an export, or an object that was parsed.
fn body_of(body: &RawValue, is_base64: bool) -> Result<Bytes, String> {
    #[derive(Deserialize)]
    struct Buffer {
        data: Vec<u8>,
    }
    #[derive(Deserialize)]
    struct Exported {
        #[serde(alias = "data", alias = "raw")]
        text: String,
        encoding: Option<String>,
    }
    if let Ok(buffer) = serde_json::from_str::<Buffer>(body.get()) {
        return Ok(buffer.data.into());
    }
    let text = serde_json::from_str(body.get()).map(|text| Exported { text, encoding: None });
    match text.or_else(|_| serde_json::from_str(body.get())) {
        Ok(Exported { text, encoding }) if is_base64 || encoding.as_deref() == Some("base64") => {
            decoded(&text, "body")
        }
        Ok(Exported { text, .. }) => Ok(text.into()),
        // A parsed body: the diagnosis tells whether its text is the text that was signed.
        Err(_) => Ok(body.get().to_owned().into()),
    }
}

fn decoded(text: &str, name: &str) -> Result<Bytes, String> {
    STANDARD.decode(text).map(Bytes::from).map_err(|_| format!("has a \"{name}\" that is not base64"))
}

/// Reads headers from an object, from pairs, from objects with `name` and `value`, from lines, or from a flat
/// array of names and values.
fn fields(headers: Value) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut fields = Vec::new();
    match headers {
        Value::Object(headers) => {
            for (name, value) in headers {
                add(&mut fields, &name, value)?;
            }
        }
        Value::Array(headers) if headers.iter().all(Value::is_string) => {
            let texts: Vec<_> = headers.iter().filter_map(Value::as_str).collect();
            let lines = texts.iter().map(|text| text.split_once(':').filter(|(name, _)| !name.is_empty()));
            if let Some(lines) = lines.collect::<Option<Vec<_>>>() {
                lines
                    .into_iter()
                    .try_for_each(|(name, value)| add(&mut fields, name, value.trim().into()))?;
            } else if let (pairs, []) = texts.as_chunks::<2>() {
                pairs.iter().try_for_each(|[name, value]| add(&mut fields, name, (*value).into()))?;
            } else {
                return Err("has a header without a name or a value".to_owned());
            }
        }
        Value::Array(headers) => {
            for header in headers {
                let (name, value) = match &header {
                    Value::Array(pair) => (pair.first(), pair.get(1)),
                    other => (other.get("name").or_else(|| other.get("key")), other.get("value")),
                };
                let (Some(name), Some(value)) = (name.and_then(Value::as_str), value) else {
                    return Err("has a header without a name or a value".to_owned());
                };
                add(&mut fields, name, value.clone())?;
            }
        }
        _ => return Err("has \"headers\" that are neither an object nor an array".to_owned()),
    }
    Ok(fields)
}

fn add(fields: &mut Vec<(String, Vec<u8>)>, name: &str, value: Value) -> Result<(), String> {
    if fields.len() == MOST_FIELDS {
        return Err(format!("has more than {MOST_FIELDS} header fields"));
    }
    match value {
        Value::Array(several) => return several.into_iter().try_for_each(|value| add(fields, name, value)),
        // CloudFront: `{"value": "…"}`.
        Value::Object(mut object) => {
            let value = object.remove("multiValue").or_else(|| object.remove("value"));
            let value = value.ok_or("has a header without a name or a value")?;
            return add(fields, name, value);
        }
        Value::String(text) => fields.push((self::name(name), text.into_bytes())),
        Value::Null => {}
        other => fields.push((self::name(name), other.to_string().into_bytes())),
    }
    Ok(())
}

/// Returns the name of a header, also if it is a variable of CGI or WSGI: `HTTP_SVIX_ID`.
fn name(text: &str) -> String {
    match text.strip_prefix("HTTP_") {
        Some(name) => name.to_ascii_lowercase().replace('_', "-"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(text: &str) -> Result<Vec<Capture>, String> {
        read("a.json", &Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn reads_headers_in_every_supported_form() {
        for headers in [
            r#"{"Svix-Id":"msg_1","x-many":["a","b"],"svix-timestamp":1716883200}"#,
            r#"[["Svix-Id","msg_1"],["x-many","a"],["x-many","b"],["svix-timestamp","1716883200"]]"#,
            r#"["Svix-Id","msg_1","x-many","a","x-many","b","svix-timestamp","1716883200"]"#,
            r#"["Svix-Id: msg_1","x-many: a","x-many:b","svix-timestamp: 1716883200"]"#,
            r#"{"HTTP_SVIX_ID":"msg_1","HTTP_X_MANY":["a","b"],"HTTP_SVIX_TIMESTAMP":"1716883200"}"#,
            r#"{"svix-id":[{"key":"Svix-Id","value":"msg_1"}],"svix-timestamp":{"value":"1716883200"},
                "x-many":{"value":"a","multiValue":[{"value":"a"},{"value":"b"}]}}"#,
            r#"[{"name":"Svix-Id","value":"msg_1"},{"name":"x-many","value":["a","b"]},
                {"key":"svix-timestamp","value":"1716883200"}]"#,
        ] {
            let captures =
                captures(&format!(r#"{{"type":"ready"}}{{"headers":{headers},"body":"{{}}"}}"#)).unwrap();
            let [capture] = captures.as_slice() else { panic!("{captures:?}") };
            assert_eq!(capture.place, "a.json:2");
            assert_eq!(
                (capture.text("svix-id"), capture.text("svix-timestamp")),
                (Some("msg_1"), Some("1716883200"))
            );
            assert_eq!(capture.header("X-Many").collect::<Vec<_>>(), [b"a", b"b"]);
            assert_eq!(capture.body, "{}");
        }
    }

    #[test]
    fn explains_why_an_object_is_not_a_delivery() {
        let many = format!(r#"{{"headers":{{"svix-id":[{}1]}},"body":""}}"#, "1,".repeat(MOST_FIELDS));
        let nested =
            format!(r#"{}{{"headers":{{}}}}{}"#, r#"{"request":"#.repeat(10_000), "}".repeat(10_000));
        for (text, expected) in [
            (r#"{"data":{},"type":"event"}"#, "no \"headers\""),
            (
                r#"{"data":{},"type":"user.created"}"#,
                "without its headers. To verify the body, pass the file to",
            ),
            (r#"{"headers":{}}"#, "no \"body\""),
            (r#"{"headers":{},"body_b64":"?"}"#, "not base64"),
            (r#"{"headers":{},"body":"?","isBase64Encoded":true}"#, "not base64"),
            (r#"{"type":"ready"}"#, "no delivery"),
            (r#"{"headers":1,"body":""}"#, "neither an object nor an array"),
            (r#"{"headers":[{}],"body":""}"#, "without a name"),
            (r#"{"log":{"entries":[{"request":{"headers":[],"url":"/"}}]}}"#, "no \"body\""),
            (r#"{"log":{"entries":[{"request":{}},{"request":{}}]}}"#, "no delivery"),
            (r#"{"headers":["svix-id","msg_1","svix-timestamp"],"body":""}"#, "without a name or a value"),
            (r#"{"headers":{"svix-id":{"text":"msg_1"}},"body":""}"#, "without a name or a value"),
            (&many, "more than 1000 header fields"),
            (&nested, "no \"headers\""),
            ("{", "object 1"),
        ] {
            let error = captures(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
