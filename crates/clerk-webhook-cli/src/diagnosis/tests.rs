//! Breaks valid deliveries in one or two ways and checks the diagnosis.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use clerk_webhook_core::{SigningSecret, Timestamp};
use clerk_webhook_test::{Delivery, SECRET, fixture::AnyFixture};
use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use sha2::{Sha256, Sha512};

use super::*;

const NOW: i64 = 1_716_883_200;
const ID: &str = "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa";

/// An event with everything that serializers treat differently: accents, slashes, HTML special characters,
/// floats.
const EVENT: &str = concat!(
    r#"{"data":{"first_name":"Zoë & <Ada>","image_url":"https://img.clerk.com/a?b=1&c=2","#,
    r#""last_sign_in_at":null,"ratio":0.5,"tags":["é","😀"],"updated_at":1716883199000},"#,
    r#""object":"event","type":"user.updated"}"#
);

/// A request that a test breaks.
#[derive(Clone, Debug)]
struct Case {
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Case {
    fn of(body: impl Into<Vec<u8>>) -> Self {
        Self::at(NOW, body)
    }

    fn at(seconds: i64, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let delivery = Delivery::of_body(body.clone()).id(ID).at(Timestamp::from_secs(seconds));
        let headers =
            delivery.headers().into_iter().map(|(name, value)| (name.to_owned(), value.into_bytes()));
        Self { headers: headers.collect(), body }
    }

    /// Creates a case that is signed with this key over this text.
    fn signed(key: &[u8], text: &[u8], body: impl Into<Vec<u8>>) -> Self {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text);
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        Self::of(body).set("svix-signature", format!("v1,{signature}"))
    }

    fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    fn value(&self, name: &str) -> String {
        let (_, value) = self.headers.iter().find(|(other, _)| other == name).unwrap();
        String::from_utf8(value.clone()).unwrap()
    }

    fn set(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn with(mut self, name: &str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn map(self, name: &str, change: impl Fn(String) -> String) -> Self {
        let value = change(self.value(name));
        self.set(name, value)
    }

    fn rename(mut self, change: impl Fn(&str) -> String) -> Self {
        for (name, _) in &mut self.headers {
            *name = change(name);
        }
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(other, _)| other != name);
        self
    }

    fn capture(&self) -> Capture {
        Capture {
            place: "test".to_owned(),
            target: None,
            headers: self.headers.clone(),
            body: Bytes::from(self.body.clone()),
            ..Capture::default()
        }
    }

    fn judged(&self, secrets: &[&str]) -> CaptureVerdict {
        let secrets: Vec<_> = secrets.iter().map(|text| SigningSecret::parse(text).unwrap()).collect();
        let terms = Terms { now: Timestamp::from_secs(NOW), tolerance: Some(TOLERANCE) };
        diagnose_under(terms, &self.capture(), &secrets)
    }

    /// Judges the request with the limits for a server.
    fn judged_briefly(&self) -> CaptureVerdict {
        diagnose(&self.capture(), &[SigningSecret::parse(SECRET).unwrap()], Timestamp::from_secs(NOW))
    }

    #[track_caller]
    fn diagnosis(&self) -> Diagnosis {
        match self.judged(&[SECRET]) {
            CaptureVerdict::Refused(diagnosis) => diagnosis,
            CaptureVerdict::Authentic(_) => panic!("authentic"),
        }
    }
}

#[track_caller]
fn check(case: &Case, cause: Cause) {
    let diagnosis = case.diagnosis();
    assert_eq!(diagnosis.cause, cause, "{diagnosis:?}");
    if let Some(expected) = case.headers.iter().find(|(name, _)| name == "svix-signature") {
        let said = format!("{diagnosis:?}");
        let signature = String::from_utf8_lossy(&expected.1).into_owned();
        assert!(signature.len() < 20 || !said.contains(&signature), "{said}");
    }
}

fn pretty(text: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(text).unwrap()).unwrap()
}

fn spaced(text: &str) -> String {
    json::Json::read(text).unwrap().written(json::Style {
        spacing: json::Spacing::Spaced,
        sorted: false,
        escapes: json::Escapes::AsIs,
        numbers: json::Numbers::AsIs,
    })
}

fn key() -> Vec<u8> {
    STANDARD.decode(&SECRET[6..]).unwrap()
}

fn signed_text() -> Vec<u8> {
    format!("{ID}.{NOW}.{EVENT}").into_bytes()
}

