//! What a sender is told, by the layer as by the extractor.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::{Future as _, ready};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use bytes::Bytes;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::{Answer, Outcome, ReceiveError, ReceiveErrorKind, Timestamp, Verifier};
use clerk_webhook_tests::{event_of, message_id, other_secret, secret};
use clerk_webhook_tower::VerifyWebhookLayer;
use clerk_webhook_tower::verify::ResponseBody;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use super::support::{
    BODY, PATH, Step, Steps, collect, delivery, every_way, framed, through_layer, verifier, whole,
};

const LIMIT: usize = 1000;

/// Returns every refusal that can be had without a clock, and what it is called.
pub fn refusals() -> Vec<(Outcome, Request<Body>)> {
    let now = Timestamp::now().as_secs();
    let at = |seconds: i64| {
        let mut request = Request::post(PATH).body(Body::from(BODY)).unwrap();
        let signed = secret().sign(&message_id(), Timestamp::from_secs(seconds), BODY.as_bytes());
        *request.headers_mut() = HeaderMap::from(&signed);
        request
    };
    let with = |name: &'static str, value: &'static str| {
        let mut request = whole(BODY);
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        request
    };
    let without = |name: &'static str| {
        let mut request = whole(BODY);
        request.headers_mut().remove(name);
        request
    };
    let mut repeated = whole(BODY);
    let value = repeated.headers()["svix-id"].clone();
    repeated.headers_mut().append(HeaderName::from_static("svix-id"), value);
    let mut foreign = whole(BODY);
    *foreign.headers_mut() =
        HeaderMap::from(&other_secret().sign(&message_id(), Timestamp::now(), BODY.as_bytes()));
    let broken = Steps::new([Step::Data("{".into()), Step::Error("connection reset")]);
    vec![
        (Outcome::MissingHeader, Request::post(PATH).body(Body::from(BODY)).unwrap()),
        (Outcome::MissingHeader, without("svix-id")),
        (Outcome::MissingHeader, without("svix-timestamp")),
        (Outcome::MissingHeader, without("svix-signature")),
        (Outcome::MissingHeader, with("svix-signature", " ")),
        (Outcome::Malformed, repeated),
        (Outcome::Malformed, with("svix-id", "two words")),
        (Outcome::Malformed, with("svix-timestamp", "1e9")),
        (Outcome::ExpiredTimestamp, at(now - 400)),
        (Outcome::ExpiredTimestamp, at(now + 400)),
        (Outcome::InvalidSignature, with("svix-signature", "v1,")),
        (Outcome::InvalidSignature, with("svix-id", "msg_another")),
        (Outcome::InvalidSignature, foreign),
        (Outcome::InvalidSignature, delivery(b"another body", Body::from(BODY))),
        (Outcome::NotAnEvent, whole("not JSON")),
        (Outcome::NotAnEvent, whole("[]")),
        (Outcome::BodyTooLarge, whole(event_of(LIMIT + 1))),
        (Outcome::BodyTooLarge, framed(&event_of(LIMIT + 1), 100)),
        (Outcome::BodyFailed, delivery(BODY.as_bytes(), Body::new(broken))),
    ]
}

pub fn limited() -> Verifier {
    Verifier::builder().secret(secret()).body_limit(LIMIT).build().unwrap()
}

#[track_caller]
fn assert_answers(response: &Response<Bytes>, outcome: Outcome) {
    let answer = Answer::from(outcome);
    assert_eq!(response.status().as_u16(), answer.status(), "{outcome}");
    assert_eq!(response.headers()[CONTENT_TYPE], answer.content_type(), "{outcome}");
    assert_eq!(response.body(), answer.body(), "{outcome}");
    // Nothing that would steer the sender: anybody can provoke this answer.
    let names = response.headers().keys();
    let others: Vec<_> = names.filter(|name| ![CONTENT_TYPE, CONTENT_LENGTH].contains(name)).collect();
    assert!(others.is_empty(), "{outcome}: {others:?}");
    assert_eq!(response.extensions().get(), Some(&outcome));
    let error = response.extensions().get::<ReceiveError>().unwrap();
    assert_eq!(Answer::from(error).outcome(), outcome);
}

