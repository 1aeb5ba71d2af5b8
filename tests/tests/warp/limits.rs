//! How much of a body is read, and for how long.

use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{Event, Outcome, Verifier, VerifierBuilder};
use clerk_webhook_tests::{event_of, secret, sign};
use clerk_webhook_warp::{clerk_event, handle_rejection};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _};
use tower_http::limit::RequestBodyLimitLayer;
use warp::Filter;

use super::support::{BODY, PATH, assert_accepted, assert_refused};

const LENGTH: usize = 1000;

fn builder() -> VerifierBuilder {
    Verifier::builder().secret(secret())
}

fn request<B>(signed: &[u8], body: B) -> Request<B> {
    let mut request = Request::post(PATH).body(body).unwrap();
    *request.headers_mut() = HeaderMap::from(&sign(signed));
    request
}

async fn send<B>(verifier: VerifierBuilder, request: Request<B>) -> Response<Bytes>
where
    B: http_body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + Sync + 'static,
{
    let length = |event: Event| event.raw_body().len().to_string();
    let filter = clerk_event(verifier.build().unwrap()).map(length).recover(handle_rejection);
    let (parts, body) = warp::service(filter).oneshot(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

/// Returns a body of which frames arrive, and which then ends, or breaks off, or goes on for ever.
fn channel(
    frames: Vec<Bytes>,
) -> (http_body_util::channel::Sender<Bytes, std::io::Error>, Channel<Bytes, std::io::Error>) {
    let (mut sender, body) = Channel::new(frames.len().max(1));
    for frame in frames {
        sender.try_send(Frame::data(frame)).unwrap();
    }
    (sender, body)
}

fn frames(body: &[u8], size: usize) -> Vec<Bytes> {
    body.chunks(size).map(Bytes::copy_from_slice).collect()
}

#[tokio::test]
async fn the_limit_is_inclusive_with_a_length_and_without() {
    let body = event_of(LENGTH);
    for (limit, fits) in [(LENGTH - 1, false), (LENGTH, true), (LENGTH + 1, true), (0, false)] {
        let verifier = || builder().body_limit(limit);
        let mut replies = vec![send(verifier(), request(&body, Full::from(body.clone()))).await];
        for size in [1, 7, 100, LENGTH] {
            let (sender, channel) = channel(frames(&body, size));
            drop(sender);
            replies.push(send(verifier(), request(&body, channel)).await);
        }
        for reply in replies {
            if fits {
                assert_accepted(&reply, &LENGTH.to_string());
            } else {
                assert_refused(&reply, Outcome::BodyTooLarge);
            }
        }
    }
}

#[tokio::test]
async fn a_length_above_the_limit_is_refused_without_waiting_for_the_body() {
    for claimed in ["2097153", "1099511627776", "18446744073709551615"] {
        let (_never_sends, body) = channel(vec![]);
        let mut request = request(BODY.as_bytes(), body);
        request.headers_mut().insert("content-length", HeaderValue::from_static(claimed));
        assert_refused(&send(builder(), request).await, Outcome::BodyTooLarge);
    }
}

#[tokio::test]
async fn a_smaller_limit_outside_counts() {
    let body = event_of(LENGTH);
    for (limit, fits) in [(LENGTH - 1, false), (LENGTH, true)] {
        let length = |event: Event| event.raw_body().len().to_string();
        let filter = clerk_event(builder().build().unwrap()).map(length).recover(handle_rejection);
        let service = RequestBodyLimitLayer::new(limit).layer(warp::service(filter));
        let (sender, channel) = channel(frames(&body, 100));
        drop(sender);
        let (parts, reply) = service.oneshot(request(&body, channel)).await.unwrap().into_parts();
        let reply = Response::from_parts(parts, reply.collect().await.unwrap().to_bytes());
        if fits {
            assert_accepted(&reply, &LENGTH.to_string());
        } else {
            assert_refused(&reply, Outcome::BodyTooLarge);
        }
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_apart() {
    let (sender, body) = channel(frames(&BODY.as_bytes()[..20], 20));
    sender.abort(std::io::ErrorKind::ConnectionReset.into());
    let reply = send(builder(), request(BODY.as_bytes(), body)).await;
    assert_refused(&reply, Outcome::BodyFailed);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let short = || builder().read_timeout(Duration::from_millis(20));
    for arrived in [0, 20] {
        let (_never_ends, body) = channel(frames(&BODY.as_bytes()[..arrived], 20));
        assert_refused(&send(short(), request(BODY.as_bytes(), body)).await, Outcome::BodyTimeout);
    }
    // What is there is not too late, whatever the limit.
    let whole = request(BODY.as_bytes(), Full::from(BODY));
    let reply = send(builder().read_timeout(Duration::ZERO), whole).await;
    assert_accepted(&reply, &BODY.len().to_string());
}
