//! Bodies of every shape: verified over the bytes of the wire, and handed on as those very bytes.

use std::convert::Infallible;
use std::io::Cursor;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::buf::Chain;
use bytes::{Buf as _, Bytes};
use clerk_webhook_core::event::EventErrorKind;
use clerk_webhook_core::{Outcome, ReceiveError, ReceiveErrorKind};
use clerk_webhook_tests::{event_of, fixture, fixtures};
use clerk_webhook_tower::VerifyWebhookLayer;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue, Request};
use http_body::Frame;
use http_body_util::{BodyExt as _, BodyStream, Full, StreamBody};

use super::support::{
    BODY, BoxError, Exchange, GZIPPED, Step, Steps, delivery, every_way, framed, through_layer, verifier,
    whole,
};

/// Sends a body every way and asserts that it arrives as it was signed.
async fn arrives(signed: &[u8], body: impl Fn() -> Body) {
    for exchange in every_way(&verifier(), || delivery(signed, body())).await {
        let way = exchange.way;
        let (event, body) = exchange.accepted();
        assert_eq!(body, signed, "{way}");
        assert_eq!(event.raw_body(), signed, "{way}");
    }
}

#[tokio::test]
async fn every_fixture_arrives() {
    for (_, body) in fixtures() {
        arrives(&body, || Body::from(body.clone())).await;
    }
}

#[tokio::test]
async fn a_stream_that_never_reports_its_end_arrives() {
    arrives(BODY.as_bytes(), || {
        let stream = StreamBody::new(BodyStream::new(Steps::frames(BODY.as_bytes(), 10)));
        assert!(!http_body::Body::is_end_stream(&stream));
        Body::new(stream)
    })
    .await;
}

#[tokio::test]
async fn ten_thousand_frames_of_one_byte_arrive() {
    let body = event_of(10_000);
    arrives(&body, || Body::new(Steps::frames(&body, 1))).await;
}

#[tokio::test]
async fn frames_of_every_size_arrive() {
    let body = fixture("user.created");
    for size in [2, 3, 63, 64, 65, 1000, body.len() - 1, body.len()] {
        arrives(&body, || Body::new(Steps::frames(&body, size))).await;
    }
}

#[tokio::test]
async fn empty_frames_are_nothing() {
    let empty = || Step::Data(Bytes::new());
    let (head, tail) = BODY.split_at(7);
    arrives(BODY.as_bytes(), || {
        let (head, tail) = (Step::Data(head.into()), Step::Data(tail.into()));
        Body::new(Steps::new([empty(), empty(), head, empty(), tail, empty()]))
    })
    .await;
}

/// A body that is always ready with nothing: empty data, or trailers.
#[derive(Debug)]
enum Endless {
    Data,
    Trailers,
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(match *self {
            Self::Data => Frame::data(Bytes::new()),
            Self::Trailers => Frame::trailers(HeaderMap::new()),
        })))
    }
}

#[tokio::test]
async fn a_body_without_data_and_without_an_end_is_refused() {
    for exchange in every_way(&verifier(), || delivery(b"", Body::new(Endless::Data))).await {
        assert_eq!(exchange.refused().status(), 400);
    }
    for exchange in every_way(&verifier(), || delivery(b"", Body::new(Endless::Trailers))).await {
        assert_eq!(exchange.refused().status(), 400);
    }
}

#[tokio::test]
async fn a_body_that_is_often_not_ready_arrives() {
    arrives(BODY.as_bytes(), || {
        let bytes = BODY.bytes().map(|byte| Step::Data(Bytes::from(vec![byte])));
        let steps = bytes.flat_map(|step| [Step::Pending, Step::Pending, step, Step::Pending]);
        Body::new(Steps::new(steps))
    })
    .await;
}

