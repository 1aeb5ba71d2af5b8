//! Valid deliveries are accepted, and each broken delivery is rejected with the expected error.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a panic fails the test")]

use bytes::Bytes;
use clerk_webhook_core::{
    Answer, HeaderFamily, HeaderFields, MessageId, ReceiveErrorKind, SigningSecret, Timestamp, Verifier,
    VerifyErrorKind,
};
use clerk_webhook_test::{
    Delivery, SECRET,
    fixture::{self, AnyFixture},
};
use serde_json::json;

const OTHER_SECRET: &str = "whsec_Ypq3ItkZpDR0zU9tQ7WGbTWEhYhlGnyC";

fn verifier() -> Verifier {
    Verifier::new(SECRET).unwrap()
}

#[track_caller]
fn assert_accepted(delivery: &Delivery) {
    verifier().receive(&delivery.headers(), delivery.body()).unwrap();
}

fn error_kind(delivery: &Delivery) -> ReceiveErrorKind {
    verifier().receive(&delivery.headers(), delivery.body()).unwrap_err().kind()
}

#[track_caller]
fn assert_rejected(delivery: &Delivery, kind: VerifyErrorKind) {
    assert_eq!(error_kind(delivery), ReceiveErrorKind::Verify(kind));
}

fn every_delivery() -> impl Iterator<Item = Delivery> {
    let bodies = ["", "{}", "null", "é", "\n"].map(Delivery::of_body);
    let bytes = [&[0xff_u8][..], &[0; 3], b"\xef\xbb\xbf{}"].map(Delivery::of_body);
    AnyFixture::all().map(Delivery::of).chain(bodies).chain(bytes).flat_map(|delivery| {
        let webhook = delivery.clone().header_family(HeaderFamily::Webhook);
        [delivery, webhook]
    })
}

#[test]
fn accepts_every_fixture_with_both_header_families_and_during_a_rotation() {
    let [current, next] = [SECRET, OTHER_SECRET].map(|text| SigningSecret::parse(text).unwrap());
    let rotated = Verifier::new(OTHER_SECRET).unwrap();
    for fixture in AnyFixture::all() {
        for family in [HeaderFamily::Svix, HeaderFamily::Webhook] {
            let delivery = Delivery::of(fixture).header_family(family);
            assert_accepted(&delivery);
            assert_eq!(delivery.headers()[1].0, family.headers()[0].as_str());

            let rotating = delivery.secrets([next.clone(), current.clone()]);
            assert_accepted(&rotating);
            rotated.verify(&rotating.headers(), &rotating.body()).unwrap();
            assert_eq!(rotating.headers()[3].1.split(' ').count(), 2);
        }
    }
}

#[test]
fn rejects_broken_deliveries_of_any_body_with_the_expected_error() {
    for right in every_delivery() {
        let broken = |break_it: fn(Delivery) -> Delivery| break_it(right.clone());
        assert_rejected(&broken(Delivery::stale), VerifyErrorKind::TimestampTooOld);
        assert_rejected(&broken(Delivery::from_the_future), VerifyErrorKind::TimestampTooNew);
        assert_rejected(&broken(Delivery::wrong_secret), VerifyErrorKind::NoMatchingSignature);
        assert_rejected(&broken(Delivery::altered), VerifyErrorKind::NoMatchingSignature);
        assert_rejected(&broken(Delivery::unsigned), VerifyErrorKind::MissingHeader);
        for header in ["svix-id", "svix-timestamp", "Svix-Signature", "webhook-id"] {
            assert_rejected(&right.clone().without(header), VerifyErrorKind::MissingHeader);
            assert_rejected(&right.clone().repeated(header), VerifyErrorKind::DuplicateHeader);
            assert_rejected(&right.clone().replaced(header, " "), VerifyErrorKind::MissingHeader);
        }
        let replaced = |header, value| right.clone().replaced(header, value);
        assert_rejected(&replaced("svix-signature", "v1,"), VerifyErrorKind::NoMatchingSignature);
        assert_rejected(&replaced("svix-signature", "v1a,AAAA"), VerifyErrorKind::NoMatchingSignature);
        assert_rejected(&replaced("svix-timestamp", "1760000000.5"), VerifyErrorKind::InvalidTimestamp);
        assert_rejected(&replaced("svix-id", "a.b"), VerifyErrorKind::InvalidHeader);
        assert_rejected(&replaced("svix-id", "msg_other"), VerifyErrorKind::NoMatchingSignature);
        if !right.body().is_empty() {
            assert_rejected(&broken(Delivery::cut_short), VerifyErrorKind::NoMatchingSignature);
        }
        if serde_json::from_slice::<serde_json::Value>(&right.body()).is_ok() {
            assert_rejected(&broken(Delivery::reserialized), VerifyErrorKind::NoMatchingSignature);
        }
        assert_rejected(&right.clone().secrets([]), VerifyErrorKind::MissingHeader);
    }
}

