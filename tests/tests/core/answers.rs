//! The table of answers.

use bytes::Bytes;
use clerk_webhook_core::event::EventErrorKind;
use clerk_webhook_core::{
    Answer, Event, Outcome, ReceiveError, ReceiveErrorKind, Timestamp, Verifier, VerifyErrorKind,
};
use clerk_webhook_tests::{SECRET, message_id, secret};
use serde_json::Value;

/// One error of each kind, made by what makes it in earnest.
fn errors() -> Vec<(ReceiveErrorKind, ReceiveError)> {
    let verifier = Verifier::new(SECRET).unwrap();
    let refused = |headers: Vec<(&str, String)>, body: &'static str| {
        let error = verifier.receive(&headers, Bytes::from(body)).unwrap_err();
        (error.kind(), error)
    };
    let signed =
        |at: Timestamp, body: &str| secret().sign(&message_id(), at, body.as_bytes()).to_pairs().to_vec();
    let now = Timestamp::now();
    let mut repeated = signed(now, "");
    repeated.push(("svix-id", "x".to_owned()));
    let with = |index: usize, value: &str| {
        let mut headers = signed(now, "");
        headers[index].1 = value.to_owned();
        headers
    };
    let mut errors = vec![
        refused(vec![], ""),
        refused(repeated, ""),
        refused(with(0, "a.b"), ""),
        refused(with(1, "soon"), ""),
        refused(signed(Timestamp::from_secs(now.as_secs() - 1000), ""), ""),
        refused(signed(Timestamp::from_secs(now.as_secs() + 1000), ""), ""),
        refused(signed(now, "other"), ""),
        refused(signed(now, "{"), "{"),
        refused(signed(now, "[]"), "[]"),
    ];
    for error in [
        ReceiveError::body_too_large(1),
        ReceiveError::body_too_large_outside(),
        ReceiveError::of_body::<std::num::TryFromIntError>(u8::try_from(256).unwrap_err()),
        ReceiveError::body_timeout(),
        ReceiveError::of_body::<std::num::TryFromIntError>("connection reset"),
        ReceiveError::body_failed("connection reset"),
        ReceiveError::misconfigured("do it right"),
    ] {
        errors.push((error.kind(), error));
    }
    errors
}

#[test]
fn every_error_has_its_row() {
    let rows: Vec<_> = errors()
        .into_iter()
        .map(|(kind, error)| {
            let answer = Answer::from(&error);
            (kind, answer.outcome(), answer.status())
        })
        .collect();
    let verify = ReceiveErrorKind::Verify;
    assert_eq!(
        rows,
        [
            (verify(VerifyErrorKind::MissingHeader), Outcome::MissingHeader, 400),
            (verify(VerifyErrorKind::DuplicateHeader), Outcome::Malformed, 400),
            (verify(VerifyErrorKind::InvalidHeader), Outcome::Malformed, 400),
            (verify(VerifyErrorKind::InvalidTimestamp), Outcome::Malformed, 400),
            (verify(VerifyErrorKind::TimestampTooOld), Outcome::ExpiredTimestamp, 400),
            (verify(VerifyErrorKind::TimestampTooNew), Outcome::ExpiredTimestamp, 400),
            (verify(VerifyErrorKind::NoMatchingSignature), Outcome::InvalidSignature, 400),
            (ReceiveErrorKind::Event(EventErrorKind::InvalidJson), Outcome::NotAnEvent, 400),
            (ReceiveErrorKind::Event(EventErrorKind::InvalidEvent), Outcome::NotAnEvent, 400),
            (ReceiveErrorKind::BodyTooLarge, Outcome::BodyTooLarge, 413),
            (ReceiveErrorKind::BodyTooLarge, Outcome::BodyTooLarge, 413),
            (ReceiveErrorKind::BodyTooLarge, Outcome::BodyTooLarge, 413),
            (ReceiveErrorKind::BodyTimeout, Outcome::BodyTimeout, 408),
            (ReceiveErrorKind::BodyFailed, Outcome::BodyFailed, 400),
            (ReceiveErrorKind::BodyFailed, Outcome::BodyFailed, 400),
            (ReceiveErrorKind::Misconfigured, Outcome::Misconfigured, 500),
        ],
    );
}

#[test]
fn whoever_is_not_verified_learns_nothing() {
    let bodies: std::collections::BTreeSet<_> = errors()
        .iter()
        .filter(|(kind, _)| matches!(kind, ReceiveErrorKind::Verify(_)))
        .map(|(_, error)| Answer::from(error).body())
        .collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

#[test]
fn answers_become_responses() {
    for (_, error) in errors() {
        let answer = Answer::from(&error);
        let response = http::Response::<Bytes>::from(answer);
        assert_eq!(response.status().as_u16(), answer.status());
        assert_eq!(response.headers()["content-type"], answer.content_type());
        assert!(!response.headers().contains_key("webhook-delivery"));
        assert_eq!(response.extensions().get::<Outcome>(), Some(&answer.outcome()));
        let body: Value = serde_json::from_slice(response.body()).unwrap();
        match answer.outcome() {
            Outcome::NotAnEvent => {
                assert_eq!(answer.content_type(), "application/json");
                assert_eq!(body["outcome"], "not_an_event");
            }
            _ => {
                assert_eq!(answer.content_type(), "application/problem+json");
                assert_eq!(body["status"], answer.status());
            }
        }
    }
}

#[test]
fn an_outcome_has_one_word_for_logs_and_tools() {
    let words = [
        "missing_header",
        "malformed",
        "expired_timestamp",
        "invalid_signature",
        "not_an_event",
        "body_too_large",
        "body_timeout",
        "body_failed",
        "misconfigured",
    ];
    assert_eq!(Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect::<Vec<_>>(), words);
    assert_eq!(format!("{:<10}|", Outcome::Malformed), "malformed |");
}

#[test]
fn an_event_that_is_refused_only_for_its_form_is_no_verification_failure() {
    let error = Event::from_trusted(message_id(), Timestamp::now(), "{".into()).unwrap_err();
    assert_eq!(Answer::from(&ReceiveError::from(error)).outcome(), Outcome::NotAnEvent);
}

#[test]
fn what_is_wrong_with_the_application_is_said_to_its_log_and_not_to_the_sender() {
    let error = ReceiveError::misconfigured("do it right");
    assert_eq!(error.to_string(), "the application cannot receive deliveries: do it right");
    assert_eq!(Answer::from(&error).body(), r#"{"title":"Internal Server Error","status":500}"#);
}
