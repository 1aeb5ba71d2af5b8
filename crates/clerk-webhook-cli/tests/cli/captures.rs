//! `clerk-webhook verify` reads requests in the forms in which people log and paste them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::captured::CapturedRequest;
use crate::support::folder::File;
use crate::support::process::{Run, run, run_with};

const SECRET: &str = "whsec_c168qYorkjPPNE0O2qTHUAI0mPz1D3gA";
const EVENT: &str = r#"{"data":{"id":"user_1","first_name":"O'Zoë"},"object":"event","type":"user.created"}"#;

/// Verifies a file of `tests/field-cases/requests`.
fn verify(file: &str, secret: &str) -> Run {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/field-cases/requests");
    run_with(&["verify", "--any-age", &format!("{folder}/{file}")], Some(secret), b"")
}

#[test]
fn verdicts_on_requests_from_public_reports() {
    for (file, expected) in [
        ("authentic.http", &["authentic  user.deleted"][..]),
        ("capture-headers-and-body.json", &["authentic  user.deleted"]),
        ("capture-without-request-line.http", &["authentic  user.deleted"]),
        ("lambda-event-base64.json", &["authentic  user.deleted"]),
        ("lambda-event-plain.json", &["authentic  user.deleted"]),
        ("curl-d-hand-layout.http", &["line_breaks_dropped", "--data-binary", "the signature is"]),
        ("curl-d-one-member-a-line.http", &["line_breaks_dropped", "--data-binary", "the signature is"]),
        ("curl-d-pretty.http", &["line_breaks_dropped", "--data-binary", "the signature is"]),
        ("body-object-object.http", &["object_as_text", "[object", "cannot be restored"]),
        ("body-buffer-as-json.http", &["bytes_as_numbers", "the signature is valid"]),
        ("body-ascii-question-marks.http", &["nothing_fits", "question marks", "cannot be undone"]),
    ] {
        let output = verify(file, SECRET);
        assert_eq!(output.code, i32::from(expected.len() > 1), "{output:?}");
        for expected in expected {
            assert!(output.stdout.contains(expected), "{output:?}");
        }
        assert_eq!(output.stdout.contains("secret"), file == "body-ascii-question-marks.http", "{output:?}");
    }
}

#[test]
fn says_that_a_secret_is_encoded_once_more() {
    let encoded = STANDARD.encode(SECRET);
    for secret in
        [encoded.clone(), format!("whsec_{encoded}"), format!("whsec_{}", STANDARD.encode(&SECRET[6..]))]
    {
        let output = verify("authentic.http", &secret);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(output.code != 0 && said.contains("encoded"), "{output:?}");
        assert!(!said.contains("another endpoint") && !said.contains(&secret), "{output:?}");
    }
}

fn request() -> CapturedRequest {
    CapturedRequest::of(EVENT)
}