fn compressed(mut encoder: impl std::io::Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    encoder.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn valid_deliveries_are_authentic_and_have_an_event() {
    let CaptureVerdict::Authentic(authentic) = Case::at(NOW - 12, EVENT).judged(&[SECRET]) else { panic!() };
    assert_eq!(authentic.message_id.as_str(), ID);
    assert_eq!((authentic.age_seconds, authentic.secret_index), (12, 0));
    assert_eq!(authentic.event.unwrap().event_type().as_str(), "user.updated");

    for fixture in AnyFixture::all() {
        let verdict = Case::of(fixture.body()).judged(&[SECRET]);
        let CaptureVerdict::Authentic(authentic) = verdict else { panic!("{fixture:?}") };
        assert_eq!(authentic.warnings, Vec::<String>::new(), "{fixture:?}");
    }
}

#[test]
fn reports_which_of_several_secrets_matches() {
    let other = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";
    let CaptureVerdict::Authentic(authentic) = Case::of(EVENT).judged(&[other, SECRET]) else { panic!() };
    assert_eq!(authentic.secret_index, 1);
    let verdict = Case::of(EVENT).body(format!("{EVENT}\n")).judged(&[other, SECRET]);
    let CaptureVerdict::Refused(diagnosis) = verdict else { panic!() };
    assert_eq!(diagnosis.cause, Cause::TrailingNewlineAdded);
    assert_eq!(diagnosis.notes, ["Secret 2 of 2 matches"]);
}

#[test]
fn warns_about_oddities_of_an_authentic_delivery() {
    for (case, expected) in [
        (Case::of("{\"data\":{},\"type\":\"user.vanished\"}"), "unknown"),
        (Case::of("{\"data\":{\"id\":7},\"type\":\"user.created\"}"), "could not be decoded"),
        (Case::of("hello"), "not JSON"),
        (Case::of(EVENT).with("webhook-id", "stray"), "ignored"),
        (
            Case::of(EVENT).map("svix-signature", |list| format!("v1a,{} {list}", STANDARD.encode([1; 64]))),
            "v1a",
        ),
    ] {
        let CaptureVerdict::Authentic(authentic) = case.judged(&[SECRET]) else { panic!("{case:?}") };
        assert!(authentic.warnings.iter().any(|warning| warning.contains(expected)), "{authentic:?}");
    }
}

#[test]
fn missing_empty_repeated_quoted_joined_and_renamed_headers() {
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        check(&Case::of(EVENT).without(name), Cause::MissingHeader);
        check(&Case::of(EVENT).set(name, " "), Cause::EmptyHeader);
        let value = Case::of(EVENT).value(name);
        check(&Case::of(EVENT).with(name, value), Cause::RepeatedHeader);
        check(&Case::of(EVENT).with(name, "other"), Cause::RepeatedHeader);
        check(&Case::of(EVENT).map(name, |value| format!("\"{value}\"")), Cause::QuotedHeader);
        // With a space after the comma, a verifier would accept the last signature, because it is
        // well-formed.
        let joint = if name == "svix-signature" { "," } else { ", " };
        check(&Case::of(EVENT).map(name, |value| format!("{value}{joint}{value}")), Cause::JoinedHeader);
    }
    check(&Case { headers: Vec::new(), body: EVENT.into() }, Cause::MissingHeader);
    let other = |name: &str| name.replace("svix-", "webhook-");
    let id = |name: &str| if name == "svix-id" { other(name) } else { name.to_owned() };
    check(&Case::of(EVENT).rename(id), Cause::MixedFamilies);
    let mut both = Case::of(EVENT).rename(other);
    both.headers.extend(Case::at(NOW - 1, EVENT).headers);
    let both = both.body(EVENT).map("svix-signature", |_| format!("v1,{}", STANDARD.encode([7; 32])));
    check(&both, Cause::MixedFamilies);
    check(
        &Case::of(EVENT).rename(|name| format!("HTTP_{}", name.to_uppercase().replace('-', "_"))),
        Cause::RenamedHeader,
    );
    check(&Case::of(EVENT).rename(|name| format!("x-{name}")), Cause::RenamedHeader);
}

#[test]
fn malformed_message_ids() {
    let case = Case::signed(&key(), format!("msg 1.{NOW}.{EVENT}").as_bytes(), EVENT).set("svix-id", "msg 1");
    check(&case, Cause::MalformedHeader);
    assert!(case.diagnosis().detail.contains("if this is corrected"), "{case:?}");
    check(&Case::of(EVENT).set("svix-id", "msg.1"), Cause::MalformedHeader);
    check(&Case::of(EVENT).set("svix-id", "x".repeat(300)), Cause::MalformedHeader);
    check(&Case::of(EVENT).set("svix-id", b"msg_\xff".as_slice()), Cause::MalformedHeader);
}

