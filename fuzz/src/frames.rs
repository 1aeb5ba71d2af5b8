//! Target `frames`: compares a body that arrives in frames with the same body in one piece.

use bytes::{Buf, Bytes};
use clerk_webhook_core::{Event, ReceiveError, ReceiveErrorKind, Verifier, VerifyErrorKind};
use http::{HeaderMap, HeaderValue, header};

use crate::script::{self, Arrived, ScriptedDelivery, Step};

/// Receives a delivery in frames and in one piece.
pub fn check(input: &[u8]) -> &'static str {
    let delivery = ScriptedDelivery::read(input);
    let signed = delivery.signed_body();
    let (body, is_changed) = delivery.sent_body(&signed);
    let headers = HeaderMap::from(&script::secret().sign(&script::message_id(), script::now(), &signed));
    let limit = delivery.body_limit(body.len());
    let verifier = script::receiver().body_limit(limit).build().expect("the verifier has a secret");

    // In one piece.
    let whole = verifier.receive(&headers, body.clone());
    match &whole {
        Ok(event) => {
            assert!(body.len() <= limit && !is_changed);
            assert_eq!(event.raw_body().as_ptr(), body.as_ptr(), "the body was copied");
        }
        Err(error) => assert_eq!(error.kind() == ReceiveErrorKind::BodyTooLarge, body.len() > limit),
    }
    assert_eq!(verifier.verify(&headers, &body).is_ok(), !is_changed);

    // In frames. The core does not see waits and trailers.
    let steps = delivery.arrivals(&body);
    let steps: Vec<_> =
        steps.into_iter().filter(|step| !matches!(step, Step::Wait | Step::Trailers)).collect();
    check_claims(&delivery, &verifier, &headers, limit);
    let received = receive(&delivery, &verifier, &headers, &steps, limit);
    match script::arrive(&steps, limit, 0).0 {
        Arrived::Refused(kind) => {
            assert_eq!(received.as_ref().err().map(ReceiveError::kind), Some(kind));
        }
        Arrived::Whole(arrived, address) => {
            let arrived = Bytes::from(arrived);
            let expected = verifier.receive(&headers, arrived.clone());
            script::assert_same(&received, &expected);
            check_verification(&verifier, &headers, &steps, &arrived);
            if arrived == signed {
                let mismatch = ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature);
                assert_ne!(received.as_ref().err().map(ReceiveError::kind), Some(mismatch));
            }
            if let (Ok(event), Some(address)) = (&received, address) {
                assert_eq!(event.raw_body().as_ptr(), address, "a body of one frame was copied");
            }
        }
    }
    script::outcome(&received)
}

/// Compares the verdicts about announced lengths with the limit.
fn check_claims(delivery: &ScriptedDelivery, verifier: &Verifier, headers: &HeaderMap, limit: usize) {
    let pending = verifier.begin_receive(headers).expect("the headers are valid").body_limit(limit);
    let refuses = |result: Result<(), ReceiveError>| match result {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.kind(), ReceiveErrorKind::BodyTooLarge);
            true
        }
    };
    let claim = (limit as u64).saturating_add_signed(delivery.hint.into());
    assert_eq!(refuses(pending.expect_length(claim)), claim > limit as u64);

    let mut headers = headers.clone();
    if let Ok(value) = HeaderValue::from_bytes(&delivery.claim) {
        headers.insert(header::CONTENT_LENGTH, value);
        if delivery.has(ScriptedDelivery::HAS_SECOND_CLAIM) {
            headers.append(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let is_too_large = script::claimed_length(&delivery.claim) > limit as u64;
        assert_eq!(refuses(pending.expect_content_length(&headers)), is_too_large);
    }
}

fn receive(
    delivery: &ScriptedDelivery,
    verifier: &Verifier,
    headers: &HeaderMap,
    steps: &[Step],
    limit: usize,
) -> Result<Event, ReceiveError> {
    let mut pending = if delivery.has(ScriptedDelivery::LATE_LIMIT) {
        let verifier = script::receiver().body_limit(limit / 2).build().expect("the verifier has a secret");
        verifier.begin_receive(headers)?.body_limit(limit)
    } else {
        verifier.begin_receive(headers)?
    };
    for step in steps {
        match step {
            Step::Data(frame) => match frame.in_one_piece() {
                Some(data) => pending.push(data.clone())?,
                None => pending.push(frame.clone().into_buf())?,
            },
            Step::Trailers | Step::Wait => {}
            Step::Fail => return Err(ReceiveError::body_failed("the connection was closed")),
            Step::TooLargeOutside => return Err(ReceiveError::body_too_large_upstream()),
            Step::End => break,
        }
    }
    pending.finish()
}

/// Hashes the frames without buffering them.
fn check_verification(verifier: &Verifier, headers: &HeaderMap, steps: &[Step], arrived: &[u8]) {
    let mut verification = verifier.begin_verify(headers).expect("the headers are valid");
    for step in steps {
        let Step::Data(frame) = step else { break };
        let mut frame = frame.clone().into_buf();
        while frame.has_remaining() {
            let chunk = frame.chunk();
            verification.update(chunk);
            frame.advance(chunk.len());
        }
    }
    assert_eq!(verification.finish(), verifier.verify(headers, arrived));
}
