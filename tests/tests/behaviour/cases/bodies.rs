//! Bodies: events of any type, signed bodies that are not events, and tampered or compressed bodies.

use clerk_webhook_core::Outcome;
use clerk_webhook_tests::fixtures;
use clerk_webhook_tests::request::GZIPPED;

use super::super::case::Case;
use super::super::stacks::Setup::Standard;
use super::super::wire_request::{BODY, WireRequest};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<_> = fixtures()
        .into_iter()
        .map(|(name, body)| Case::new(Standard, format!("the event {name}")).accepts(&WireRequest::of(body)))
        .collect();
    cases.extend(events());
    cases.extend(not_events());
    cases.extend(tampered());
    cases.extend(compressed());
    cases
}

fn events() -> Vec<Case> {
    let accepted =
        |name: &str, body: &str| Case::new(Standard, name).accepts(&WireRequest::of(body.to_owned()));
    vec![
        accepted("an event of an unknown type", r#"{"data":{},"type":"somebody.sneezed"}"#),
        accepted("an event without data", r#"{"type":"user.created"}"#),
        accepted("an event with data of a different type", r#"{"data":[1],"type":"user.created"}"#),
        accepted(
            "an event with unusual whitespace",
            "\n {\t\"type\" : \"user.deleted\" ,\r\n \"data\":{ } } \n",
        ),
        accepted(
            "numbers, escapes and a repeated member",
            r#"{"data":{"a":1.0,"b":"\/\u00e9","a":2},"type":"test"}"#,
        ),
        accepted(
            "numbers that a parser would round",
            r#"{"data":{"n":1.0,"m":1e2,"z":-0,"big":18446744073709551616,"d":0.1000},"type":"test"}"#,
        ),
        accepted("an escaped surrogate pair", r#"{"data":{"u":"\uD83D\uDE00"},"type":"te\u0073t"}"#),
        accepted(
            "characters outside ASCII",
            "{\"data\":{\"text\":\"\u{e9}\u{1f600}\u{2028}\u{7f}\"},\"type\":\"test\"}",
        ),
        accepted("repeated members", r#"{"data":{"a":1},"data":{"a":3},"type":"other","type":"test"}"#),
    ]
}

fn not_events() -> Vec<Case> {
    let rejected = |name: &str, body: &[u8]| {
        Case::new(Standard, name).rejects(&WireRequest::of(body.to_vec()), Outcome::NotAnEvent)
    };
    vec![
        rejected("text that is not JSON", b"hello"),
        rejected("JSON that is not an object", b"[]"),
        rejected("a type that is not a string", br#"{"data":{},"type":1}"#),
        rejected("a truncated body that was signed", &BODY.as_bytes()[..40]),
        rejected("a body that is not UTF-8", b"{\"data\":{\"name\":\"\xff\xfe\"},\"type\":\"test\"}"),
        rejected("NUL bytes", b"\0\0\0"),
        rejected("a NUL byte after an event", b"{\"type\":\"test\"}\0"),
        rejected("a byte-order mark before an event", b"\xef\xbb\xbf{\"type\":\"test\"}"),
        rejected("an empty body", b""),
        Case::new(Standard, "an empty chunked body")
            .rejects_as(WireRequest::of("").chunked(1), Outcome::NotAnEvent),
        Case::new(Standard, "no body and no Content-Length")
            .rejects_as(WireRequest::of("").head(""), Outcome::NotAnEvent),
    ]
}

fn tampered() -> Vec<Case> {
    let rejected = |name: &str, body: Vec<u8>| {
        Case::new(Standard, name).rejects(&WireRequest::of(BODY).with_body(body), Outcome::InvalidSignature)
    };
    let mut flipped = BODY.as_bytes().to_vec();
    flipped[20] ^= 1;
    vec![
        rejected("a body other than the signed one", b"{}".to_vec()),
        rejected("a body with one bit changed", flipped),
        rejected("a body without its last byte", BODY.as_bytes()[..BODY.len() - 1].to_vec()),
        rejected("a body without its first byte", BODY.as_bytes()[1..].to_vec()),
        rejected("a repeated body", BODY.repeat(2).into_bytes()),
        rejected("a body that is not an event, with the signature of an event", b"hello".to_vec()),
        rejected("a body with an additional line break", format!("{BODY}\n").into_bytes()),
        rejected("an empty body with the signature of another body", Vec::new()),
    ]
}

/// The signature covers the bytes on the wire.
fn compressed() -> Vec<Case> {
    let gzip = |delivery: WireRequest| delivery.header("Content-Encoding", "gzip");
    let over_text = gzip(WireRequest::of(r#"{"data":{},"type":"test"}"#)).with_body(GZIPPED);
    let over_bytes = gzip(WireRequest::of(GZIPPED));
    vec![
        Case::new(Standard, "compressed after it was signed").rejects(&over_text, Outcome::InvalidSignature),
        Case::new(Standard, "compressed after it was signed, in chunks")
            .rejects_as(over_text.chunked(7), Outcome::InvalidSignature),
        Case::new(Standard, "compressed before it was signed").rejects(&over_bytes, Outcome::NotAnEvent),
        Case::new(Standard, "compressed before it was signed, in chunks")
            .rejects_as(over_bytes.chunked(7), Outcome::NotAnEvent),
        Case::new(Standard, "Content-Encoding: gzip, but the body is not compressed")
            .accepts(&gzip(WireRequest::of(BODY))),
    ]
}