#[test]
fn malformed_signatures() {
    // The signature must contain both characters in which the base64 alphabets differ.
    let case = (NOW - 200..NOW)
        .map(|seconds| Case::at(seconds, EVENT))
        .find(|case| case.value("svix-signature").contains('+') && case.value("svix-signature").contains('/'))
        .unwrap();
    let list = case.value("svix-signature");
    let right = list.strip_prefix("v1,").unwrap();
    let hex: String = STANDARD.decode(right).unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
    let percent = right.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    for (value, cause) in [
        (right.to_owned(), Cause::SignatureWithoutVersion),
        (format!("v1={right}"), Cause::SignatureSeparator),
        (format!("v1, {right}"), Cause::SignatureSeparator),
        (format!("v2,{right}"), Cause::SignatureOtherVersion),
        (format!("v1a,{right}"), Cause::SignatureOtherVersion),
        (format!("v1,{}", URL_SAFE_NO_PAD.encode(STANDARD.decode(right).unwrap())), Cause::SignatureUrlSafe),
        (format!("v1,{}", right.trim_end_matches('=')), Cause::SignatureUnpadded),
        (format!("v1,{hex}"), Cause::SignatureHex),
        (format!("v1,{percent}"), Cause::SignaturePercentEncoded),
        (list.replace('+', " "), Cause::SignaturePlusLost),
        (list.to_lowercase(), Cause::SignatureCaseLost),
        (list.to_uppercase(), Cause::SignatureOtherVersion),
        (list[..30].to_owned(), Cause::SignatureTruncated),
        (format!("v1,{}=======", &right[..1]), Cause::SignatureUnreadable),
        (format!("v1,{}", &right[..9]), Cause::SignatureUnreadable),
        (format!("v1a,{}", STANDARD.encode([3; 64])), Cause::OnlyAsymmetricSignatures),
        (format!("v1,{}", STANDARD.encode([3; 20])), Cause::SignatureUnreadable),
        ("v1,?".to_owned(), Cause::SignatureUnreadable),
        (format!("v1,{}", STANDARD.encode([3; 40])), Cause::SignatureUnreadable),
    ] {
        check(&case.clone().set("svix-signature", value.clone()), cause);
    }

    let mut long = Hmac::<Sha512>::new_from_slice(&key()).unwrap();
    long.update(&signed_text());
    let long = STANDARD.encode(long.finalize().into_bytes());
    check(&Case::of(EVENT).set("svix-signature", format!("v1,{long}")), Cause::SignatureOtherHash);
}

#[test]
fn malformed_and_expired_timestamps() {
    for (text, cause) in [
        (format!("{NOW}123"), Cause::TimestampInMilliseconds),
        ("2024-05-28T08:00:00Z".to_owned(), Cause::TimestampAsDate),
        ("Tue, 28 May 2024 08:00:00 GMT".to_owned(), Cause::TimestampAsDate),
        (format!("{NOW}.25"), Cause::TimestampWithFraction),
        (format!("+{NOW}"), Cause::MalformedTimestamp),
        (format!("0{NOW}"), Cause::MalformedTimestamp),
        ("-9223372036854775808".to_owned(), Cause::MalformedTimestamp),
        ("yesterday".to_owned(), Cause::MalformedTimestamp),
    ] {
        // In the first request, the sender signed the malformed value. In the second, the header was changed
        // after signing.
        let signed = Case::signed(&key(), format!("{ID}.{text}.{EVENT}").as_bytes(), EVENT);
        check(&signed.set("svix-timestamp", text.clone()), cause);
        check(&Case::of(EVENT).set("svix-timestamp", text), cause);
    }

    let old = Case::at(NOW - 1020, EVENT);
    check(&old, Cause::TimestampTooOld);
    let detail = old.diagnosis().detail;
    assert_eq!(
        detail,
        "svix-timestamp is 17 min in the past, but the tolerance is 5 min; the signature itself is valid"
    );
    check(&Case::at(NOW + 301, EVENT), Cause::TimestampTooNew);
    check(&Case::of(EVENT).set("svix-timestamp", (NOW - 5).to_string()), Cause::NothingFits);
}

#[test]
fn mistakes_in_the_signed_text() {
    for (text, cause) in [
        (EVENT.to_owned(), Cause::SignedBodyOnly),
        (format!("{ID}.{EVENT}"), Cause::SignedWithoutTimestamp),
        (format!("{NOW}.{EVENT}"), Cause::SignedWithoutId),
        (format!("v0:{NOW}:{EVENT}"), Cause::SignedWithoutId),
        (format!("{NOW}.{ID}.{EVENT}"), Cause::SignedInOtherOrder),
        (format!("{ID}.{EVENT}.{NOW}"), Cause::SignedInOtherOrder),
        (format!("{ID}:{NOW}:{EVENT}"), Cause::SignedWithOtherSeparator),
        (format!("{ID}{NOW}{EVENT}"), Cause::SignedWithOtherSeparator),
        (format!("{ID}.{NOW}000.{EVENT}"), Cause::SignedMilliseconds),
        (format!("{ID}.{NOW}789.{EVENT}"), Cause::SignedMilliseconds),
        (format!(" {ID}.{NOW}.{EVENT}"), Cause::SignedWithBlanks),
        (format!("{ID}\n.{NOW}.{EVENT}"), Cause::SignedWithBlanks),
        (format!("{ID}.{NOW}\n.{EVENT}"), Cause::SignedWithBlanks),
    ] {
        check(&Case::signed(&key(), text.as_bytes(), EVENT), cause);
    }
}