/// Undoing the change makes the delivery valid again.
#[test]
fn each_method_breaks_only_one_thing() {
    let right = Delivery::of(fixture::user_created());
    let any_age = Verifier::builder()
        .secret(SigningSecret::parse(SECRET).unwrap())
        .dangerous_accept_any_age()
        .build()
        .unwrap();
    for late in [right.clone().stale(), right.clone().from_the_future()] {
        any_age.verify(&late.headers(), &late.body()).unwrap();
    }

    let (headers, body) = (right.headers(), right.body());
    for body_only in [right.clone().altered(), right.clone().cut_short(), right.clone().reserialized()] {
        assert_eq!(body_only.headers(), headers);
        assert_ne!(body_only.body(), body);
    }
    for headers_only in [right.clone().wrong_secret(), right.clone().replaced("svix-signature", "v1,")] {
        assert_eq!(headers_only.body(), body);
        assert_eq!(headers_only.headers()[..3], headers[..3]);
        assert_ne!(headers_only.headers()[3], headers[3]);
    }
    let mut without = right.clone().without("svix-id").headers();
    without.insert(1, headers[1].clone());
    assert_eq!(without, headers);
    let mut repeated = right.clone().repeated("svix-id").headers();
    assert_eq!(repeated.remove(1), headers[1]);
    assert_eq!(repeated, headers);
    assert_eq!(right.unsigned().headers(), headers[..1]);
}

#[test]
fn an_altered_event_is_a_different_valid_event() {
    for fixture in AnyFixture::all() {
        let right = Delivery::of(fixture);
        let altered = right.clone().altered();
        let altered = Delivery::of_body(altered.body());
        let event = altered.event();
        assert_eq!(*event.event_type(), fixture.event_type(), "{fixture:?}");
        assert_ne!(event.raw_body(), right.event().raw_body());
        assert_eq!(right.event().raw_body().len(), event.raw_body().len());
    }
}

#[test]
fn the_order_of_calls_does_not_matter() {
    let right = Delivery::of(fixture::user_created()).id("msg_1");
    let at = Timestamp::from_secs(1_760_000_000);
    let forth = right.clone().stale().altered().wrong_secret().repeated("svix-id").cut_short().reserialized();
    let forth = forth.at(at).secret(OTHER_SECRET).id("msg_2").header_family(HeaderFamily::Webhook);
    let back = right.header_family(HeaderFamily::Webhook).id("msg_2").secret(OTHER_SECRET).at(at);
    let back = back.reserialized().cut_short().repeated("webhook-id").wrong_secret().altered().stale();
    assert_eq!(forth.headers(), back.headers());
    assert_eq!(forth.body(), back.body());
}

#[test]
fn stale_and_future_timestamps_are_valid_for_extreme_times() {
    for at in [i64::MIN, -1, 0, 1, i64::MAX] {
        let delivery = Delivery::of(fixture::user_created()).at(Timestamp::from_millis(at));
        let _ = delivery.clone().from_the_future().headers();
        let headers = delivery.stale().headers();
        let (_, seconds) = &headers[2];
        assert!(seconds.parse::<u64>().is_ok(), "{seconds}");
    }
}

