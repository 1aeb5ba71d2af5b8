//! `VerifyWebhookLayer`: its settings, the requests and responses that pass through it, and its `Debug`
//! output.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future as _, ready};
use std::io::Cursor;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf as _, Bytes};
use clerk_webhook_core::{Answer, Handlers, Outcome, ReceiveError, Verifier};
use clerk_webhook_store::MemoryStore;
use clerk_webhook_tests::body::{ScriptedBody, Step, frames};
use clerk_webhook_tests::request::{
    BODY, BoxError, collect, delivery, forged, framed, signed, unsigned, verifier,
};
use clerk_webhook_tests::secrecy::{PRIVATE, assert_shows_nothing_private};
use clerk_webhook_tests::{event_of, fixture, secret};
use clerk_webhook_tower::{
    DeduplicateLayer, ResponseBody, VerifyWebhook, VerifyWebhookLayer, WebhookService,
};
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Full};
use tokio::time::sleep;
use tower::{Layer as _, Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_http::limit::RequestBodyLimitLayer;

const LENGTH: usize = 1000;

fn limited(bytes: usize) -> Verifier {
    Verifier::builder().secret(secret()).body_limit(bytes).build().unwrap()
}

/// Sends a request through a service that answers with the request body.
macro_rules! echo_through {
    ($layer:expr, $request:expr) => {{
        let echo = service_fn(async |request: Request<Full<Bytes>>| {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        });
        collect(tower::Layer::layer(&$layer, echo).oneshot($request).await.unwrap()).await
    }};
}

#[tokio::test]
async fn the_limit_of_the_layer_replaces_the_limit_of_the_verifier() {
    let body = event_of(LENGTH);
    let with_length = || {
        let mut request = framed(&body, 100);
        request.headers_mut().insert(CONTENT_LENGTH, LENGTH.into());
        request
    };
    for verifier in [limited(0), limited(LENGTH), limited(usize::MAX)] {
        for (limit, status) in [(LENGTH - 1, 413), (LENGTH, 200), (LENGTH + 1, 200)] {
            let layer = VerifyWebhookLayer::new(verifier.clone()).body_limit(limit);
            assert_eq!(echo_through!(layer, delivery(body.clone())).status(), status);
            assert_eq!(echo_through!(layer, framed(&body, 100)).status(), status);
            assert_eq!(echo_through!(layer, with_length()).status(), status);
        }
    }
}

#[tokio::test]
async fn a_service_without_a_layer_uses_the_limit_of_the_verifier() {
    for (limit, status) in [(LENGTH - 1, 413), (LENGTH, 200)] {
        let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
        let service = VerifyWebhook::new(inner, limited(limit));
        assert_eq!(service.oneshot(delivery(event_of(LENGTH))).await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn does_not_read_a_body_whose_size_hint_exceeds_the_limit() {
    /// Like the body of a server that has received a `Content-Length`.
    struct Large(u64);

    impl Body for Large {
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
        assert_eq!(echo_through!(layer, signed(b"", Large(length))).status(), 413);
    }
}

#[tokio::test]
async fn a_smaller_limit_of_an_outer_layer_applies() {
    let body = event_of(LENGTH);
    for (ours, theirs, status) in [
        (LENGTH, LENGTH, 200),
        (2 * LENGTH, LENGTH - 1, 413),
        (LENGTH - 1, 2 * LENGTH, 413),
        (usize::MAX, LENGTH, 200),
    ] {
        let layer = ServiceBuilder::new()
            .layer(RequestBodyLimitLayer::new(theirs))
            .layer(VerifyWebhookLayer::new(limited(ours)));
        let response = echo_through!(layer, framed(&body, 100));
        assert_eq!(response.status(), status, "ours {ours}, theirs {theirs}");
        // Even if the outer limit ends the body, our layer gives the answer.
        let outcome = (status == 413).then_some(&Outcome::BodyTooLarge);
        assert_eq!(response.extensions().get(), outcome, "ours {ours}, theirs {theirs}");
    }
}

#[tokio::test]
async fn on_refusal_replaces_the_answer_and_keeps_the_error() {
    let broken = [frames(&BODY.as_bytes()[..20], 20), vec![Step::Break]].concat();
    for (outcome, request) in [
        (Outcome::MissingHeader, unsigned(ScriptedBody::frames(BODY.as_bytes(), 10))),
        (Outcome::InvalidSignature, signed(b"another body", ScriptedBody::frames(BODY.as_bytes(), 10))),
        (Outcome::NotAnEvent, framed(b"[]", 1)),
        (Outcome::BodyTooLarge, framed(&event_of(LENGTH + 1), 100)),
        (Outcome::BodyFailed, signed(BODY.as_bytes(), ScriptedBody::new(broken))),
    ] {
        let layer = VerifyWebhookLayer::new(limited(LENGTH)).on_refusal(|error: &ReceiveError| {
            let mut response = Response::new(Bytes::from(error.to_string()));
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            response
        });
        let response = echo_through!(layer, request);
        assert_eq!(response.status(), 418);
        assert_eq!(response.headers()[RETRY_AFTER], "60");
        let error = response.extensions().get::<ReceiveError>().unwrap();
        assert_eq!(response.body(), error.to_string().as_bytes());
        assert_eq!(Answer::from(error).outcome(), outcome);
        assert_eq!(response.extensions().get(), Some(&outcome));
    }
}

#[tokio::test]
async fn a_rejection_is_returned_only_once() {
    let mut service = VerifyWebhookLayer::new(verifier()).layer(service_fn(|_: Request<Full<Bytes>>| {
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    }));
    let mut rejected = pin!(service.call(Request::new(Full::<Bytes>::default())));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = rejected.as_mut().poll(&mut cx) else {
        panic!("the delivery is rejected immediately")
    };
    assert_eq!(response.status(), 400);
    assert!(rejected.as_mut().poll(&mut cx).is_pending());
}

#[tokio::test(start_paused = true)]
async fn the_read_timeout_does_not_include_the_handler() {
    let layer = VerifyWebhookLayer::new(verifier()).read_timeout(|| sleep(Duration::from_secs(10)));
    let service = layer.layer(service_fn(async |_| {
        sleep(Duration::from_secs(60)).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    assert_eq!(service.oneshot(delivery(BODY)).await.unwrap().status(), 200);
}

/// A body whose frames consist of two parts in memory.
struct Halves(VecDeque<Chain<Bytes, Cursor<Vec<u8>>>>);

impl Body for Halves {
    type Data = Chain<Bytes, Cursor<Vec<u8>>>;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn accepts_frames_that_are_not_contiguous_in_memory() {
    let body = fixture("email.created");
    for size in [2, 100, body.len()] {
        let frames = body.chunks(size).map(|frame| {
            let (head, tail) = frame.split_at(frame.len() / 2);
            Bytes::copy_from_slice(head).chain(Cursor::new(tail.to_vec()))
        });
        let request = signed(&body, Halves(frames.collect()));
        assert_eq!(echo_through!(VerifyWebhookLayer::new(verifier()), request).body(), &body[..]);
    }
}

#[tokio::test]
async fn does_not_change_other_parts_of_the_request() {
    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u8);

    let mut request = delivery(BODY);
    *request.uri_mut() = "/webhooks/clerk?tenant=1".parse().unwrap();
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().append("x-other", HeaderValue::from_static("1"));
    request.headers_mut().append("x-other", HeaderValue::from_static("2"));
    request.extensions_mut().insert(Mark(1));
    let expected = request.headers().clone();
    let service =
        VerifyWebhookLayer::new(verifier()).layer(service_fn(async |request: Request<Full<Bytes>>| {
            let (parts, body) = request.into_parts();
            assert_eq!(parts.method, "POST");
            assert_eq!(parts.uri, "/webhooks/clerk?tenant=1");
            assert_eq!(parts.version, Version::HTTP_2);
            assert_eq!(parts.headers, expected);
            assert_eq!(parts.extensions.get(), Some(&Mark(1)));
            Ok::<_, Infallible>(Response::new(body))
        }));
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), BODY);
}

/// Servers derive `Content-Length` from the size hint, and close a connection if the body is shorter.
#[tokio::test]
async fn a_response_reports_the_length_and_the_end_of_its_body() {
    for (reply, is_empty) in [("", true), ("a reply", false)] {
        let inner = service_fn(move |_: Request<Full<Bytes>>| {
            ready(Ok::<_, Infallible>(Response::new(Full::from(reply))))
        });
        let service = VerifyWebhookLayer::new(verifier()).layer(inner);
        let mut body = service.oneshot(delivery(BODY)).await.unwrap().into_body();
        assert_eq!(body.size_hint().exact(), Some(reply.len() as u64));
        assert_eq!(body.is_end_stream(), is_empty);
        while body.frame().await.is_some() {}
        assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    }

    let inner = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = VerifyWebhookLayer::new(verifier()).layer(inner);
    let mut rejection = service.oneshot(forged()).await.unwrap().into_body();
    let length = Answer::from(Outcome::InvalidSignature).body().len();
    assert_eq!((rejection.size_hint().exact(), rejection.is_end_stream()), (Some(length as u64), false));
    assert_eq!(rejection.frame().await.unwrap().unwrap().into_data().unwrap().len(), length);
    assert!(rejection.is_end_stream() && rejection.size_hint().exact() == Some(0));
}

#[tokio::test]
async fn the_default_response_body_is_the_default_of_the_inner_service() {
    /// A body whose default is not empty.
    struct Text(Full<Bytes>);

    impl Default for Text {
        fn default() -> Self {
            Self(Full::from("the default of the inner service"))
        }
    }

    impl Body for Text {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }
    }

    assert!(ResponseBody::<Full<Bytes>>::default().is_end_stream());
    let body = ResponseBody::<Text>::default();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "the default of the inner service");
}

#[tokio::test]
async fn debug_shows_no_secret_and_no_payload() {
    let layer = VerifyWebhookLayer::new(verifier());
    let mut service = layer.layer(service_fn(async |request: Request<Full<Bytes>>| {
        assert_shows_nothing_private(&format!("{:?}", request.extensions()));
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let text = format!("{layer:?} {service:?}");
    assert!(text.contains("VerifyWebhookLayer") && text.contains("VerifyWebhook "), "{text}");
    assert_shows_nothing_private(&text);

    let body = ScriptedBody::new([Step::Data(PRIVATE.into()), Step::Stall]);
    let mut future = pin!(service.call(signed(PRIVATE.as_bytes(), body)));
    assert_eq!(format!("{future:?}"), "ResponseFuture { .. }");
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_shows_nothing_private(&format!("{future:?}"));

    assert_eq!(service.clone().oneshot(delivery(PRIVATE)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn debug_shows_the_names_of_the_other_services() {
    let handlers: Handlers<()> = Handlers::builder().build().unwrap();
    let mut service = WebhookService::new(handlers, ());
    assert_eq!(format!("{service:?}"), "WebhookService { .. }");
    assert_eq!(format!("{:?}", service.call(delivery(BODY))), "WebhookFuture { .. }");
    let layer = DeduplicateLayer::new(MemoryStore::new());
    let mut deduplicated = layer.layer(service);
    let texts = [format!("{layer:?}"), format!("{deduplicated:?}")];
    assert!(texts[0].starts_with("DeduplicateLayer { deduplicator: Deduplicator {"), "{texts:?}");
    let expected = "Deduplicate { inner: WebhookService { .. }, deduplicator: Deduplicator {";
    assert!(texts[1].starts_with(expected), "{texts:?}");
    assert_eq!(format!("{:?}", deduplicated.call(delivery(BODY))), "DeduplicateFuture { .. }");
}