#[test]
fn mistakes_in_deriving_the_key() {
    let encoded = &SECRET[6..];
    let hex: String = key().iter().map(|byte| format!("{byte:02x}")).collect();
    // Node reads the underscore as a character of the URL-safe alphabet, like this base64 engine.
    let node = signatures::LENIENT_URL_SAFE.decode(SECRET.replace('+', "-")).unwrap();
    for (key, cause) in [
        (SECRET.as_bytes().to_vec(), Cause::SecretNotDecoded),
        (encoded.as_bytes().to_vec(), Cause::SecretNotDecoded),
        ([key().as_slice(), b"\n"].concat(), Cause::SecretWithLineBreak),
        (format!("{SECRET}\n").into_bytes(), Cause::SecretWithLineBreak),
        (hex.into_bytes(), Cause::SecretAsHex),
        (node, Cause::SecretPrefixDecoded),
    ] {
        check(&Case::signed(&key, &signed_text(), EVENT), cause);
    }
    let twice = STANDARD.encode(b"thirty-two bytes of a real key!!");
    let secret = format!("whsec_{}", STANDARD.encode(&twice));
    let case = Case::signed(b"thirty-two bytes of a real key!!", &signed_text(), EVENT);
    let CaptureVerdict::Refused(diagnosis) = case.judged(&[&secret]) else { panic!() };
    assert_eq!(diagnosis.cause, Cause::SecretDecodedTwice);

    let dropped = signatures::LENIENT_URL_SAFE.decode(SECRET[6..].replace('+', "")).unwrap();
    check(&Case::signed(&dropped, &signed_text(), EVENT), Cause::SecretDecodedUrlSafe);

    check(&Case::signed(b"another endpoint's", &signed_text(), EVENT), Cause::NothingFits);
}

#[test]
fn changes_at_the_edges_of_the_body() {
    let lines = pretty(EVENT);
    for (signed, captured, cause) in [
        (EVENT.to_owned(), format!("{EVENT}\n"), Cause::TrailingNewlineAdded),
        (EVENT.to_owned(), format!("{EVENT}\r\n"), Cause::TrailingNewlineAdded),
        (format!("{EVENT}\n"), EVENT.to_owned(), Cause::TrailingNewlineRemoved),
        (format!("{EVENT}\r\n"), EVENT.to_owned(), Cause::TrailingNewlineRemoved),
        (lines.clone(), lines.replace('\n', "\r\n"), Cause::LineBreaksChanged),
        (lines.replace('\n', "\r\n"), lines.clone(), Cause::LineBreaksChanged),
        (EVENT.to_owned(), format!("  {EVENT}"), Cause::WhiteSpaceAdded),
        (EVENT.to_owned(), format!("{EVENT} \n\n"), Cause::WhiteSpaceAdded),
        (EVENT.to_owned(), format!("\n{EVENT}\n"), Cause::WhiteSpaceAdded),
        (format!(" {EVENT}"), EVENT.to_owned(), Cause::WhiteSpaceRemoved),
        (EVENT.to_owned(), format!("\u{feff}{EVENT}"), Cause::ByteOrderMarkAdded),
        (format!("\u{feff}{EVENT}"), EVENT.to_owned(), Cause::ByteOrderMarkRemoved),
        ("plain text".to_owned(), "plain text\n".to_owned(), Cause::TrailingNewlineAdded),
        (String::new(), "\n".to_owned(), Cause::TrailingNewlineAdded),
    ] {
        check(&Case::of(signed).body(captured), cause);
    }
}

