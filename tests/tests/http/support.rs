//! Receivers that remember what reached them, and bodies that misbehave.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Debug;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::Extension;
use axum::Router;
use axum::extract::State;
use axum::routing::any;
use bytes::Bytes;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::{Event, Verifier};
use clerk_webhook_tests::{SECRET, sign};
use clerk_webhook_tower::VerifyWebhookLayer;
use clerk_webhook_tower::verify::{ReadTimeout, RefusalResponse};
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tower::{Layer as _, ServiceExt as _, service_fn};

pub type BoxError = Box<dyn Error + Send + Sync>;

pub const PATH: &str = "/webhooks/clerk";

/// An event, small and complete.
pub const BODY: &str = r#"{"data":{"deleted":true,"id":"user_1","object":"user"},"type":"user.deleted"}"#;

/// `{"data":{},"type":"test"}` as gzip has it.
pub const GZIPPED: &[u8] = b"\
    \x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x4a\x49\x2c\x49\x54\xb2\xaa\xae\xd5\x51\
    \x2a\xa9\x2c\x48\x55\xb2\x52\x2a\x49\x2d\x2e\x51\xaa\x05\x00\xcb\xa0\x0a\xfb\x19\x00\x00\
    \x00";

pub fn verifier() -> Verifier {
    Verifier::new(SECRET).unwrap()
}

/// Returns a request with the headers for one body and with another one in it.
pub fn delivery<B>(signed: &[u8], body: B) -> Request<B> {
    let mut request = Request::post(PATH).body(body).unwrap();
    *request.headers_mut() = HeaderMap::from(&sign(signed));
    request
}

/// Returns a delivery whose body is one frame.
pub fn whole(body: impl Into<Bytes>) -> Request<axum::body::Body> {
    let body = body.into();
    delivery(&body.clone(), axum::body::Body::from(body))
}

/// Returns a delivery whose body arrives in frames of some size and says nothing of its length.
pub fn framed(body: &[u8], size: usize) -> Request<axum::body::Body> {
    delivery(body, axum::body::Body::new(Steps::frames(body, size)))
}

/// One poll of a body.
#[derive(Clone, Debug)]
pub enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Error(&'static str),
    /// Not ready, and woken at once.
    Pending,
    /// Not ready, and never woken.
    Stalled,
}

/// A body that does what it is told, knows neither its length nor its end, and must not be polled after it.
#[derive(Debug)]
pub struct Steps(Option<VecDeque<Step>>);

impl Steps {
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(Some(steps.into_iter().collect()))
    }

    pub fn frames(body: &[u8], size: usize) -> Self {
        Self::new(body.chunks(size).map(|frame| Step::Data(Bytes::copy_from_slice(frame))))
    }
}

impl Body for Steps {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let steps = self.0.as_mut().expect("a body is not polled after its end or its error");
        match steps.pop_front() {
            Some(Step::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Some(Step::Error(error)) => {
                self.0 = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Stalled) => {
                steps.push_front(Step::Stalled);
                Poll::Pending
            }
            None => {
                self.0 = None;
                Poll::Ready(None)
            }
        }
    }
}

/// A body that nobody may poll.
#[derive(Debug)]
pub struct Untouchable;

impl Body for Untouchable {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was polled");
    }
}

/// The events and bodies that reached a handler.
#[derive(Clone, Default)]
pub struct Inbox(Arc<Mutex<Vec<(Event, Bytes)>>>);

impl Inbox {
    pub fn push(&self, event: Event, body: Bytes) {
        self.0.lock().unwrap().push((event, body));
    }

    pub fn take(&self) -> Vec<(Event, Bytes)> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// What came back, and what reached the handler.
pub struct Exchange {
    pub way: &'static str,
    pub response: Response<Bytes>,
    pub received: Vec<(Event, Bytes)>,
}

impl Exchange {
    /// Returns the event and the body of the one request that was accepted.
    #[track_caller]
    pub fn accepted(mut self) -> (Event, Bytes) {
        assert_eq!(self.response.status(), 200, "{}", self.way);
        assert_eq!(self.received.len(), 1, "{}", self.way);
        self.received.remove(0)
    }

    /// Returns the response to a request that did not reach the handler.
    #[track_caller]
    pub fn refused(self) -> Response<Bytes> {
        assert!(self.received.is_empty(), "{}: the handler was called", self.way);
        assert_ne!(self.response.status(), 200, "{}", self.way);
        self.response
    }
}

/// Sends a request through the layer, as any Tower server would.
pub async fn through_layer<B, R, T>(layer: VerifyWebhookLayer<R, T>, request: Request<B>) -> Exchange
where
    B: Body,
    B::Error: Into<BoxError>,
    R: RefusalResponse + Clone,
    T: ReadTimeout + Clone,
{
    let inbox = Inbox::default();
    let service = layer.layer(service_fn(|request: Request<Full<Bytes>>| {
        let inbox = inbox.clone();
        async move {
            let event = request.extensions().get::<Event>().unwrap().clone();
            let frame = request.into_body().frame().await;
            inbox.push(event, frame.map_or_else(Bytes::new, |frame| frame.unwrap().into_data().unwrap()));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    }));
    let response = collect(service.oneshot(request).await.unwrap()).await;
    Exchange { way: "layer", response, received: inbox.take() }
}

/// Sends a request through the layer on a route of axum.
pub async fn through_route(verifier: Verifier, request: Request<axum::body::Body>) -> Exchange {
    async fn handler(State(inbox): State<Inbox>, Extension(event): Extension<Event>, body: Bytes) {
        inbox.push(event, body);
    }

    let inbox = Inbox::default();
    let route = any(handler).layer(VerifyWebhookLayer::new(verifier));
    let app = Router::new().route(PATH, route).with_state(inbox.clone());
    let response = collect(app.oneshot(request).await.unwrap()).await;
    Exchange { way: "layer on a route", response, received: inbox.take() }
}

/// Sends a request to a handler that takes a [`ClerkEvent`].
pub async fn through_extractor(verifier: Verifier, request: Request<axum::body::Body>) -> Exchange {
    async fn handler(Extension(inbox): Extension<Inbox>, ClerkEvent(event): ClerkEvent) {
        let body = event.raw_body().clone();
        inbox.push(event, body);
    }

    let inbox = Inbox::default();
    let app = Router::new().route(PATH, any(handler)).layer(Extension(inbox.clone())).with_state(verifier);
    let response = collect(app.oneshot(request).await.unwrap()).await;
    Exchange { way: "extractor", response, received: inbox.take() }
}

/// Sends a request every way; all have to treat it alike.
pub async fn every_way(
    verifier: &Verifier,
    request: impl Fn() -> Request<axum::body::Body>,
) -> [Exchange; 3] {
    [
        through_layer(VerifyWebhookLayer::new(verifier.clone()), request()).await,
        through_route(verifier.clone(), request()).await,
        through_extractor(verifier.clone(), request()).await,
    ]
}

pub async fn collect<B>(response: Response<B>) -> Response<Bytes>
where
    B: Body<Data = Bytes>,
    B::Error: Debug,
{
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}
