//! The table of answers.

use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::event::EventErrorKind;
use clerk_webhook_core::{
    Answer, Event, Failure, Handled, Outcome, ReceiveError, ReceiveErrorKind, Timestamp, Verifier,
    VerifyErrorKind,
};
use clerk_webhook_tests::{SECRET, message_id, secret};
use serde_json::{Value, json};

/// Returns one error of each kind, from the real constructors.
fn errors() -> Vec<(ReceiveErrorKind, ReceiveError)> {
    let verifier = Verifier::new(SECRET).unwrap();
    let rejected = |headers: Vec<(&str, String)>, body: &'static str| {
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
        rejected(vec![], ""),
        rejected(repeated, ""),
        rejected(with(0, "a.b"), ""),
        rejected(with(1, "soon"), ""),
        rejected(signed(Timestamp::from_secs(now.as_secs() - 1000), ""), ""),
        rejected(signed(Timestamp::from_secs(now.as_secs() + 1000), ""), ""),
        rejected(signed(now, "other"), ""),
        rejected(signed(now, "{"), "{"),
        rejected(signed(now, "[]"), "[]"),
    ];
    for error in [
        ReceiveError::body_too_large(1),
        ReceiveError::body_too_large_upstream(),
        ReceiveError::from_body_error::<std::num::TryFromIntError>(u8::try_from(256).unwrap_err()),
        ReceiveError::body_timeout(),
        ReceiveError::from_body_error::<std::num::TryFromIntError>("connection reset"),
        ReceiveError::body_failed("connection reset"),
        ReceiveError::misconfigured("set the verifier"),
    ] {
        errors.push((error.kind(), error));
    }
    errors
}

