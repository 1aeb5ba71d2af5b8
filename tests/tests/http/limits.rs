//! How much of a body is read: never more than the smallest limit says, whatever is claimed.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use bytes::Bytes;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::{Outcome, ReceiveError, ReceiveErrorKind, Verifier, VerifyErrorKind};
use clerk_webhook_tests::{event_of, secret};
use clerk_webhook_tower::{VerifyWebhook, VerifyWebhookLayer};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::limit::RequestBodyLimitLayer;

use super::support::{
    BODY, Exchange, PATH, Step, Steps, Untouchable, collect, delivery, every_way, framed, through_extractor,
    through_layer, verifier, whole,
};

const LENGTH: usize = 1000;

fn limited(bytes: usize) -> Verifier {
    Verifier::builder().secret(secret()).body_limit(bytes).build().unwrap()
}

fn claim<B>(mut request: Request<B>, length: impl ToString) -> Request<B> {
    let length = HeaderValue::try_from(length.to_string()).unwrap();
    request.headers_mut().insert(CONTENT_LENGTH, length);
    request
}

#[track_caller]
fn assert_too_large(response: &Response<Bytes>, why: &str) {
    assert_eq!(response.status(), 413, "{why}");
    assert_eq!(response.body(), r#"{"title":"Content Too Large","status":413}"#, "{why}");
    assert_eq!(response.extensions().get(), Some(&Outcome::BodyTooLarge), "{why}");
    let error = response.extensions().get::<ReceiveError>().unwrap();
    assert_eq!(error.kind(), ReceiveErrorKind::BodyTooLarge, "{why}");
}

#[track_caller]
fn assert_fits(exchange: Exchange, fits: bool, why: &str) {
    if fits {
        exchange.accepted();
    } else {
        assert_too_large(&exchange.refused(), why);
    }
}

/// The same body as it may come over the wire: with its length or without it, at once or bit by bit.
fn shapes(body: &[u8]) -> Vec<(&'static str, Request<Body>)> {
    vec![
        ("one frame", whole(body.to_vec())),
        ("one frame and its length", claim(whole(body.to_vec()), body.len())),
        ("one frame of a stream", framed(body, body.len())),
        ("frames", framed(body, 100)),
        ("frames that do not divide the limit", framed(body, 7)),
        ("single bytes", framed(body, 1)),
        ("frames and their length", claim(framed(body, 100), body.len())),
    ]
}

#[tokio::test]
async fn the_limit_of_the_verifier_is_inclusive_everywhere() {
    let body = event_of(LENGTH);
    for (limit, fits) in [(LENGTH - 1, false), (LENGTH, true), (LENGTH + 1, true), (0, false)] {
        for index in 0..shapes(&body).len() {
            let shape = shapes(&body)[index].0;
            for exchange in every_way(&limited(limit), || shapes(&body).remove(index).1).await {
                let why = format!("{}, {shape}, limit {limit}", exchange.way);
                assert_fits(exchange, fits, &why);
            }
        }
    }
}

#[tokio::test]
async fn the_limit_of_the_layer_replaces_that_of_the_verifier() {
    let body = event_of(LENGTH);
    for verifier in [limited(0), limited(LENGTH), limited(usize::MAX)] {
        for (limit, fits) in [(LENGTH - 1, false), (LENGTH, true), (LENGTH + 1, true)] {
            for (shape, request) in shapes(&body) {
                let layer = VerifyWebhookLayer::new(verifier.clone()).body_limit(limit);
                assert_fits(through_layer(layer, request).await, fits, shape);
            }
        }
    }
}

#[tokio::test]
async fn a_service_without_a_layer_has_the_limit_of_the_verifier() {
    let body = event_of(LENGTH);
    for (limit, status) in [(LENGTH - 1, 413), (LENGTH, 200)] {
        for (shape, request) in shapes(&body) {
            let inner = service_fn(async |_: Request<Full<Bytes>>| {
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            });
            let response = VerifyWebhook::new(inner, limited(limit)).oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{shape}");
        }
    }
}

#[tokio::test]
async fn the_default_limit_is_two_mebibytes() {
    const MEBIBYTES: usize = 2_097_152;
    for (length, fits) in [(MEBIBYTES, true), (MEBIBYTES + 1, false)] {
        let body = event_of(length);
        for size in [16 * 1024, length] {
            for exchange in every_way(&verifier(), || framed(&body, size)).await {
                let why = format!("{}, {length} bytes in frames of {size}", exchange.way);
                assert_fits(exchange, fits, &why);
            }
        }
    }
}

#[tokio::test]
async fn a_length_above_the_limit_is_refused_before_the_body_is_read() {
    let limit = limited(LENGTH);
    for length in [LENGTH as u64 + 1, 3 * 1024 * 1024, 1 << 32, u64::MAX] {
        for exchange in every_way(&limit, || claim(delivery(b"", Body::new(Untouchable)), length)).await {
            assert_too_large(&exchange.refused(), &length.to_string());
        }
    }
}

#[tokio::test]
async fn a_body_that_knows_to_be_too_large_is_not_read() {
    /// Like the body of a server that has seen a `Content-Length`.
    struct Large(u64);

    impl http_body::Body for Large {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            panic!("the body was polled");
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(self.0)
        }
    }

    for length in [LENGTH as u64 + 1, u64::MAX] {
        let layer = VerifyWebhookLayer::new(limited(LENGTH));
        let exchange = through_layer(layer, delivery(b"", Large(length))).await;
        assert_too_large(&exchange.refused(), "by its size hint");
    }
}

