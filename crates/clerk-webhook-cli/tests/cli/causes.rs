//! `clerk-webhook verify` names the cause of each broken delivery, or says that it is unknown.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE, URL_SAFE_NO_PAD,
};
use clerk_webhook_test::{Delivery, SECRET};
use flate2::Compression;
use flate2::read::{GzEncoder, ZlibEncoder};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::io::Read;

use crate::support::captured::CapturedRequest;
use crate::support::process::run_with;

/// An event with everything that serializers treat differently: accents, slashes, HTML special characters,
/// floats.
const EVENT: &str = concat!(
    r#"{"data":{"first_name":"Zoë & <Ada>","image_url":"https://img.clerk.com/a?b=1&c=2","#,
    r#""last_sign_in_at":null,"ratio":0.5,"secret_thing":"do not show me","tags":["é","😀"],"#,
    r#""updated_at":1716883199000},"object":"event","type":"user.updated"}"#
);

#[track_caller]
fn check(cause: &str, request: &CapturedRequest) {
    let verdict = request.verdict();
    assert_eq!(verdict["cause"], cause, "{verdict}");
    assert!(verdict["advice"].as_str().is_some_and(|advice| advice.len() > 20), "{verdict}");
}

fn right() -> CapturedRequest {
    CapturedRequest::of(EVENT)
}

/// Creates a request with this body that is signed with a key over a pattern of `<id>`, `<timestamp>` and
/// `<body>`.
fn signed(key: &[u8], pattern: &str, body: &str) -> CapturedRequest {
    let request = CapturedRequest::of(body);
    let text = pattern.replace("<id>", request.value("svix-id"));
    let text = text.replace("<timestamp>", request.value("svix-timestamp")).replace("<body>", body);
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    request.set("svix-signature", format!("v1,{signature}"))
}

fn key() -> Vec<u8> {
    STANDARD.decode(&SECRET[6..]).unwrap()
}

fn pretty(text: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<Value>(text).unwrap()).unwrap()
}

/// Writes JSON like Python's `json.dumps` with `ensure_ascii=False`.
fn spaced(text: &str) -> String {
    pretty(text)
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
        .replace("{ ", "{")
        .replace(" }", "}")
        .replace("[ ", "[")
        .replace(" ]", "]")
}

fn ascii(text: &str) -> String {
    text.replace('ë', "\\u00eb").replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00")
}

fn compressed(mut encoder: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn malformed_headers() {
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        let value = right().value(name).to_owned();
        check("missing_header", &right().without(name));
        check("empty_header", &right().set(name, " "));
        check("repeated_header", &right().with(name, value));
        check("repeated_header", &right().with(name, "other"));
        check("quoted_header", &right().map(name, |value| format!("\"{value}\"")));
        // With a space after the comma, a verifier would accept the last signature, because it is
        // well-formed.
        let joint = if name == "svix-signature" { "," } else { ", " };
        check("joined_header", &right().map(name, |value| format!("{value}{joint}{value}")));
    }
    let renamed = |change: fn(&str) -> String| {
        let mut request = right();
        request.headers.iter_mut().for_each(|(name, _)| *name = change(name));
        request
    };
    let other = |name: &str| name.replace("svix-", "webhook-");
    let mut twice = right();
    twice.headers.extend(twice.headers.clone());
    let mut both = renamed(other);
    both.headers.extend(CapturedRequest::seconds_ago(1, EVENT).headers);
    for (cause, request) in [
        ("missing_header", CapturedRequest { headers: Vec::new(), body: EVENT.into() }),
        ("repeated_header", twice),
        ("mixed_header_families", right().without("svix-id").with("webhook-id", right().value("svix-id"))),
        ("mixed_header_families", both.set("svix-signature", format!("v1,{}", STANDARD.encode([7; 32])))),
        ("renamed_header", renamed(|name| name.replace('-', "_"))),
        ("renamed_header", renamed(|name| format!("x-{name}"))),
        ("renamed_header", renamed(|name| format!("HTTP_{}", name.to_uppercase().replace('-', "_")))),
        ("malformed_header", signed(&key(), "msg 1.<timestamp>.<body>", EVENT).set("svix-id", "msg 1")),
        ("malformed_header", right().set("svix-id", "msg.1")),
        ("malformed_header", right().set("svix-id", "x".repeat(300))),
    ] {
        check(cause, &request);
    }
    let detail = right().without("svix-id").without("svix-timestamp").verdict()["detail"].clone();
    assert_eq!(detail, "svix-id and svix-timestamp are missing");
}