#[test]
fn maps_every_error_to_an_outcome_and_a_status() {
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
fn all_failed_verifications_get_the_same_body() {
    let bodies: std::collections::BTreeSet<_> = errors()
        .iter()
        .filter(|(kind, _)| matches!(kind, ReceiveErrorKind::Verify(_)))
        .map(|(_, error)| Answer::from(error).body())
        .collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

/// An outcome, its name, the status, the default `Retry-After` in seconds, and `webhook-delivery`.
type Row = (Outcome, &'static str, u16, Option<u32>, Option<&'static str>);

const TABLE: [Row; 20] = [
    (Outcome::Processed, "processed", 200, None, None),
    (Outcome::Queued, "queued", 200, None, None),
    (Outcome::Ignored, "ignored", 200, None, None),
    (Outcome::Duplicate, "duplicate", 200, None, None),
    (Outcome::InProgress, "in_progress", 409, Some(10), None),
    (Outcome::Failed, "failed", 500, None, None),
    (Outcome::HandlerTimeout, "handler_timeout", 503, None, None),
    (Outcome::Rejected, "rejected", 422, None, Some("abort-message")),
    (Outcome::Disabled, "disabled", 422, None, Some("disable")),
    (Outcome::StoreUnavailable, "store_unavailable", 503, Some(10), None),
    (Outcome::LeaseLost, "lease_lost", 409, Some(10), None),
    (Outcome::MissingHeader, "missing_header", 400, None, None),
    (Outcome::Malformed, "malformed", 400, None, None),
    (Outcome::ExpiredTimestamp, "expired_timestamp", 400, None, None),
    (Outcome::InvalidSignature, "invalid_signature", 400, None, None),
    (Outcome::NotAnEvent, "not_an_event", 400, None, None),
    (Outcome::BodyTooLarge, "body_too_large", 413, None, None),
    (Outcome::BodyTimeout, "body_timeout", 408, None, None),
    (Outcome::BodyFailed, "body_failed", 400, None, None),
    (Outcome::Misconfigured, "misconfigured", 500, None, None),
];

#[test]
fn maps_every_outcome_to_an_answer() {
    let rows: Vec<_> = Outcome::ALL
        .iter()
        .map(|outcome| {
            let answer = Answer::from(*outcome);
            assert_eq!((answer.outcome(), outcome.to_string()), (*outcome, outcome.as_str().to_owned()));
            (*outcome, outcome.as_str(), answer.status(), answer.retry_after(), answer.delivery_control())
        })
        .collect();
    assert_eq!(rows, TABLE);
    assert_eq!(format!("{:<10}|", Outcome::Malformed), "malformed |");
}

#[test]
fn the_table_in_the_guide_equals_the_code() {
    let chapter = include_str!("../../../crates/clerk-webhook/src/guide/handlers.md");
    let table = chapter.split_once("| outcome | status | headers |").expect("the chapter has the table").1;
    let rows: Vec<[&str; 5]> = table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| "))
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>()[..5].try_into().unwrap())
        .collect();
    assert_eq!(rows.len(), Outcome::ALL.len());
    for (outcome, [word, status, headers, meaning, next]) in Outcome::ALL.iter().zip(rows) {
        let answer = Answer::from(*outcome);
        assert_eq!((word, status), (&*format!("`{outcome}`"), &*answer.status().to_string()));
        let delayed = answer.with_retry_after(Duration::from_secs(1)).retry_after();
        let expected = match (answer.retry_after(), delayed, answer.delivery_control()) {
            (Some(_), _, None) => "`Retry-After`".to_owned(),
            (None, Some(_), None) => "`Retry-After` if a delay is given".to_owned(),
            (None, None, Some(control)) => format!("`webhook-delivery: {control}`"),
            _ => String::new(),
        };
        assert_eq!(headers, expected, "{outcome}");
        assert!(!meaning.is_empty(), "{outcome}");
        let expected = match (outcome.is_acknowledged(), answer.delivery_control()) {
            (true, _) => "nothing more",
            (false, None) => "retries",
            (false, Some("disable")) => "disables the endpoint",
            (false, Some(_)) => "stops retrying",
        };
        assert_eq!(next, expected, "{outcome}");
    }
}

#[test]
fn only_acknowledged_outcomes_are_answered_with_2xx() {
    for outcome in Outcome::ALL {
        let status = Answer::from(*outcome).status();
        assert_eq!((200..300).contains(&status), outcome.is_acknowledged(), "{outcome}: {status}");
    }
}

#[test]
fn converts_every_outcome_to_its_http_response() {
    for (outcome, word, status, retry_after, control) in TABLE {
        let answer = Answer::from(outcome);
        let response = http::Response::<Bytes>::from(answer);
        assert_eq!(response.status(), status, "{word}");
        assert_eq!(response.extensions().get(), Some(&outcome));
        let mut headers = vec![("content-type", answer.content_type().to_owned())];
        headers.extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
        headers.extend(control.map(|control| ("webhook-delivery", control.to_owned())));
        let sent = response.headers().iter();
        let sent: Vec<_> =
            sent.map(|(name, value)| (name.as_str(), value.to_str().unwrap().to_owned())).collect();
        assert_eq!(sent, headers, "{word}");
        assert_eq!(response.body(), answer.body());

        let body: Value = serde_json::from_slice(response.body()).unwrap();
        if outcome.is_verified_event() || outcome == Outcome::NotAnEvent {
            assert_eq!((answer.content_type(), body), ("application/json", json!({ "outcome": word })));
        } else {
            assert_eq!(answer.content_type(), "application/problem+json");
            assert_eq!(body["status"], status);
        }
    }
}

#[test]
fn a_rejected_delivery_never_controls_the_senders_retries() {
    let rejections = Outcome::ALL.iter().filter(|outcome| !outcome.is_verified_event());
    for outcome in rejections {
        // A requested delay is ignored.
        let answer = Answer::from(*outcome).with_retry_after(Duration::from_secs(60));
        assert_eq!((answer.retry_after(), answer.delivery_control()), (None, None), "{outcome}");
    }
    assert_eq!(Outcome::ALL.iter().filter(|outcome| !outcome.is_verified_event()).count(), 9);
}

#[test]
fn retry_after_is_rounded_up_and_set_only_for_retryable_outcomes() {
    let may_delay = [
        Outcome::InProgress,
        Outcome::Failed,
        Outcome::HandlerTimeout,
        Outcome::StoreUnavailable,
        Outcome::LeaseLost,
    ];
    for outcome in Outcome::ALL {
        let answer = Answer::from(*outcome).with_retry_after(Duration::from_millis(1001));
        assert_eq!(answer.retry_after(), may_delay.contains(outcome).then_some(2), "{outcome}");
        assert_eq!((answer.outcome(), answer.body()), (*outcome, Answer::from(*outcome).body()));
    }
    let seconds = |delay| Answer::from(Outcome::InProgress).with_retry_after(delay).retry_after().unwrap();
    for (delay, expected) in [
        (Duration::ZERO, 1),
        (Duration::from_nanos(1), 1),
        (Duration::from_secs(1), 1),
        (Duration::from_nanos(1_000_000_001), 2),
        (Duration::from_secs(60), 60),
        (Duration::from_millis(59_001), 60),
        (Duration::from_secs(u64::from(u32::MAX)), u32::MAX),
        (Duration::from_secs(u64::from(u32::MAX) + 1), u32::MAX),
        (Duration::MAX, u32::MAX),
    ] {
        assert_eq!(seconds(delay), expected, "{delay:?}");
    }
}

#[test]
fn converts_the_result_of_a_handler_to_an_answer() {
    for (handled, outcome) in [
        (Handled::Processed, Outcome::Processed),
        (Handled::Queued, Outcome::Queued),
        (Handled::Ignored, Outcome::Ignored),
    ] {
        assert_eq!(Answer::from(handled), Answer::from(outcome));
        assert_eq!(Answer::from(&Ok(handled)), Answer::from(outcome));
    }
    let failure = Failure::retry_after(Duration::from_millis(1500), "x");
    assert_eq!(Answer::from(&failure).retry_after(), Some(2));
    assert_eq!(Answer::from(&Err(failure)).retry_after(), Some(2));
}

#[test]
fn answers_not_an_event_to_an_event_error_without_verification() {
    let error = Event::from_trusted(message_id(), Timestamp::now(), "{".into()).unwrap_err();
    assert_eq!(Answer::from(&ReceiveError::from(error)).outcome(), Outcome::NotAnEvent);
}

#[test]
fn a_misconfiguration_is_not_revealed_to_the_sender() {
    let error = ReceiveError::misconfigured("set the verifier");
    assert_eq!(error.to_string(), "the application cannot receive deliveries: set the verifier");
    assert_eq!(Answer::from(&error).body(), r#"{"title":"Internal Server Error","status":500}"#);
}