#[tokio::test]
async fn headers_that_are_refused_leave_the_body_alone() {
    let broken = |name: &'static str, value: Option<&'static str>| {
        let mut request = delivery(BODY.as_bytes(), Body::new(Untouchable));
        match value {
            Some(value) => drop(request.headers_mut().insert(name, HeaderValue::from_static(value))),
            None => drop(request.headers_mut().remove(name)),
        }
        request
    };
    for (name, value, expected) in [
        ("svix-id", None, VerifyErrorKind::MissingHeader),
        ("svix-timestamp", None, VerifyErrorKind::MissingHeader),
        ("svix-signature", None, VerifyErrorKind::MissingHeader),
        ("svix-id", Some("a.b"), VerifyErrorKind::InvalidHeader),
        ("svix-timestamp", Some("soon"), VerifyErrorKind::InvalidTimestamp),
        ("svix-timestamp", Some("1"), VerifyErrorKind::TimestampTooOld),
        ("svix-timestamp", Some("9223372036854775807"), VerifyErrorKind::TimestampTooNew),
        // Nothing in the list could match, whatever the body is.
        ("svix-signature", Some("v1,"), VerifyErrorKind::NoMatchingSignature),
        (
            "svix-signature",
            Some("v2,AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
            VerifyErrorKind::NoMatchingSignature,
        ),
    ] {
        for exchange in every_way(&verifier(), || broken(name, value)).await {
            let way = exchange.way;
            let response = exchange.refused();
            let error = response.extensions().get::<ReceiveError>().unwrap();
            assert_eq!(error.kind(), ReceiveErrorKind::Verify(expected), "{way}, {name}: {value:?}");
        }
    }
}

#[tokio::test]
async fn a_length_that_lies_changes_nothing() {
    let body = event_of(LENGTH);
    // A server would cut the body or break it off; where nobody did, the bytes that are there count.
    for length in ["0", "10", "999", "1001", "2000", "", "-1", "1000, 1000", "many", "99999999999999999999"] {
        for exchange in every_way(&limited(2 * LENGTH), || claim(framed(&body, 100), length)).await {
            assert_eq!(exchange.accepted().1, body, "{length:?}");
        }
    }
    for length in ["0", "10", "999", "", "-1", "many", "99999999999999999999"] {
        for exchange in every_way(&limited(LENGTH - 1), || claim(framed(&body, 100), length)).await {
            assert_too_large(&exchange.refused(), length);
        }
    }
}

#[tokio::test]
async fn reading_stops_at_the_limit() {
    // One byte too many, and then something that must not be polled: an error would be a 400.
    let body = event_of(LENGTH + 1);
    for exchange in every_way(&limited(LENGTH), || {
        let frames = body.chunks(100).map(|frame| Step::Data(Bytes::copy_from_slice(frame)));
        delivery(&body, Body::new(Steps::new(frames.chain([Step::Error("polled beyond the limit")]))))
    })
    .await
    {
        assert_too_large(&exchange.refused(), "and no further");
    }
}

#[tokio::test]
async fn a_smaller_limit_of_tower_http_outside_counts() {
    let body = event_of(LENGTH);
    let send = async |ours: usize, theirs: usize, request: Request<Body>| {
        let service = ServiceBuilder::new()
            .layer(RequestBodyLimitLayer::new(theirs))
            .layer(VerifyWebhookLayer::new(limited(ours)))
            .service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
        collect(service.oneshot(request).await.unwrap()).await
    };
    for (ours, theirs, status) in [
        (LENGTH, LENGTH, 200),
        (2 * LENGTH, LENGTH - 1, 413),
        (LENGTH - 1, 2 * LENGTH, 413),
        (usize::MAX, LENGTH, 200),
    ] {
        for (shape, request) in shapes(&body) {
            let response = send(ours, theirs, request).await;
            assert_eq!(response.status(), status, "ours {ours}, theirs {theirs}, {shape}");
        }
    }
    // While it is read, their limit speaks through our answer.
    assert_too_large(&send(2 * LENGTH, LENGTH - 1, framed(&body, 100)).await, "their limit");
}

#[tokio::test]
async fn the_smaller_of_ours_and_axums_limit_counts() {
    let body = event_of(LENGTH);
    let send = async |ours: usize, theirs: DefaultBodyLimit, request: Request<Body>| {
        let app =
            Router::new().route(PATH, post(async |_: ClerkEvent| {})).layer(theirs).with_state(limited(ours));
        collect(app.oneshot(request).await.unwrap()).await
    };
    for (ours, theirs, fits) in [
        (2 * LENGTH, DefaultBodyLimit::max(LENGTH - 1), false),
        (2 * LENGTH, DefaultBodyLimit::max(LENGTH), true),
        (LENGTH - 1, DefaultBodyLimit::max(2 * LENGTH), false),
        (LENGTH, DefaultBodyLimit::max(2 * LENGTH), true),
        (LENGTH - 1, DefaultBodyLimit::disable(), false),
        (LENGTH, DefaultBodyLimit::disable(), true),
    ] {
        for (shape, request) in shapes(&body) {
            let response = send(ours, theirs, request).await;
            if fits {
                assert_eq!(response.status(), 200, "ours {ours}, {theirs:?}, {shape}");
            } else {
                assert_too_large(&response, &format!("ours {ours}, {theirs:?}, {shape}"));
            }
        }
    }
}

#[tokio::test]
async fn a_larger_limit_of_ours_does_not_lift_axums_default() {
    let body = event_of(2_097_153);
    let exchange = through_extractor(limited(usize::MAX), framed(&body, 16 * 1024)).await;
    assert_too_large(&exchange.refused(), "axum's default");
    // The layer does not know of it.
    let layer = VerifyWebhookLayer::new(limited(usize::MAX));
    through_layer(layer, framed(&body, 16 * 1024)).await.accepted();
}