#[test]
fn malformed_signatures() {
    // The signature must contain both characters in which the base64 alphabets differ.
    let request = (0..200)
        .map(|seconds| CapturedRequest::seconds_ago(seconds, EVENT))
        .find(|request| {
            request.value("svix-signature").contains('+') && request.value("svix-signature").contains('/')
        })
        .unwrap();
    let list = request.value("svix-signature");
    let base64 = &list[3..];
    let mac = STANDARD.decode(base64).unwrap();
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent = base64.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for (cause, value) in [
        ("signature_without_version", base64.to_owned()),
        ("signature_separator", format!("v1={base64}")),
        ("signature_separator", format!("v1, {base64}")),
        ("signature_separator", format!("v1,{base64},")),
        ("signature_other_version", format!("v2,{base64}")),
        ("signature_other_version", format!("v1a,{base64}")),
        ("signature_other_version", list.to_uppercase()),
        ("signature_url_safe", format!("v1,{}", URL_SAFE.encode(&mac))),
        ("signature_url_safe", format!("v1,{}", URL_SAFE_NO_PAD.encode(&mac))),
        ("signature_unpadded", list.trim_end_matches('=').to_owned()),
        ("signature_hex", format!("v1,{hex}")),
        ("signature_percent_encoded", format!("v1,{percent}")),
        ("signature_percent_encoded", format!("v1%2C{percent}")),
        ("signature_unreadable", list[..30].to_owned()),
        ("signature_unreadable", format!("v1,{}", STANDARD.encode([3; 20]))),
        ("signature_unreadable", format!("v1,{}", STANDARD.encode([3; 64]))),
        ("signature_unreadable", "v1,?".to_owned()),
        ("only_asymmetric_signatures", format!("v1a,{}", STANDARD.encode([3; 64]))),
        ("signature_unreadable", format!("v1a,{} v1,{}", STANDARD.encode([3; 64]), STANDARD.encode([3; 31]))),
    ] {
        check(cause, &request.clone().set("svix-signature", value));
    }
}

#[test]
fn malformed_and_expired_timestamps() {
    let now = right().value("svix-timestamp").to_owned();
    let date = jiff::Timestamp::from_second(now.parse().unwrap()).unwrap();
    let http_date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    for (cause, text) in [
        ("timestamp_in_milliseconds", format!("{now}123")),
        ("timestamp_as_date", date.to_string()),
        ("timestamp_as_date", http_date),
        ("timestamp_with_fraction", format!("{now}.25")),
        ("malformed_timestamp", format!("+{now}")),
        ("malformed_timestamp", format!("0{now}")),
        ("malformed_timestamp", "-9223372036854775808".to_owned()),
        ("malformed_timestamp", "yesterday".to_owned()),
    ] {
        // In the first request, the sender signed the malformed value. In the second, the header was changed
        // after signing.
        let request = signed(&key(), &format!("<id>.{text}.<body>"), EVENT);
        check(cause, &request.set("svix-timestamp", text.clone()));
        check(cause, &right().set("svix-timestamp", text));
    }
    let old = CapturedRequest::seconds_ago(1020, EVENT);
    check("timestamp_too_old", &old);
    let expected =
        "svix-timestamp is 17 min in the past, but the tolerance is 5 min; the signature itself is valid";
    assert_eq!(old.verdict()["detail"], expected);
    check("timestamp_too_new", &CapturedRequest::seconds_ago(-1020, EVENT));
    check("nothing_fits", &right().set("svix-timestamp", (now.parse::<i64>().unwrap() - 5).to_string()));
}