#[tokio::test]
async fn every_refusal_is_answered_as_the_table_says_whatever_the_way() {
    for index in 0..refusals().len() {
        let outcome = refusals()[index].0;
        for exchange in every_way(&limited(), || refusals().remove(index).1).await {
            assert_answers(&exchange.refused(), outcome);
        }
    }
}

#[tokio::test]
async fn whoever_is_not_verified_is_told_always_the_same() {
    let mut answers = BTreeSet::new();
    for index in 0..refusals().len() {
        let outcome = refusals()[index].0;
        if matches!(outcome, Outcome::NotAnEvent | Outcome::BodyTooLarge) {
            continue;
        }
        for exchange in every_way(&limited(), || refusals().remove(index).1).await {
            let response = exchange.refused();
            answers.insert((response.status().as_u16(), response.into_body()));
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

#[tokio::test]
async fn a_closure_replaces_the_answer_and_the_error_stays() {
    for (outcome, request) in refusals() {
        let layer = VerifyWebhookLayer::new(limited()).on_refusal(|error: &ReceiveError| {
            let mut response = Response::new(Bytes::from(error.to_string()));
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("60"));
            response
        });
        let response = through_layer(layer, request).await.refused();
        assert_eq!(response.status(), 418);
        assert_eq!(response.headers()[RETRY_AFTER], "60");
        let error = response.extensions().get::<ReceiveError>().unwrap();
        assert_eq!(response.body(), error.to_string().as_bytes());
        assert_eq!(Answer::from(error).outcome(), outcome);
        assert_eq!(response.extensions().get(), Some(&outcome));
    }
}

/// Servers make `Content-Length` of the hint, and close a connection that promises more than it sends.
#[tokio::test]
async fn a_response_says_how_long_its_body_is_and_when_it_ends() {
    let replies = [("", true), ("a reply", false)];
    for (reply, is_empty) in replies {
        let inner = service_fn(move |_: Request<Full<Bytes>>| {
            ready(Ok::<_, Infallible>(Response::new(Full::from(reply))))
        });
        let service = VerifyWebhookLayer::new(verifier()).layer(inner);
        let mut body = service.oneshot(whole(BODY)).await.unwrap().into_body();
        assert_eq!(body.size_hint().exact(), Some(reply.len() as u64));
        assert_eq!(body.is_end_stream(), is_empty);
        while body.frame().await.is_some() {}
        assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    }

    let inner = service_fn(async |_: Request<Full<Bytes>>| {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let service = VerifyWebhookLayer::new(verifier()).layer(inner);
    let mut refusal = service.oneshot(delivery(b"another body", Body::from(BODY))).await.unwrap().into_body();
    let length = Answer::from(Outcome::InvalidSignature).body().len();
    assert_eq!((refusal.size_hint().exact(), refusal.is_end_stream()), (Some(length as u64), false));
    assert_eq!(refusal.frame().await.unwrap().unwrap().into_data().unwrap().len(), length);
    assert!(refusal.is_end_stream() && refusal.size_hint().exact() == Some(0));
}

#[tokio::test]
async fn a_default_response_body_is_that_of_the_inner_service() {
    let body = ResponseBody::<Full<Bytes>>::default();
    assert!(body.is_end_stream());
    let body = ResponseBody::<Text>::default();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "the default of the inner service");
}

/// A body whose default is not empty.
struct Text(Full<Bytes>);

impl Default for Text {
    fn default() -> Self {
        Self(Full::from("the default of the inner service"))
    }
}

impl http_body::Body for Text {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

/// A body whose frames somebody sends.
struct Arriving(mpsc::Receiver<Bytes>);

impl http_body::Body for Arriving {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|data| Some(Ok(Frame::data(data?))))
    }
}

/// Sends the body byte by byte, one at every interval, and then keeps it open or ends it.
fn dripping(interval: Duration) -> Request<Arriving> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        for byte in BODY.bytes() {
            sleep(interval).await;
            if sender.send(Bytes::from(vec![byte])).await.is_err() {
                return;
            }
        }
    });
    delivery(BODY.as_bytes(), Arriving(receiver))
}

