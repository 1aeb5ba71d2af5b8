//! Bodies that arrive in frames: no unnecessary copies, and the body limit.

use bytes::{Buf, Bytes};
use clerk_webhook_core::{PendingDelivery, ReceiveErrorKind, Verifier, VerifyErrorKind};
use clerk_webhook_tests::{SECRET, fixture, secret, sign};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, HeaderValue};

fn begin(body: &[u8]) -> PendingDelivery {
    Verifier::new(SECRET).unwrap().begin_receive(&sign(body).to_pairs()).unwrap()
}

#[test]
fn a_body_of_one_frame_is_not_copied() {
    let body = Bytes::from(fixture("user.created"));
    let mut delivery = begin(&body);
    delivery.push(Bytes::new()).unwrap();
    delivery.push(body.clone()).unwrap();
    delivery.push(Bytes::new()).unwrap();
    let event = delivery.finish().unwrap();
    assert_eq!(event.raw_body().as_ptr(), body.as_ptr());
    assert_eq!(event.raw_body().len(), body.len());
}

#[test]
fn joins_frames_of_any_size_and_shape() {
    let body = Bytes::from(fixture("email.created"));
    for size in [1, 2, 63, 64, 65, 1000, body.len() - 1] {
        let mut delivery = begin(&body);
        for frame in body.chunks(size) {
            delivery.push(frame).unwrap();
        }
        assert_eq!(delivery.finish().unwrap().raw_body(), &body, "frames of {size}");
    }
    // A buffer with two parts, as the first frame and as a later frame.
    let (head, tail) = body.split_at(100);
    let mut delivery = begin(&body);
    delivery.push(Buf::chain(&head[..10], &head[10..])).unwrap();
    delivery.push(Buf::chain(&tail[..10], &tail[10..])).unwrap();
    assert_eq!(delivery.finish().unwrap().raw_body(), &body);
}

#[test]
fn the_limit_is_inclusive() {
    let body = fixture("user.created");
    for (limit, fits) in [(body.len() - 1, false), (body.len(), true), (body.len() + 1, true)] {
        let builder = Verifier::builder().secret(secret()).body_limit(limit);
        let received = builder.build().unwrap().receive(&sign(&body).to_pairs(), body.clone().into());
        assert_eq!(received.is_ok(), fits, "limit {limit}");
        for size in [1, 100, body.len()] {
            let mut delivery = begin(&body).body_limit(limit);
            let pushed = body.chunks(size).try_for_each(|frame| delivery.push(frame));
            assert_eq!(pushed.is_ok(), fits, "limit {limit}, frames of {size}");
            match pushed {
                Ok(()) => assert!(delivery.finish().is_ok()),
                Err(error) => assert_eq!(error.kind(), ReceiveErrorKind::BodyTooLarge),
            }
        }
    }
    let verifier = Verifier::builder().secret(secret()).body_limit(10).build().unwrap();
    let error = verifier.receive(&sign(&body).to_pairs(), body.into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the body is larger than 10 bytes: raise the verifier's `body_limit` if Clerk sends bodies of this size"
    );
}

#[test]
fn checks_the_headers_before_the_length() {
    let verifier = Verifier::builder().secret(secret()).body_limit(1).build().unwrap();
    let unsigned: [(&str, &str); 0] = [];
    let error = verifier.receive(&unsigned, Bytes::from("too large")).unwrap_err();
    assert_eq!(error.kind(), ReceiveErrorKind::Verify(VerifyErrorKind::MissingHeader));
}

#[test]
fn rejects_an_endless_series_of_empty_frames() {
    let mut delivery = begin(b"");
    for _ in 0..1024 {
        delivery.push(Bytes::new()).unwrap();
    }
    assert_eq!(delivery.push(Bytes::new()).unwrap_err().kind(), ReceiveErrorKind::BodyFailed);
}

#[test]
fn compares_a_claimed_length_with_the_limit() {
    let delivery = begin(b"").body_limit(100);
    assert!(delivery.expect_length(100).is_ok());
    for claim in [101, u64::MAX] {
        assert_eq!(delivery.expect_length(claim).unwrap_err().kind(), ReceiveErrorKind::BodyTooLarge);
    }

    let with = |claim: &'static str| {
        let headers = HeaderMap::from_iter([(CONTENT_LENGTH, HeaderValue::from_static(claim))]);
        delivery.expect_content_length(&headers)
    };
    // The server rejects an invalid length. The arriving bytes are counted anyway.
    for claim in ["0", "100", "", "-1", "101 bytes", "18446744073709551616"] {
        assert!(with(claim).is_ok(), "{claim}");
    }
    assert!(delivery.expect_content_length(&HeaderMap::new()).is_ok());
    for claim in ["101", "18446744073709551615"] {
        assert_eq!(with(claim).unwrap_err().kind(), ReceiveErrorKind::BodyTooLarge, "{claim}");
    }
}