#[test]
fn mistakes_in_the_signed_text_and_the_key() {
    let hex: String = key().iter().map(|byte| format!("{byte:02x}")).collect();
    // Node reads the underscore as a character of the URL-safe alphabet.
    let lenient = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let node = GeneralPurpose::new(&alphabet::URL_SAFE, lenient).decode(SECRET.replace('+', "-")).unwrap();
    let right = "<id>.<timestamp>.<body>";
    for (cause, key, pattern) in [
        ("signed_body_only", key(), "<body>"),
        ("signed_without_timestamp", key(), "<id>.<body>"),
        ("signed_without_id", key(), "<timestamp>.<body>"),
        ("signed_without_id", key(), "v0:<timestamp>:<body>"),
        ("signed_in_other_order", key(), "<timestamp>.<id>.<body>"),
        ("signed_in_other_order", key(), "<id>.<body>.<timestamp>"),
        ("signed_with_other_separator", key(), "<id>:<timestamp>:<body>"),
        ("signed_with_other_separator", key(), "<id><timestamp><body>"),
        ("signed_milliseconds", key(), "<id>.<timestamp>000.<body>"),
        ("secret_not_decoded", SECRET.as_bytes().to_vec(), right),
        ("secret_not_decoded", SECRET.as_bytes()[6..].to_vec(), right),
        ("secret_with_line_break", [key().as_slice(), b"\n"].concat(), right),
        ("secret_with_line_break", format!("{SECRET}\n").into_bytes(), right),
        ("secret_as_hex", hex.into_bytes(), right),
        ("secret_prefix_decoded", node, right),
        ("nothing_fits", b"another endpoint's".to_vec(), right),
    ] {
        check(cause, &signed(&key, pattern, EVENT));
    }
}

#[test]
fn changed_line_breaks_and_edges() {
    let lines = pretty(EVENT);
    let by_member = EVENT.replace(",\"", ",\n\"");
    let top_level = EVENT.replace(",\"object\"", ",\n\"object\"").replace(",\"type\"", ",\n\"type\"");
    let crlf = |text: &str| text.replace('\n', "\r\n");
    let dropped = |text: &str| text.replace(['\r', '\n'], "");
    for (cause, signed, captured) in [
        ("trailing_newline_added", EVENT.to_owned(), format!("{EVENT}\n")),
        ("trailing_newline_added", EVENT.to_owned(), format!("{EVENT}\r\n")),
        ("trailing_newline_added", "plain text".to_owned(), "plain text\n".to_owned()),
        ("trailing_newline_added", String::new(), "\n".to_owned()),
        ("trailing_newline_removed", format!("{EVENT}\n"), EVENT.to_owned()),
        ("trailing_newline_removed", format!("{EVENT}\r\n"), EVENT.to_owned()),
        ("line_breaks_changed", lines.clone(), crlf(&lines)),
        ("line_breaks_changed", crlf(&lines), lines.clone()),
        ("white_space_added", EVENT.to_owned(), format!("  {EVENT}")),
        ("white_space_added", EVENT.to_owned(), format!("{EVENT} \n\n")),
        ("white_space_added", EVENT.to_owned(), format!("\n{EVENT}\n")),
        ("byte_order_mark_added", EVENT.to_owned(), format!("\u{feff}{EVENT}")),
        // `curl -d @file` drops line breaks of each kind.
        ("line_breaks_dropped", format!("{lines}\n"), dropped(&lines)),
        ("line_breaks_dropped", lines.clone(), dropped(&lines)),
        ("line_breaks_dropped", crlf(&format!("{lines}\n")), dropped(&lines)),
        ("line_breaks_dropped", lines.replace("  ", "\t"), dropped(&lines.replace("  ", "\t"))),
        ("line_breaks_dropped", format!("{top_level}\n"), EVENT.to_owned()),
        ("line_breaks_dropped", crlf(&format!("{top_level}\n")), EVENT.to_owned()),
        // Blank lines cannot be restored, but the indentation shows the cause.
        ("line_breaks_dropped", lines.replace(",\n", ",\n\n"), dropped(&lines)),
        ("nothing_fits", by_member.replace("null,", "null, "), dropped(&by_member)),
    ] {
        check(cause, &CapturedRequest::of(&signed).body(captured));
    }
}