/// Fails where a timeout never comes; the clock is paused, so that nobody waits for it.
async fn in_time<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(3600), future).await.expect("the timeout never comes")
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_or_drips_is_answered_when_its_time_is_over() {
    let layer = || VerifyWebhookLayer::new(verifier()).read_timeout(|| sleep(Duration::from_secs(10)));
    let start = Instant::now();
    let stalled = Steps::new([Step::Data("{".into()), Step::Stalled]);
    let response = in_time(through_layer(layer(), delivery(BODY.as_bytes(), stalled))).await.refused();
    assert_answers(&response, Outcome::BodyTimeout);
    assert_eq!(response.status(), 408);
    assert_eq!(start.elapsed().as_secs(), 10);

    // Each byte that comes does not begin the time anew.
    let start = Instant::now();
    let response = in_time(through_layer(layer(), dripping(Duration::from_secs(3)))).await.refused();
    assert_answers(&response, Outcome::BodyTimeout);
    assert_eq!(start.elapsed().as_secs(), 10);
    let error = response.extensions().get::<ReceiveError>().unwrap();
    assert_eq!(error.kind(), ReceiveErrorKind::BodyTimeout);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_arrives_in_time_passes() {
    let layer = || VerifyWebhookLayer::new(verifier()).read_timeout(|| sleep(Duration::from_secs(10)));
    let interval = Duration::from_millis(100);
    assert!(interval * BODY.len() as u32 > Duration::from_secs(7));
    assert_eq!(through_layer(layer(), dripping(interval)).await.accepted().1, BODY);
    // What is there is not too late, even if the time is over.
    let layer = VerifyWebhookLayer::new(verifier()).read_timeout(|| sleep(Duration::ZERO));
    assert_eq!(through_layer(layer, framed(BODY.as_bytes(), 1)).await.accepted().1, BODY);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_the_handler_does_not_count() {
    let layer = VerifyWebhookLayer::new(verifier()).read_timeout(|| sleep(Duration::from_secs(10)));
    let service = layer.layer(service_fn(async |_| {
        sleep(Duration::from_secs(60)).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    assert_eq!(service.oneshot(whole(BODY)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_failure_of_the_handler_is_answered_as_the_handler_says() {
    let failed = || {
        let mut response = Response::new(Body::from("the database is down"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
        response.headers_mut().insert("webhook-delivery", HeaderValue::from_static("abort-message"));
        response
    };
    let layer = VerifyWebhookLayer::new(verifier());
    let service = layer.clone().layer(service_fn(async |_| Ok::<_, Infallible>(failed())));
    let extractor = Router::new().route(PATH, post(async move |_: ClerkEvent| failed()));
    let route = Router::new().route(PATH, post(async move || failed()).layer(layer));
    for response in [
        collect(service.oneshot(whole(BODY)).await.unwrap()).await,
        collect(extractor.with_state(verifier()).oneshot(whole(BODY)).await.unwrap()).await,
        collect(route.oneshot(whole(BODY)).await.unwrap()).await,
    ] {
        assert_eq!(response.status(), 500);
        assert_eq!(response.body(), "the database is down");
        // A handler may steer the sender, it has read a verified event.
        assert_eq!(response.headers()["webhook-delivery"], "abort-message");
        assert_eq!(response.headers()[RETRY_AFTER], "30");
        assert!(response.extensions().get::<Outcome>().is_none());
        assert!(response.extensions().get::<ReceiveError>().is_none());
    }
}

#[tokio::test]
async fn a_refusal_is_given_once_and_never_becomes_an_acknowledgement() {
    let mut service = VerifyWebhookLayer::new(verifier()).layer(service_fn(|_: Request<Full<Bytes>>| {
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    }));
    let mut refused = pin!(service.call(Request::new(Full::<Bytes>::default())));
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = refused.as_mut().poll(&mut cx) else { panic!("it is refused at once") };
    assert_eq!(response.status(), 400);
    assert!(refused.as_mut().poll(&mut cx).is_pending());
}