#[test]
fn bodies_that_were_parsed_and_serialized_again() {
    let json: serde_json::Value = serde_json::from_str(EVENT).unwrap();
    let tabs = pretty(EVENT).replace("  ", "\t");
    for (signed, captured, cause) in [
        (EVENT.to_owned(), pretty(EVENT), Cause::JsonSpacingChanged),
        (EVENT.to_owned(), pretty(EVENT) + "\n", Cause::JsonSpacingChanged),
        (EVENT.to_owned(), spaced(EVENT), Cause::JsonSpacingChanged),
        (EVENT.to_owned(), tabs.clone(), Cause::JsonSpacingChanged),
        (tabs, EVENT.to_owned(), Cause::JsonSpacingChanged),
        (pretty(EVENT).replace("  ", "    "), EVENT.to_owned(), Cause::JsonSpacingChanged),
        (spaced(EVENT), json.to_string(), Cause::JsonSpacingChanged),
        (pretty(EVENT), spaced(EVENT), Cause::JsonSpacingChanged),
        (
            EVENT.to_owned(),
            format!(
                r#"{{"type":"user.updated","object":"event",{}}}"#,
                &EVENT[1..EVENT.find(",\"object\"").unwrap()]
            ),
            Cause::JsonKeysReordered,
        ),
        (EVENT.to_owned(), EVENT.replace('/', "\\/"), Cause::JsonEscapesChanged),
        (
            EVENT.to_owned(),
            EVENT.replace('ë', "\\u00eb").replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00"),
            Cause::JsonEscapesChanged,
        ),
        (
            EVENT.replace('ë', "\\u00eb").replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00"),
            EVENT.to_owned(),
            Cause::JsonEscapesChanged,
        ),
        (
            EVENT.to_owned(),
            EVENT.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
            Cause::JsonEscapesChanged,
        ),
        (
            EVENT.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"),
            json.to_string(),
            Cause::JsonEscapesChanged,
        ),
        (EVENT.to_owned(), EVENT.replace("1716883199000", "1716883199000.0"), Cause::JsonNumbersChanged),
        (EVENT.to_owned(), EVENT.replace("1716883199000", "1.716883199E12"), Cause::JsonNumbersChanged),
        (EVENT.replace("0.5", "1.0"), EVENT.replace("0.5", "1"), Cause::JsonNumbersChanged),
        (EVENT.replace("0.5", "0.50"), EVENT.to_owned(), Cause::JsonNumbersChanged),
        (
            EVENT.replace("0.5", "12345678901234567890"),
            pretty(&EVENT.replace("0.5", "12345678901234567000")),
            Cause::JsonNumbersChanged,
        ),
    ] {
        check(&Case::of(signed).body(captured), cause);
    }
}