/// Returns the three headers as members of an object, changed by a function.
fn headers(of: impl Fn(&str) -> Value) -> Value {
    let request = request();
    request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), of(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

#[test]
fn reads_requests_in_json() {
    let text = || headers(|value| Value::from(value));
    let pairs: Vec<_> = request().headers.into_iter().map(|(name, value)| json!([name, value])).collect();
    let named: Vec<_> =
        request().headers.into_iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    let flat: Vec<_> = request().headers.into_iter().flat_map(|(name, value)| [name, value]).collect();
    let lines: Vec<_> = request().headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let cgi: std::collections::BTreeMap<_, _> = request()
        .headers
        .into_iter()
        .map(|(name, value)| (format!("HTTP_{}", name.to_uppercase().replace('-', "_")), value))
        .collect();
    let base64 = STANDARD.encode(EVENT);
    let other =
        json!({"request": {"method": "GET", "url": "http://localhost/", "headers": [], "postData": null}});
    let in_folders = (0..4).fold(
        json!({"request": {"header": named, "body": {"raw": EVENT}}}),
        |inner, _| json!({"item": [inner]}),
    );
    let har = |data: Value| {
        let entry = json!({"request": {"method": "POST", "url": "http://a/", "headers": named.clone(), "postData": data}});
        json!({"log": {"version": "1.2", "entries": [other.clone(), entry, {"request": {"postData": {"text": ""}}}]}})
    };
    for capture in [
        // API Gateway with payload formats 1.0 and 2.0, and a load balancer.
        json!({"httpMethod": "POST", "path": "/hook", "headers": text(), "multiValueHeaders": null, "body": EVENT,
               "isBase64Encoded": false}),
        json!({"httpMethod": "POST", "path": "/hook", "headers": {"svix-id": "other"},
               "multiValueHeaders": headers(|value| json!([value])), "body": base64, "isBase64Encoded": true}),
        json!({"version": "2.0", "rawPath": "/hook", "headers": text(), "body": base64, "isBase64Encoded": true}),
        json!({"multiValueHeaders": headers(|value| json!([value])), "body": EVENT, "isBase64Encoded": false}),
        // Objects as people log them.
        json!({"headers": text(), "body": EVENT}),
        json!({"headers": pairs, "body": EVENT}),
        json!({"headers": named.clone(), "body": EVENT}),
        json!({"headers": flat, "rawBody": EVENT, "body": {"parsed": true}}),
        json!({"headers": lines, "body": EVENT}),
        json!({"rawHeaders": flat, "body": EVENT}),
        json!({"headers": cgi, "body": EVENT}),
        json!({"headers": text(), "body": {"type": "Buffer", "data": EVENT.as_bytes()}}),
        json!({"headers": text(), "rawBody": "", "body": EVENT}),
        json!({"event": {"name": "received"}, "req": {"headers": text(), "body": EVENT}}),
        json!({"request": {"headers": text(), "body": EVENT}}),
        json!({"level": 30, "req": {"method": "POST", "url": "/hook", "headers": text(), "body": EVENT}}),
        json!({"outcome": "ok", "event": {"request": {"headers": text(), "body": EVENT}}}),
        // CloudFront, ngrok, Postman, Insomnia and Charles.
        json!({"Records": [{"cf": {"request": {"uri": "/hook", "headers": headers(|value| json!([{"key": "K", "value": value}])),
               "body": {"action": "read-only", "data": base64, "encoding": "base64", "inputTruncated": false}}}}]}),
        json!({"headers": headers(|value| json!({"value": value})), "body": EVENT}),
        json!({"requests": [{"uri": "/hook", "request": {"headers": headers(|value| json!([value])),
               "raw": STANDARD.encode(request().http())}, "response": {"raw": ""}}]}),
        json!({"info": {"name": "hooks"}, "item": [{"name": "hook", "request": {"method": "POST", "header": named,
               "body": {"mode": "raw", "raw": EVENT}, "url": {"raw": "http://a/"}}}]}),
        in_folders,
        json!({"_type": "export", "resources": [{"_type": "workspace", "name": "a"},
               {"_type": "request", "url": "/hook", "headers": named, "body": {"mimeType": "a", "text": EVENT}}]}),
        json!([{"method": "POST", "path": "/hook", "request": {"header": {"firstLine": "POST /", "headers": named},
               "body": {"text": EVENT, "charset": null}}}]),
        json!([{"headers": text(), "body": EVENT}]),
        har(json!({"mimeType": "application/json", "text": EVENT})),
        har(json!({"mimeType": "application/json", "text": base64, "encoding": "base64"})),
    ] {
        let file = File::new("capture.json", capture.to_string().as_bytes());
        let output = run(&["verify", "--json", file.path()]);
        assert_eq!(output.code, 0, "{capture}\n{output:?}");
        assert_eq!(output.objects()[0]["verdict"], "authentic", "{output:?}");
    }
    // A parsed body is judged by its text.
    let parsed = json!({"headers": text(), "body": serde_json::from_str::<Value>(EVENT).unwrap()});
    let output = run_with(
        &["verify", "--json", "-"],
        Some(crate::support::process::SECRET),
        parsed.to_string().as_bytes(),
    );
    assert_eq!(output.objects()[0]["cause"], "nothing_fits", "{output:?}");
}

#[test]
fn reads_commands_and_pasted_requests() {
    let request = request();
    let lines = |separator: &str| {
        let lines: Vec<_> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.join(separator)
    };
    let single = EVENT.replace('\'', "'\\''");
    let dollar = EVENT.replace('\'', "\\'").replace('ë', "\\u00eb");
    let double = EVENT.replace('"', "\\\"");
    for text in [
        format!("curl 'http://localhost:3000/hook' -X POST -H '{}' --data-raw '{single}'\n", lines("' -H '")),
        format!(
            "$ curl http://a/ \\\n  --header \"{}\" \\\n  -d \"{double}\"",
            lines("\" \\\n  --header \"")
        ),
        format!("curl http://a/ -H '{}' --data-binary $'{dollar}' | jq", lines("' -H '")),
        format!("{}\n\n{EVENT}", lines("\n")),
        format!(":method: POST\r\n:path: /hook\r\n:authority: a\r\n{}\r\n\r\n{EVENT}", lines("\r\n")),
    ] {
        let file = File::new("capture.txt", text.as_bytes());
        let output = run(&["verify", file.path()]);
        assert_eq!(output.code, 0, "{text}\n{output:?}");
    }
}

#[test]
fn reads_the_command_that_sign_prints() {
    let signed = run_with(&["sign", "--format", "curl"], Some(SECRET), EVENT.as_bytes());
    let output = run_with(&["verify", "-"], Some(SECRET), signed.stdout.as_bytes());
    assert_eq!(output.code, 0, "{signed:?} {output:?}");
}

#[test]
fn explains_how_to_convert_other_formats() {
    let request_line = "Write the request as a line such as POST /webhooks/clerk HTTP/1.1";
    let wrapped = "expected an object such as {\"headers\": {\"svix-id\": \"…\"}, \"body\": \"…\"}";
    let print = "print it with JSON.stringify or json.dumps, with the exact body as a string";
    for (text, expected) in [
        ("hello", request_line),
        (EVENT, "`clerk-webhook verify` with --body, and the headers with --id, --timestamp and --signature"),
        ("{\"headers\":{}}", wrapped),
        ("curl http://a -d @body.json", "body.json: pass this file to `clerk-webhook verify` with --body"),
        ("<html>", request_line),
        // console.log of an object and of Headers in Node.js, and the entries of Headers.
        ("{\n  headers: {\n    'svix-id': 'msg_1'\n  },\n  body: { type: 'user.created' }\n}", print),
        ("Headers {\n  'svix-id': 'msg_1'\n}", request_line),
        ("[['svix-id', 'msg_1']]", print),
        ("[[\"svix-id\",\"msg_1\"]]", wrapped),
        ("{\"svix-id\":\"msg_1\",\"svix-timestamp\":\"1\"}", wrapped),
        // Python, Ruby, PHP and Go.
        ("{'HTTP_SVIX_ID': 'msg_1'}", print),
        ("Headers({'svix-id': 'msg_1'})", request_line),
        ("{\"HTTP_SVIX_ID\"=>\"msg_1\"}", print),
        ("Array\n(\n    [HTTP_SVIX_ID] => msg_1\n)\n", request_line),
        ("map[Svix-Id:[msg_1] Svix-Timestamp:[1]]", request_line),
        // Logs, mitmproxy, and headers without a body.
        ("2026-11-28T10:00:00Z INFO webhook\n\n{}", request_line),
        ("{\"level\":\"info\",\"message\":\"webhook\",\"requestPath\":\"/hook\"}", wrapped),
        ("1432:9:websocket;0:~8:response;", request_line),
        ("host: a\nsvix-id: msg_1", "no empty line and no body follow the headers. Write the request"),
        ("\u{feff}", request_line),
    ] {
        let output = run_with(&["verify", "-"], Some(SECRET), text.as_bytes());
        assert_eq!(output.code, 2, "{output:?}");
        assert!(output.stderr.contains(expected), "{output:?}");
    }
    let utf_16: Vec<u8> = "\u{feff}POST / HTTP/1.1".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let output = run_with(&["verify", "-"], Some(SECRET), &utf_16);
    assert!(
        output.code == 2 && output.stderr.contains("is encoded as UTF-16. Save it as UTF-8"),
        "{output:?}"
    );
}
