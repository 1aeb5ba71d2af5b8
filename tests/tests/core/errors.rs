//! Errors and `Debug` output help the reader, and show no secret, no expected signature and no payload.

use std::error::Error;

use bytes::Bytes;
use clerk_webhook_core::{
    Event, HeaderFamily, ReceiveError, ReceiveErrorKind, SignatureHeader, Timestamp, Verifier, VerifyError,
    VerifyErrorKind,
};
use clerk_webhook_tests::{SECRET, message_id, secret};

/// Returns the error for a delivery whose headers were changed after signing.
fn rejection(family: HeaderFamily, change: impl FnOnce(&mut Vec<(&'static str, String)>)) -> ReceiveError {
    let now = Timestamp::from_secs(1_700_000_000);
    let verifier = Verifier::builder().secret(secret()).clock(move || now).build().unwrap();
    let mut headers = secret().sign(&message_id(), now, b"body").family(family).to_pairs().to_vec();
    change(&mut headers);
    verifier.receive(&headers, "body".into()).unwrap_err()
}

#[test]
fn an_error_names_the_header_its_problem_and_the_remedy() {
    use SignatureHeader::{SvixId, SvixSignature, SvixTimestamp, WebhookSignature, WebhookTimestamp};
    use VerifyErrorKind::{
        DuplicateHeader, InvalidHeader, InvalidTimestamp, MissingHeader, NoMatchingSignature,
        TimestampTooNew, TimestampTooOld,
    };

    let svix = |index: usize, value: &str| {
        rejection(HeaderFamily::Svix, |headers| headers[index].1 = value.to_owned())
    };
    let webhook = |index: usize, value: &str| {
        rejection(HeaderFamily::Webhook, |headers| headers[index].1 = value.to_owned())
    };
    let repeated = rejection(HeaderFamily::Svix, |headers| headers.push(("Svix-Signature", String::new())));
    for (error, kind, header, text) in [
        (
            svix(0, " "),
            MissingHeader,
            SvixId,
            "svix-id is missing or empty: check that the request comes from Clerk and that no proxy removes headers",
        ),
        (
            repeated,
            DuplicateHeader,
            SvixSignature,
            "svix-signature occurs more than once: check that no proxy adds a second one",
        ),
        (
            svix(0, "a.b"),
            InvalidHeader,
            SvixId,
            "svix-id contains invalid characters or is too long: check that no proxy changes headers",
        ),
        (
            webhook(2, "\t\u{e9}"),
            InvalidHeader,
            WebhookSignature,
            "webhook-signature contains invalid characters or is too long: check that no proxy changes headers",
        ),
        (
            webhook(1, "1e9"),
            InvalidTimestamp,
            WebhookTimestamp,
            "webhook-timestamp is not a whole number of seconds: check that no proxy changes headers",
        ),
        (
            svix(1, "1699999699"),
            TimestampTooOld,
            SvixTimestamp,
            "svix-timestamp is 301 s in the past: synchronize this machine's clock; if the clock is correct, the request is a replay",
        ),
        (
            svix(1, "1700000301"),
            TimestampTooNew,
            SvixTimestamp,
            "svix-timestamp is 301 s in the future: synchronize this machine's clock",
        ),
        (
            svix(2, "v1,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
            NoMatchingSignature,
            SvixSignature,
            "no signature in svix-signature matches: check that the signing secret belongs to this endpoint and that the \
             body reaches the verifier unchanged",
        ),
    ] {
        assert_eq!(error.kind(), ReceiveErrorKind::Verify(kind), "{text}");
        assert_eq!(error.to_string(), "the delivery could not be verified");
        let cause = error.source().unwrap().downcast_ref::<VerifyError>().unwrap();
        assert_eq!((cause.kind(), cause.header(), cause.to_string().as_str()), (kind, Some(header), text));
        assert_eq!(header.to_string(), header.as_str());
        let skew = match kind {
            TimestampTooOld => Some(-301),
            TimestampTooNew => Some(301),
            _ => None,
        };
        assert_eq!(cause.skew_seconds(), skew, "{text}");
    }
}

/// Returns an error of each public type.
fn one_of_each() -> Vec<Box<dyn Error>> {
    use clerk_webhook_core::event::marker::UserCreated;
    use clerk_webhook_core::{Handlers, MessageId, SigningSecret};

    let trusted = |body: &'static str| Event::from_trusted(message_id(), Timestamp::now(), body.into());
    let twice =
        Handlers::<()>::builder().on(UserCreated, async |_, _| Ok(())).on(UserCreated, async |_, _| Ok(()));
    let undecodable = trusted(r#"{"data":{"id":7},"type":"user.created"}"#).unwrap();
    vec![
        Box::new(SigningSecret::parse("sk_test_x").unwrap_err()),
        Box::new(Verifier::new(SECRET).unwrap().verify(&[("svix-id", "")], b"").unwrap_err()),
        Box::new(rejection(HeaderFamily::Svix, |headers| headers[0].1.clear())),
        Box::new(ReceiveError::body_failed("connection reset")),
        Box::new(ReceiveError::body_too_large(7)),
        Box::new(ReceiveError::misconfigured("set the verifier")),
        Box::new(trusted("[]").unwrap_err()),
        Box::new(undecodable.data_as::<Vec<u8>>().unwrap_err()),
        Box::new(twice.build().unwrap_err()),
        Box::new("a.b".parse::<MessageId>().unwrap_err()),
    ]
}

#[test]
fn debug_of_an_error_is_its_text_with_all_sources() {
    for error in one_of_each() {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        assert_eq!(format!("{error:?}"), text);
        assert_eq!(format!("{error:#?}"), text);
    }
}

#[test]
fn errors_and_their_sources_show_no_secret_and_no_payload() {
    let verifier = Verifier::new(SECRET).unwrap();
    let now = Timestamp::now();
    let expected = secret().sign(&message_id(), now, b"private").to_pairs();
    let expected_mac = &expected[2].1[3..];
    let forged = secret().sign(&message_id(), now, b"other").to_pairs();
    let malformed = secret().sign(&message_id(), now, b"private").to_pairs();
    for error in [
        verifier.receive(&forged, Bytes::from("private")).unwrap_err(),
        verifier.receive(&malformed, Bytes::from("private")).unwrap_err(),
        verifier.receive(&[("svix-id", "private"), ("svix-id", "private")], Bytes::new()).unwrap_err(),
        verifier.receive(&[("svix-id", "pri vate")], Bytes::new()).unwrap_err(),
    ] {
        let mut text = format!("{error:?}");
        let mut next: Option<&dyn Error> = Some(&error);
        while let Some(error) = next {
            text.push_str(&error.to_string());
            next = error.source();
        }
        for hidden in ["private", "pri vate", expected_mac, &SECRET[6..], &forged[2].1] {
            assert!(!text.contains(hidden), "{text}");
        }
    }
}

#[test]
fn debug_shows_ids_and_times_but_no_secret_and_no_payload() {
    let verifier = Verifier::new(SECRET).unwrap();
    let now = Timestamp::now();
    let signed = secret().sign(&message_id(), now, b"private");
    let pairs = signed.to_pairs();
    let mut delivery = verifier.begin_receive(&pairs).unwrap();
    delivery.push(Bytes::from("private")).unwrap();
    let mut verification = verifier.begin_verify(&pairs).unwrap();
    verification.update(b"private");
    let event = br#"{"data":{"x":"private"},"timestamp":1,"type":"test"}"#;
    let event = Event::from_trusted(message_id(), now, Bytes::from_static(event)).unwrap();
    let text = format!(
        "{verifier:?} {:?} {signed:?} {delivery:?} {verification:?} {event:?} {:?} {:?}",
        Verifier::builder().secret(secret()),
        event.data(),
        secret(),
    );
    for hidden in ["private", &SECRET[6..], &pairs[2].1[3..]] {
        assert!(!text.contains(hidden), "{text}");
    }
    let (id, now) = (format!("{:?}", message_id()), format!("{now:?}"));
    let shown = [
        "Verifier { secrets: 1, .. }".to_owned(),
        "VerifierBuilder { secrets: 1, .. }".to_owned(),
        format!("SignedHeaders {{ family: Svix, id: {id}, timestamp: {now}, .. }}"),
        format!(
            "PendingDelivery {{ verification: Verification {{ message_id: {id}, .. }}, received: 7, limit: 2097152, .. }}"
        ),
        format!(
            "Event {{ id: {id}, event_type: Other(\"test\"), attempted_at: {now}, occurred_at: Some(Timestamp(1000)), .. }}"
        ),
        "Unrecognized { event_type: Other(\"test\"), reason: UnknownType, .. }".to_owned(),
        "SigningSecret([REDACTED])".to_owned(),
    ];
    for shown in shown {
        assert!(text.contains(&shown), "{text}");
    }
}