#[test]
fn wrapped_bodies() {
    let body = EVENT.as_bytes();
    let base64 = STANDARD.encode(EVENT);
    let escaped = serde_json::to_string(EVENT).unwrap();
    let percent: String = EVENT.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let latin: String = EVENT.bytes().map(char::from).collect();
    let plain = EVENT.replace('😀', "ü");
    let chunks = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    let form = format!("--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n{EVENT}\r\n--b--\r\n");
    for (signed, captured, cause) in [
        (EVENT, escaped.clone().into_bytes(), Cause::JsonEncodedTwice),
        (EVENT, escaped.as_bytes()[1..escaped.len() - 1].to_vec(), Cause::JsonEncodedTwice),
        (EVENT, serde_json::json!({"body": EVENT, "headers": {}}).to_string().into(), Cause::JsonWrapped),
        (EVENT, format!("{{\"payload\":{EVENT}}}").into_bytes(), Cause::JsonWrapped),
        (EVENT, base64.clone().into_bytes(), Cause::Base64Encoded),
        (EVENT, format!("payload={percent}").into_bytes(), Cause::FormEncoded),
        (EVENT, format!("{percent}=").into_bytes(), Cause::FormEncoded),
        (EVENT, format!("payload={EVENT}").into_bytes(), Cause::FormEncoded),
        (
            EVENT,
            EVENT
                .replace('&', "&amp;")
                .replace('"', "&quot;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .into(),
            Cause::HtmlEscaped,
        ),
        (EVENT, latin.into_bytes(), Cause::CharsetChanged),
        (
            &plain,
            plain.chars().map(|character| u8::try_from(character).unwrap()).collect(),
            Cause::CharsetChanged,
        ),
        (EVENT, EVENT.encode_utf16().flat_map(u16::to_le_bytes).collect(), Cause::CharsetChanged),
        (EVENT, compressed(GzEncoder::new(body, Compression::default())), Cause::Compressed),
        (EVENT, compressed(ZlibEncoder::new(body, Compression::default())), Cause::Compressed),
        (EVENT, compressed(DeflateEncoder::new(body, Compression::default())), Cause::Compressed),
        (EVENT, chunks, Cause::ChunkedFraming),
        (EVENT, form.into_bytes(), Cause::MultipartWrapped),
        (EVENT, format!("{EVENT}\0\0\0").into_bytes(), Cause::BytesAppended),
        (EVENT, format!("{EVENT}{{\"next\":1}}").into_bytes(), Cause::BytesAppended),
        (EVENT, format!("body: {EVENT}").into_bytes(), Cause::BytesPrepended),
    ] {
        check(&Case::of(signed).body(captured), cause);
    }
    let text = Case::of("not JSON").body("not JSON, and more").with("content-length", "8");
    check(&text, Cause::BytesAppended);
}

#[test]
fn truncated_and_empty_bodies() {
    check(&Case::of(EVENT).body(&EVENT[..90]), Cause::Truncated);
    check(&Case::of("0123456789").body("01234").with("content-length", "10"), Cause::Truncated);
    check(&Case::of(EVENT).body(""), Cause::BodyEmpty);
    check(&Case::of(EVENT).body("").with("content-length", EVENT.len().to_string()), Cause::BodyEmpty);
    // The body is shorter than Content-Length because it was serialized again, not because it is truncated.
    let rewritten =
        Case::of(pretty(EVENT)).body(EVENT).with("content-length", pretty(EVENT).len().to_string());
    check(&rewritten, Cause::JsonSpacingChanged);
    let unknown = Case::of("{\"a\":1,\"b\":2}").body("{\"a\":1}").with("content-length", "13");
    check(&unknown, Cause::NothingFits);
    assert!(unknown.diagnosis().notes.iter().any(|note| note.contains("the JSON is complete")));
}

#[test]
fn reports_changes_that_cannot_be_undone_as_unknown() {
    let lossy = EVENT.replace('ë', "\u{fffd}");
    let case = Case::of(EVENT).body(lossy);
    check(&case, Cause::NothingFits);
    assert!(case.diagnosis().notes.iter().any(|note| note.contains("U+FFFD")), "{case:?}");
    let changed = Case::of(EVENT).body(EVENT.replace("Ada", "Eve"));
    check(&changed, Cause::NothingFits);
    let lower = changed.map("svix-signature", |list| list.to_lowercase());
    assert!(lower.diagnosis().notes.iter().any(|note| note.contains("one case")));
}

#[test]
fn names_both_of_two_causes() {
    let old = Case::at(NOW - 7200, EVENT).body(pretty(EVENT));
    let diagnosis = old.diagnosis();
    assert_eq!(diagnosis.cause, Cause::JsonSpacingChanged);
    assert!(diagnosis.notes.iter().any(|note| note.contains("2 h in the past")), "{diagnosis:?}");

    let php = pretty(EVENT).replace("  ", "    ").replace('/', "\\/").replace('ë', "\\u00eb");
    let diagnosis =
        Case::of(EVENT).body(php.replace('é', "\\u00e9").replace('😀', "\\ud83d\\ude00")).diagnosis();
    assert_eq!(diagnosis.cause, Cause::JsonEscapesChanged);
    assert!(diagnosis.notes[0].contains("compact"), "{diagnosis:?}");

    let case = Case::signed(SECRET.as_bytes(), &signed_text(), format!("{EVENT}\n"));
    let diagnosis = case.diagnosis();
    assert_eq!(diagnosis.cause, Cause::SecretNotDecoded);
    assert!(diagnosis.notes[0].contains("ends in a line break"), "{diagnosis:?}");

    let case = Case::of(EVENT).map("svix-id", |id| format!("\"{id}\"")).body(STANDARD.encode(EVENT));
    let diagnosis = case.diagnosis();
    assert_eq!(diagnosis.cause, Cause::QuotedHeader);
    assert!(diagnosis.notes[0].contains("base64"), "{diagnosis:?}");

    let gzip = compressed(GzEncoder::new(EVENT.as_bytes(), Compression::default()));
    let diagnosis = Case::of(EVENT).body(STANDARD.encode(gzip)).diagnosis();
    assert_eq!(diagnosis.cause, Cause::Base64Encoded);
    assert!(diagnosis.notes[0].contains("gzip"), "{diagnosis:?}");

    let missing = Case::of(EVENT).without("svix-id").without("svix-timestamp").diagnosis();
    assert_eq!(missing.notes, ["svix-timestamp is missing"]);
}

#[test]
fn the_table_in_json_md_lists_every_cause() {
    let documentation = include_str!("../../JSON.md");
    let rows: Vec<_> = documentation
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(code, _)| code)
        .skip_while(|code| *code != Cause::ALL[0].code())
        .take(Cause::ALL.len())
        .collect();
    let codes: Vec<_> = Cause::ALL.iter().map(|cause| cause.code()).collect();
    assert_eq!(rows, codes);
}