#[test]
fn bodies_that_were_parsed_and_serialized_again() {
    let html = EVENT.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    let reordered = format!(
        r#"{{"type":"user.updated","object":"event",{}}}"#,
        &EVENT[1..EVENT.find(",\"object\"").unwrap()]
    );
    let php = ascii(&pretty(EVENT).replace("  ", "    ").replace('/', "\\/"));
    for (cause, signed, captured) in [
        ("json_spacing_changed", EVENT.to_owned(), pretty(EVENT)),
        ("json_spacing_changed", EVENT.to_owned(), pretty(EVENT) + "\n"),
        ("json_spacing_changed", EVENT.to_owned(), spaced(EVENT)),
        ("json_spacing_changed", EVENT.to_owned(), pretty(EVENT).replace("  ", "\t")),
        ("json_spacing_changed", pretty(EVENT).replace("  ", "\t"), EVENT.to_owned()),
        ("json_spacing_changed", pretty(EVENT).replace("  ", "    "), EVENT.to_owned()),
        ("json_spacing_changed", spaced(EVENT), EVENT.to_owned()),
        ("json_spacing_changed", pretty(EVENT), spaced(EVENT)),
        ("json_keys_reordered", EVENT.to_owned(), reordered),
        ("json_escapes_changed", EVENT.to_owned(), EVENT.replace('/', "\\/")),
        ("json_escapes_changed", EVENT.to_owned(), ascii(EVENT)),
        ("json_escapes_changed", ascii(EVENT), EVENT.to_owned()),
        ("json_escapes_changed", ascii(&spaced(EVENT)), EVENT.to_owned()),
        ("json_escapes_changed", EVENT.to_owned(), html),
        ("json_escapes_changed", EVENT.to_owned(), php),
    ] {
        check(cause, &CapturedRequest::of(&signed).body(captured));
    }
}

