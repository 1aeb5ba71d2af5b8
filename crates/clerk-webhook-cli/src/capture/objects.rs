//! Reads requests from JSON: lines of `clerk webhooks listen --json`, API Gateway events, objects with headers
//! and a body, and HAR files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Deserializer, Value};

use super::request::Capture;

/// The maximum number of header fields of a request. Each value of an array becomes a field with a copy of
/// the name.
const MOST_FIELDS: usize = 1000;

/// The members in which programs store a request. All formats are read alike.
#[derive(Deserialize)]
struct Object<'t> {
    #[serde(borrow)]
    r#type: Option<&'t RawValue>,
    headers: Option<Value>,
    /// All values of repeated headers, in API Gateway's payload format 1.0.
    #[serde(rename = "multiValueHeaders")]
    all_headers: Option<Value>,
    body_b64: Option<String>,
    #[serde(borrow)]
    body: Option<&'t RawValue>,
    #[serde(borrow, rename = "rawBody")]
    raw_body: Option<&'t RawValue>,
    #[serde(rename = "isBase64Encoded")]
    is_base64: Option<bool>,
    #[serde(rename = "rawPath")]
    raw_path: Option<Value>,
    path: Option<Value>,
    url: Option<Value>,
    /// An object that contains the request.
    #[serde(borrow)]
    request: Option<&'t RawValue>,
    #[serde(rename = "postData")]
    post_data: Option<PostData>,
    #[serde(borrow)]
    log: Option<&'t RawValue>,
}

/// The body of a request in a HAR file.
#[derive(Deserialize)]
struct PostData {
    #[serde(default)]
    text: String,
    encoding: Option<String>,
}

#[derive(Deserialize)]
struct HarLog<'t> {
    #[serde(borrow)]
    entries: Vec<&'t RawValue>,
}

/// Reads a sequence of objects. Line breaks between them are optional. The place of a request contains the
/// number of its object if the file can contain several.
pub(super) fn read(place: &str, bytes: &Bytes) -> Result<Vec<Capture>, String> {
    let mut captures = Vec::new();
    for (index, text) in Deserializer::from_slice(bytes).into_iter::<&RawValue>().enumerate() {
        let number = index + 1;
        let text = text.map_err(|error| format!("object {number} is not JSON: {error}"))?;
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

/// Reads the requests in an object. In a HAR file, a request is two objects deep.
fn requests(value: &RawValue, depth: usize) -> Result<Vec<Capture>, String> {
    let object: Object<'_> = serde_json::from_str(value.get())
        .map_err(|error| format!("is not a request: {error}; {EXPECTED}"))?;
    if depth == 0
        && let Some(log) = object.log.and_then(|log| serde_json::from_str::<HarLog<'_>>(log.get()).ok())
    {
        // Most entries are other requests, without a body.
        let found = log.entries.into_iter().filter_map(|entry| requests(entry, depth + 1).ok()).flatten();
        let is_delivery = |(name, _): &(String, Vec<u8>)| name.to_ascii_lowercase().ends_with("-signature");
        return Ok(found.filter(|capture| capture.headers.iter().any(is_delivery)).collect());
    }
    if object.headers.is_none()
        && object.all_headers.is_none()
        && depth < 2
        && let Some(request) = object.request
    {
        return requests(request, depth + 1);
    }
    let is_event = object.r#type.is_none_or(|kind| kind.get() == "\"event\"");
    let has_headers = object.headers.is_some() || object.all_headers.is_some();
    if !is_event && !has_headers {
        return match object.r#type.map(|kind| kind.get().contains('.')) {
            Some(true) => Err(
                "is the body of an event without its headers: pass the file with --body, and the headers \
                               with --id, --timestamp and --signature"
                    .to_owned(),
            ),
            _ => Ok(Vec::new()),
        };
    }
    capture(object).map(|capture| vec![capture])
}

fn capture(object: Object<'_>) -> Result<Capture, String> {
    let headers = object
        .all_headers
        .filter(|all| !all.is_null() && all.as_object().is_none_or(|all| !all.is_empty()))
        .or(object.headers);
    let headers = fields(headers.ok_or_else(|| format!("has no \"headers\": {EXPECTED}"))?)?;
    let decoded = |text: &str, name: &str| {
        STANDARD.decode(text).map(Bytes::from).map_err(|_| format!("has a \"{name}\" that is not base64"))
    };
    let body = object.raw_body.or(object.body);
    let body = match (&object.body_b64, body, &object.post_data) {
        (Some(text), ..) => decoded(text, "body_b64")?,
        (None, Some(body), _) => match serde_json::from_str::<String>(body.get()) {
            Ok(text) if object.is_base64 == Some(true) => decoded(&text, "body")?,
            Ok(text) => text.into(),
            // A parsed body: the diagnosis tells whether its text is the text that was signed.
            Err(_) => body.get().to_owned().into(),
        },
        (None, None, Some(PostData { text, encoding })) => match encoding.as_deref() {
            Some("base64") => decoded(text, "text")?,
            _ => text.clone().into(),
        },
        (None, None, None) => return Err(format!("has no \"body\" and no \"body_b64\": {EXPECTED}")),
    };
    let target = [object.raw_path, object.path, object.url].into_iter().flatten();
    let target = target.filter_map(|target| target.as_str().map(str::to_owned)).next();
    Ok(Capture { target, headers, body, ..Capture::default() })
}

/// Reads headers from an object, from pairs, from objects with `name` and `value`, or from a flat array of
/// names and values.
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
            for (name, value) in texts.as_chunks::<2>().0.iter().map(|[name, value]| (name, value)) {
                add(&mut fields, name, Value::from(*value))?;
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
        Value::String(text) => fields.push((name.to_owned(), text.into_bytes())),
        Value::Null => {}
        other => fields.push((name.to_owned(), other.to_string().into_bytes())),
    }
    Ok(())
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
            (r#"{"data":{},"type":"user.created"}"#, "without its headers: pass the file with --body"),
            (r#"{"headers":{}}"#, "no \"body\""),
            (r#"{"headers":{},"body_b64":"?"}"#, "not base64"),
            (r#"{"headers":{},"body":"?","isBase64Encoded":true}"#, "not base64"),
            (r#"{"type":"ready"}"#, "no delivery"),
            (r#"{"headers":1,"body":""}"#, "neither an object nor an array"),
            (r#"{"headers":[{}],"body":""}"#, "without a name"),
            (r#"{"log":{"entries":[{"request":{"headers":[],"url":"/"}}]}}"#, "no delivery"),
            (&many, "more than 1000 header fields"),
            (&nested, "no \"headers\""),
            ("{", "object 1"),
        ] {
            let error = captures(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