#[test]
fn notes_that_not_all_signatures_were_checked() {
    let others = |count: u8| -> String {
        (0..count).map(|byte| format!("v1,{} ", STANDARD.encode([byte; 32]))).collect()
    };
    // The timestamp is too old, so that the verifier rejects the delivery and the search runs.
    let late = Case::at(NOW - 7200, EVENT);
    check(&late.clone().map("svix-signature", |list| others(63) + &list), Cause::TimestampTooOld);
    let case = late.clone().map("svix-signature", |list| others(64) + &list);
    check(&case, Cause::NothingFits);
    let diagnosis = case.diagnosis();
    assert!(diagnosis.detail.starts_with("none of the checked signatures"), "{diagnosis:?}");
    let expected = "Only the first 64 signatures in svix-signature were checked";
    assert!(diagnosis.notes.iter().any(|note| note == expected), "{diagnosis:?}");
    let lower = late.map("svix-signature", |list| others(63) + &list.to_lowercase());
    check(&lower, Cause::SignatureCaseLost);

    let mut repeated = (0..4).fold(Case::of(EVENT).without("svix-signature"), |case, byte| {
        case.with("svix-signature", format!("v1,{}", STANDARD.encode([byte; 32])))
    });
    repeated.headers.extend(Case::of(EVENT).headers.into_iter().filter(|(name, _)| name == "svix-signature"));
    let expected = "Only the first 4 values of svix-signature were checked";
    let notes = repeated.diagnosis().notes;
    assert!(notes.iter().any(|note| note == expected), "{notes:?}");
}

#[test]
fn a_truncated_signature_does_not_match_by_chance() {
    // The budget bounds the number of comparisons.
    let comparisons = Limits::THOROUGH.work / search::TOKEN_COST;
    let bits = u32::try_from(6 * signatures::MIN_PART).unwrap();
    assert!(bits >= comparisons.ilog2() + 1 + 40, "{bits} bits, {comparisons} comparisons");
}

const CUT_SHORT: &str = "Not all combinations of changes were tried";

fn is_cut_short(verdict: CaptureVerdict) -> bool {
    let CaptureVerdict::Refused(diagnosis) = verdict else { panic!("authentic") };
    diagnosis.notes.iter().any(|note| note.starts_with(CUT_SHORT))
}