#[test]
fn signs_the_event_with_all_changes() {
    let occurred_at = Timestamp::from_millis(1_790_000_000_123);
    let delivery = Delivery::of(fixture::user_created())
        .id("msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa")
        .set("/data/first_name", "Grace")
        .set("/data/zebra", json!({ "b": 1, "a": [2] }))
        .remove("/data/last_name")
        .occurred_at(occurred_at);
    let event = verifier().receive(&delivery.headers(), delivery.body()).unwrap();
    assert_eq!(event.message_id().as_str(), "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa");
    assert_eq!(event.occurred_at(), Some(occurred_at));
    let data: serde_json::Value = event.data_as().unwrap();
    assert_eq!((&data["first_name"], data.get("last_name")), (&json!("Grace"), None));
    assert!(event.raw_data().ends_with(r#""zebra":{"a":[2],"b":1}}"#), "{}", event.raw_data());

    let local = delivery.event();
    assert_eq!((local.message_id(), local.raw_body()), (event.message_id(), event.raw_body()));
    assert_eq!(local.attempted_at(), event.attempted_at());
}

#[test]
fn clones_share_the_message_id_and_new_deliveries_have_new_ones() {
    let one = Delivery::of(fixture::user_created());
    let other = Delivery::of(fixture::user_created());
    assert_ne!(one.headers()[1], other.headers()[1]);
    assert_eq!(one.clone().headers(), one.headers());
    let id: MessageId = one.headers()[1].1.parse().unwrap();
    assert!(id.as_str().starts_with("msg_") && id.as_str().len() == 31, "{id}");
}

#[test]
fn adds_a_header() {
    let delivery = Delivery::of(fixture::user_created()).header("Content-Encoding", "identity");
    assert_accepted(&delivery);
    assert_eq!(delivery.headers()[4], ("Content-Encoding", "identity".to_owned()));
    let twice = Delivery::of(fixture::user_created()).header("svix-id", "msg_1");
    assert_rejected(&twice, VerifyErrorKind::DuplicateHeader);
    assert!(!delivery.unsigned().headers().has_signature_headers());
}

#[test]
fn rejects_an_authentic_body_that_is_not_an_event() {
    for body in ["", "hello", "[]"] {
        let error = verifier()
            .receive(&Delivery::of_body(body).id("msg_1").headers(), Bytes::from(body))
            .unwrap_err();
        assert_eq!(Answer::from(&error).outcome().as_str(), "not_an_event", "{body}");
    }
}

#[test]
fn debug_shows_neither_body_nor_signature() {
    let delivery = Delivery::of(fixture::user_created()).stale();
    let debug = format!("{delivery:?}");
    assert!(!debug.contains("Lovelace") && !debug.contains("whsec") && !debug.contains("v1,"), "{debug}");
}

/// Returns the panic message of a closure.
fn panic_of(work: impl FnOnce() -> Delivery + std::panic::UnwindSafe) -> String {
    let payload = std::panic::catch_unwind(work).unwrap_err();
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string)).expect("a message")
}

#[test]
fn panics_name_the_problem_and_show_no_secret() {
    let delivery = || Delivery::of(fixture::user_created());
    let message = panic_of(move || delivery().secret("sk_live_cGFzdGVkIGJ5IG1pc3Rha2U"));
    assert!(!message.contains("cGFzdGVk"), "{message}");
    let message = panic_of(move || delivery().secret("whsec_cGFzdGVkIGJ5=!"));
    assert!(!message.contains("cGFzdGVk"), "{message}");
    for (message, expected) in [
        (panic_of(move || delivery().id("a.b")), "dot"),
        (panic_of(move || delivery().set("/nothing/here", 1)), "/nothing does not exist"),
        (panic_of(move || delivery().set("data", 1)), "not a JSON Pointer"),
        (panic_of(move || delivery().remove("/data/nothing")), "/data/nothing does not exist"),
        (panic_of(|| Delivery::of_body("hello").set("/data", 1)), "not JSON"),
        (panic_of(move || delivery().without("svix-ids")), "\"svix-ids\" is not a header of a delivery"),
        (
            panic_of(move || delivery().replaced("svix-id", "a\nb")),
            "a character that is not allowed in header values",
        ),
        (panic_of(move || delivery().header("a b", "c")), "not a valid header name"),
        (
            panic_of(move || delivery().header("a", "\u{e9}")),
            "a character that is not allowed in header values",
        ),
        (panic_of(move || delivery().path("webhooks/clerk")), "is not a path"),
        (panic_of(move || delivery().path("/a b")), "is not a path"),
        (panic_of(|| Delivery::of_body("").cut_short()), "cannot be cut short"),
        (panic_of(|| Delivery::of_body("hello").reserialized()), "not JSON"),
    ] {
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn replaces_the_signature_of_a_delivery_without_secrets() {
    let delivery = Delivery::of(fixture::user_created()).secrets([]).replaced("svix-signature", "v1,AAAA");
    let signatures: Vec<_> =
        delivery.headers().into_iter().filter(|(name, _)| *name == "svix-signature").collect();
    assert_eq!(signatures, [("svix-signature", "v1,AAAA".to_owned())]);
}