#[test]
fn encoded_and_wrapped_bodies() {
    let escaped = serde_json::to_string(EVENT).unwrap();
    let percent: String = EVENT.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let numbers = EVENT.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(",");
    let entries = EVENT.bytes().enumerate().map(|(index, byte)| format!("\"{index}\":{byte}"));
    let python: String = EVENT
        .bytes()
        .map(|byte| if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\x{byte:02x}") })
        .collect();
    for (cause, captured) in [
        ("json_encoded_twice", escaped.clone().into_bytes()),
        ("json_encoded_twice", escaped.as_bytes()[1..escaped.len() - 1].to_vec()),
        ("json_wrapped", json!({"body": EVENT, "isBase64Encoded": false}).to_string().into()),
        ("json_wrapped", format!("{{\"payload\":{EVENT}}}").into_bytes()),
        ("base64_encoded", STANDARD.encode(EVENT).into_bytes()),
        ("form_encoded", format!("payload={percent}").into_bytes()),
        ("form_encoded", format!("{percent}=").into_bytes()),
        ("form_encoded", format!("payload={EVENT}").into_bytes()),
        ("charset_changed", EVENT.bytes().map(char::from).collect::<String>().into_bytes()),
        ("charset_changed", EVENT.replace('ë', "Ã«").replace('é', "Ã©").replace('😀', "ðŸ˜€").into_bytes()),
        ("charset_changed", EVENT.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("compressed", compressed(GzEncoder::new(EVENT.as_bytes(), Compression::default()))),
        ("compressed", compressed(ZlibEncoder::new(EVENT.as_bytes(), Compression::default()))),
        ("bytes_appended", format!("{EVENT}\0\0\0").into_bytes()),
        ("bytes_appended", format!("{EVENT}{{\"next\":1}}").into_bytes()),
        ("bytes_prepended", format!("body: {EVENT}").into_bytes()),
        ("bytes_as_numbers", format!("{{\"type\":\"Buffer\",\"data\":[{numbers}]}}").into_bytes()),
        ("bytes_as_numbers", format!("[{numbers}]").into_bytes()),
        ("bytes_as_numbers", format!("{{{}}}", entries.collect::<Vec<_>>().join(",")).into_bytes()),
        ("bytes_as_text", format!("b'{python}'").into_bytes()),
        ("bytes_as_text", format!("b\"{python}\"").into_bytes()),
        ("object_as_text", b"[object Object]".to_vec()),
        ("body_not_read", b"[object ReadableStream]".to_vec()),
        ("object_as_text", b"{'data': {'id': 'user_1'}, 'type': 'user.created'}".to_vec()),
        ("object_as_text", b"{ data: { id: 'user_1' }, type: 'user.created' }".to_vec()),
        ("object_as_text", b"map[data:map[id:user_1] type:user.created]".to_vec()),
        ("truncated", EVENT.as_bytes()[..90].to_vec()),
        ("body_empty", Vec::new()),
        ("nothing_fits", EVENT.replace("Ada", "Eve").into_bytes()),
    ] {
        check(cause, &right().body(captured));
    }
    let latin_1 = EVENT.replace('😀', "ü");
    let bytes: Vec<u8> = latin_1.chars().map(|character| u8::try_from(character).unwrap()).collect();
    check("charset_changed", &CapturedRequest::of(&latin_1).body(bytes));
    let quoted = EVENT.replace('😀', "“”");
    let bytes: Vec<u8> =
        quoted.chars().map(|it| [0x93, 0x94, it as u8]["“”".find(it).map_or(2, |at| at / 3)]).collect();
    check("charset_changed", &CapturedRequest::of(&quoted).body(bytes));
    let cut = right().with("content-length", EVENT.len().to_string());
    check("truncated", &cut.clone().body(&EVENT[..100]));
    check("object_as_text", &cut.clone().body("[object Object]"));
    check("body_empty", &cut.body(""));
}

#[test]
fn says_that_the_cause_is_unknown_without_blaming_the_secret() {
    let notes = |request: &CapturedRequest| {
        let verdict = request.verdict();
        assert_eq!(verdict["cause"], "nothing_fits", "{verdict}");
        assert!(verdict["detail"].as_str().unwrap().starts_with("unknown: "), "{verdict}");
        let said = format!("{} {}", verdict["detail"], verdict["notes"]);
        assert!(said.contains("Ruled out: ") && !said.contains("secret"), "{verdict}");
        assert!(verdict["advice"].as_str().unwrap().starts_with("Verify another delivery"), "{verdict}");
        said
    };
    notes(&right().body(EVENT.replace("Ada", "Eve")));
    notes(&CapturedRequest::from_delivery(&Delivery::of_body(EVENT).wrong_secret()));
    assert!(notes(&right().body(EVENT.replace('ë', "\u{fffd}"))).contains("U+FFFD at byte 25"));
    let ascii: String = EVENT.chars().map(|it| if it.is_ascii() { it } else { '?' }).collect();
    assert!(notes(&right().body(ascii)).contains("replaced other characters with question marks"));
    let plain =
        CapturedRequest::of("{\"a\":\"http://a/?b\",\"c\":2}").body("{\"a\":\"http://a/?b\",\"c\":1}");
    assert!(!notes(&plain).contains("question marks"));
    let other = CapturedRequest::of("{\"a\":1,\"b\":2}").body("{\"a\":1}").with("content-length", "13");
    assert!(notes(&other).contains("Content-Length is 13"));
}

#[test]
fn advises_on_all_of_several_causes() {
    let gzip = compressed(GzEncoder::new(EVENT.as_bytes(), Compression::default()));
    for (request, cause, note, advice) in [
        (
            CapturedRequest::seconds_ago(7200, EVENT).body(pretty(EVENT) + "\n"),
            "json_spacing_changed",
            "svix-timestamp is 2 h in the past",
            ["Verify the raw bytes", "use `clerk-webhook verify` with the time of its receipt as --now"],
        ),
        (
            signed(SECRET.as_bytes(), "<id>.<timestamp>.<body>", EVENT).body(format!("{EVENT}\n")),
            "secret_not_decoded",
            "The body ends in a line break",
            ["decode the rest as base64", "--data-binary"],
        ),
        (
            right().map("svix-id", |id| format!("\"{id}\"")).body(STANDARD.encode(EVENT)),
            "quoted_header",
            "The body is base64-encoded",
            ["without quotes", "Decode the body"],
        ),
        (
            right().body(STANDARD.encode(gzip)),
            "base64_encoded",
            "The body is compressed (gzip)",
            ["Decode the body", "Decompress the body"],
        ),
        (
            right().with("svix-id", "other").body("[object Object]"),
            "repeated_header",
            "The parsed body was converted to a string",
            ["appends the headers", "cannot be restored"],
        ),
    ] {
        let verdict = request.verdict();
        assert_eq!(verdict["cause"], cause, "{verdict}");
        assert!(verdict["notes"].to_string().contains(note), "{verdict}");
        for advice in advice {
            assert!(verdict["advice"].as_str().unwrap().contains(advice), "{verdict}");
        }
    }
    let output = run_with(&["verify", "-"], Some(SECRET), &right().body(format!("{EVENT}\r\n")).http());
    let first = "not authentic  trailing_newline_added\n  why       the body ends in a line break";
    assert!(output.stdout.starts_with(first) && output.stderr.is_empty(), "{output:?}");
}