#[test]
fn bounds_the_work_of_a_search() {
    let large = format!(r#"{{"data":"{}é<","type":"x"}}"#, "ab/".repeat(20_000));
    let other = Case::of(EVENT);
    for case in
        [other.clone().body(large.clone()), other.clone().body(format!("[{}1]", "1.0,".repeat(15_000)))]
    {
        assert!(is_cut_short(case.judged_briefly()), "{} bytes", case.body.len());
    }
    // In a large body, the usual causes are still found.
    for (body, expected) in [
        (format!("{large}\n"), Cause::TrailingNewlineAdded),
        (spaced(&large), Cause::JsonSpacingChanged),
        (serde_json::to_string(&large).unwrap(), Cause::JsonEncodedTwice),
        (STANDARD.encode(&large), Cause::Base64Encoded),
    ] {
        let verdict = Case::of(large.clone()).body(body).judged_briefly();
        let CaptureVerdict::Refused(diagnosis) = verdict else { panic!("authentic") };
        assert_eq!(diagnosis.cause, expected, "{diagnosis:?}");
    }
    assert!(!is_cut_short(Case::of(EVENT).body("hello").judged_briefly()));

    // Decompression bombs: many numbers, or only spaces.
    let numbers = format!("[{}1]", "1.0,".repeat(100_000));
    let blanks = " ".repeat(Limits::BRIEF.decompressed + 1);
    for text in [numbers, blanks] {
        let bomb = compressed(GzEncoder::new(text.as_bytes(), Compression::best()));
        assert!(is_cut_short(Case::of(EVENT).body(bomb).judged_briefly()));
    }
}

#[test]
fn bounds_the_size_of_unwrapped_bodies() {
    let limits = Limits::BRIEF;
    let blanks = " ".repeat(limits.decompressed + 1);
    let bomb = compressed(GzEncoder::new(blanks.as_bytes(), Compression::best()));
    let fields = |count| "a=%41&".repeat(count).into_bytes();
    let parts = [b"--b\r\n\r\n".as_slice(), "é".repeat(40_000).as_bytes()].concat().repeat(3);
    for body in [bomb, fields(10_000), parts, "&amp;é".repeat(20_000).into_bytes(), vec![b'"'; 60_000]] {
        let mut budget = Budget::new(limits);
        let bodies = wrappings::all(&Case::of(EVENT).body(body.clone()).capture(), &mut budget);
        let inside: usize = bodies.iter().skip(1).map(|body| body.bytes.len()).sum();
        assert!(inside <= limits.unwrapped, "{inside} bytes of {}", body.len());
        assert!(bodies.iter().skip(1).all(|body| body.bytes.len() <= limits.unwrapped));
    }

    let mut budget = Budget::new(Limits::THOROUGH);
    let large = Case::of(EVENT).body(fields(MAX_WRAPPED / 6 + 1));
    assert_eq!(wrappings::all(&large.capture(), &mut budget).len(), 1);
    let CaptureVerdict::Refused(diagnosis) = large.judged_briefly() else { panic!("authentic") };
    assert!(diagnosis.notes.iter().any(|note| note.contains("it was not unwrapped")), "{diagnosis:?}");
}

type Break = fn(&str) -> Vec<u8>;

/// Functions that break a body, each with its cause. A function may leave some bodies unchanged.
const BREAKS: [(Cause, Break); 11] = [
    (Cause::TrailingNewlineAdded, |body| format!("{body}\n").into()),
    (Cause::ByteOrderMarkAdded, |body| format!("\u{feff}{body}").into()),
    (Cause::WhiteSpaceAdded, |body| format!(" \t{body}").into()),
    (Cause::JsonSpacingChanged, |body| spaced(body).into()),
    (Cause::JsonSpacingChanged, |body| pretty(body).into()),
    (Cause::JsonEscapesChanged, |body| body.replace('/', "\\/").into()),
    (Cause::JsonEncodedTwice, |body| serde_json::to_string(body).unwrap().into()),
    (Cause::Base64Encoded, |body| STANDARD.encode(body).into()),
    (Cause::Compressed, |body| compressed(GzEncoder::new(body.as_bytes(), Compression::fast()))),
    (Cause::JsonWrapped, |body| serde_json::json!({ "body": body }).to_string().into()),
    (Cause::BytesAppended, |body| format!("{body}]]").into()),
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn names_the_cause_of_random_breaks_of_random_events(
        fixture in 0..AnyFixture::all().len(),
        broken in 0..BREAKS.len(),
        header in 0..5_usize,
        age in -900_i64..900,
    ) {
        let body = AnyFixture::all().nth(fixture).unwrap().body();
        let body = std::str::from_utf8(&body).unwrap();
        let (cause, change) = BREAKS[broken];
        let changed = change(body);
        let is_broken = changed != body.as_bytes();
        let case = Case::at(NOW - age, body).body(changed);
        let (case, of_header) = match header {
            0 => (case.map("svix-id", |id| format!("\"{id}\"")), Some(Cause::QuotedHeader)),
            1 => (case.map("svix-signature", |list| list.replace("v1,", "")), Some(Cause::SignatureWithoutVersion)),
            _ => (case, None),
        };
        let is_old = age.unsigned_abs() > 300;
        let of_age = if age > 0 { Cause::TimestampTooOld } else { Cause::TimestampTooNew };
        let expected = of_header.or(is_broken.then_some(cause)).or(is_old.then_some(of_age));
        match (case.judged(&[SECRET]), expected) {
            (CaptureVerdict::Authentic(_), None) => {}
            (CaptureVerdict::Refused(diagnosis), Some(expected)) => {
                prop_assert_eq!(diagnosis.cause, expected, "{:?}", &diagnosis);
                let said = format!("{} {}", diagnosis.detail, diagnosis.notes.join(" "));
                prop_assert!(said.contains("the signature"), "{}", &said);
                prop_assert_eq!(said.contains("the tolerance is"), is_old, "{}", &said);
                prop_assert!(!said.contains("no signature matches"), "{}", &said);
            }
            (verdict, expected) => prop_assert!(false, "{expected:?}: {verdict:?}"),
        }
    }
}

proptest! {
    // Only a few cases, because each one runs a complete search.
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn does_not_panic_on_arbitrary_input(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 3),
        body in proptest::collection::vec(any::<u8>(), 0..400),
        start in "(\\{\"|--b\n|\"|payload=|%7B|1f\r\n|\x1f|)",
    ) {
        let mut case = Case::of([start.as_bytes(), &body].concat());
        for (name, value) in ["svix-id", "svix-timestamp", "svix-signature"].into_iter().zip(values) {
            case = case.set(name, value);
        }
        let _ = case.judged_briefly();
    }

    #[test]
    fn reports_a_flipped_bit_as_unknown(at in 0..EVENT.len(), bit in 0..7_u8) {
        let mut body = EVENT.as_bytes().to_vec();
        body[at] ^= 1 << bit;
        let CaptureVerdict::Refused(diagnosis) = Case::of(EVENT).body(body).judged_briefly() else { panic!("authentic") };
        let fine = [Cause::NothingFits, Cause::Truncated];
        prop_assert!(fine.contains(&diagnosis.cause), "{:?}", diagnosis);
    }
}