#[tokio::test]
async fn trailers_are_not_part_of_what_was_signed() {
    let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("trailer"))]);
    arrives(BODY.as_bytes(), || {
        let (head, tail) = BODY.split_at(7);
        let frames = [Step::Data(head.into()), Step::Data(tail.into()), Step::Trailers(trailers.clone())];
        Body::new(Steps::new(frames))
    })
    .await;
    // Nor can they stand in for a header.
    for exchange in every_way(&verifier(), || {
        let signed = delivery(BODY.as_bytes(), ());
        let steps = [Step::Data(BODY.into()), Step::Trailers(signed.headers().clone())];
        Request::post(super::support::PATH).body(Body::new(Steps::new(steps))).unwrap()
    })
    .await
    {
        let response = exchange.refused();
        assert_eq!(response.extensions().get(), Some(&Outcome::MissingHeader));
    }
}

/// A body whose frames lie in two places.
struct Halves(std::collections::VecDeque<Chain<Bytes, Cursor<Vec<u8>>>>);

impl http_body::Body for Halves {
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
async fn frames_that_do_not_lie_in_one_place_arrive() {
    let body = fixture("email.created");
    for size in [2, 100, body.len()] {
        let frames = body.chunks(size).map(|frame| {
            let (head, tail) = frame.split_at(frame.len() / 2);
            Bytes::copy_from_slice(head).chain(Cursor::new(tail.to_vec()))
        });
        let request = delivery(&body, Halves(frames.collect()));
        let (event, received) = through_layer(VerifyWebhookLayer::new(verifier()), request).await.accepted();
        assert_eq!(received, body, "frames of {size}");
        assert_eq!(event.raw_body(), &body, "frames of {size}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let body = fixture("user.created");
    for sent in [0, 1, 100, body.len()] {
        let steps = || {
            let frames = body[..sent].chunks(10).map(|frame| Step::Data(Bytes::copy_from_slice(frame)));
            Body::new(Steps::new(frames.chain([Step::Error("connection reset")])))
        };
        for exchange in every_way(&verifier(), || delivery(&body, steps())).await {
            let way = exchange.way;
            let response = exchange.refused();
            assert_eq!(response.status(), 400, "{way}, after {sent} bytes");
            assert_eq!(response.extensions().get(), Some(&Outcome::BodyFailed), "{way}, after {sent} bytes");
            let error = response.extensions().get::<ReceiveError>().unwrap();
            assert_eq!(error.kind(), ReceiveErrorKind::BodyFailed);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_cut_or_longer_is_refused() {
    for body in [&BODY[..BODY.len() - 1], &BODY[1..], "", &format!("{BODY}\n"), &format!("{BODY}{BODY}")] {
        for exchange in
            every_way(&verifier(), || delivery(BODY.as_bytes(), Body::from(body.to_owned()))).await
        {
            assert_eq!(exchange.refused().extensions().get(), Some(&Outcome::InvalidSignature), "{body}");
        }
    }
}

#[tokio::test]
async fn a_body_of_one_frame_is_not_copied() {
    let body = Bytes::from(fixture("user.created"));
    let same = |exchange: Exchange| {
        let way = exchange.way;
        let (event, received) = exchange.accepted();
        assert_eq!(event.raw_body().as_ptr(), body.as_ptr(), "{way}");
        assert_eq!(received.as_ptr(), body.as_ptr(), "{way}");
        assert_eq!(received.len(), body.len(), "{way}");
    };
    every_way(&verifier(), || whole(body.clone())).await.into_iter().for_each(same);
    // Empty frames round it change nothing.
    every_way(&verifier(), || {
        let frames = [Bytes::new(), body.clone(), Bytes::new()];
        delivery(&body, Body::new(Steps::new(frames.map(Step::Data))))
    })
    .await
    .into_iter()
    .for_each(same);
    let request = delivery(&body, Full::new(body.clone()));
    same(through_layer(VerifyWebhookLayer::new(verifier()), request).await);
}

#[tokio::test]
async fn a_body_of_many_frames_is_held_once() {
    let body = fixture("user.created");
    for exchange in every_way(&verifier(), || framed(&body, 100)).await {
        let (event, received) = exchange.accepted();
        assert_eq!(event.raw_body().as_ptr(), received.as_ptr());
    }
}

#[tokio::test]
async fn nothing_is_written_anew() {
    for body in [
        "{\"type\" : \"test\",\r\n\t\"data\" : { } }\n",
        r#"{"type":"test","data":{"b":1,"a":2}}"#,
        r#"{"data":{"n":1.0,"m":1e2,"z":-0,"big":18446744073709551616,"d":0.1000},"type":"test"}"#,
        r#"{"data":{"url":"https:\/\/example.com\/"},"type":"test"}"#,
        r#"{"data":{"u":"\u00e9\uD83D\uDE00"},"type":"te\u0073t"}"#,
        r#"{"data":{"a":1,"a":2},"data":{"a":3},"type":"other","type":"test"}"#,
        "{\"data\":{\"text\":\"\u{e9}\u{1f600}\u{2028}\u{7f}\"},\"type\":\"test\"}",
    ] {
        arrives(body.as_bytes(), || Body::from(body)).await;
        arrives(body.as_bytes(), || Body::new(Steps::frames(body.as_bytes(), 1))).await;
    }
}

#[tokio::test]
async fn what_was_signed_but_is_no_event_is_refused_after_it_was_verified() {
    use EventErrorKind::{InvalidEvent, InvalidJson};

    for (body, kind) in [
        (&b"{\"data\":{\"name\":\"\xff\"},\"type\":\"test\"}"[..], InvalidJson),
        (b"\xef\xbb\xbf{\"data\":{},\"type\":\"test\"}", InvalidJson),
        (b"{\"data\":{},\"type\":\"test\"}\0", InvalidJson),
        (b"{\"data\":{},\"type\":\"test\"", InvalidJson),
        (b"", InvalidJson),
        (b"[]", InvalidEvent),
        (b"{\"data\":{},\"type\":1}", InvalidEvent),
        (GZIPPED, InvalidJson),
    ] {
        for exchange in every_way(&verifier(), || whole(body)).await {
            let way = exchange.way;
            let response = exchange.refused();
            assert_eq!(response.status(), 400, "{way}, {body:?}");
            assert_eq!(response.body(), r#"{"outcome":"not_an_event"}"#, "{way}, {body:?}");
            let error = response.extensions().get::<ReceiveError>().unwrap();
            assert_eq!(error.kind(), ReceiveErrorKind::Event(kind), "{way}, {body:?}");
        }
        // The same bytes are not even looked at where nobody has signed them.
        for exchange in every_way(&verifier(), || delivery(BODY.as_bytes(), Body::from(body))).await {
            assert_eq!(exchange.refused().extensions().get(), Some(&Outcome::InvalidSignature));
        }
    }
}

#[tokio::test]
async fn a_compressed_body_is_verified_as_it_came() {
    let request = |signed: &[u8]| {
        let mut request = delivery(signed, Body::from(GZIPPED));
        request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        request
    };
    // The signature holds over the compressed bytes, which are no event. Nothing is decompressed behind the
    // back of the signature, be it to verify or to read.
    for exchange in every_way(&verifier(), || request(GZIPPED)).await {
        assert_eq!(exchange.refused().extensions().get(), Some(&Outcome::NotAnEvent));
    }
    for exchange in every_way(&verifier(), || request(br#"{"data":{},"type":"test"}"#)).await {
        assert_eq!(exchange.refused().extensions().get(), Some(&Outcome::InvalidSignature));
    }
}

#[tokio::test]
async fn the_rest_of_the_request_is_left_as_it_is() {
    use std::convert::Infallible;

    use http::{Response, Version};
    use tower::{Layer as _, ServiceExt as _, service_fn};

    #[derive(Clone, Debug, PartialEq)]
    struct Mark(u8);

    let mut request = delivery(BODY.as_bytes(), Full::<Bytes>::from(BODY));
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
