//! Deliveries to an Actix application, and payloads that misbehave.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, Service, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, read_body};
use actix_web::{Error, web};
use bytes::Bytes;
use clerk_webhook_core::{Outcome, ReceiveError, ReceiveErrorKind, Verifier};
use clerk_webhook_tests::{SECRET, sign};
use futures_core::Stream;

pub use actix_http::Request;

pub const PATH: &str = "/webhooks/clerk";

/// An event, small and complete.
pub const BODY: &str = r#"{"data":{"deleted":true,"id":"user_1","object":"user"},"type":"user.deleted"}"#;

pub fn verifier() -> Verifier {
    Verifier::new(SECRET).unwrap()
}

/// Returns a request with the headers for one body, and none in it.
pub fn head(signed: &[u8]) -> TestRequest {
    let pairs = sign(signed).to_pairs();
    pairs.into_iter().fold(TestRequest::post().uri(PATH), TestRequest::insert_header)
}

pub fn delivery(body: impl Into<Bytes>) -> TestRequest {
    let body = body.into();
    head(&body).set_payload(body)
}

pub fn forged() -> TestRequest {
    head(b"another body").set_payload(BODY)
}

pub fn unsigned() -> TestRequest {
    TestRequest::post().uri(PATH).set_payload(BODY)
}

/// Returns a request whose body comes as a stream.
pub fn streamed(head: TestRequest, frames: Frames) -> Request {
    head.to_request().replace_payload(Payload::from(Box::pin(frames) as Pin<Box<dyn Stream<Item = _>>>)).0
}

/// What an application answered.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub outcome: Option<Outcome>,
    pub kind: Option<ReceiveErrorKind>,
    pub content_type: Option<String>,
    pub body: Bytes,
}

impl Reply {
    #[track_caller]
    pub fn assert_accepted(&self, body: &str) {
        assert_eq!((self.status, &self.body[..]), (StatusCode::OK, body.as_bytes()), "{self:?}");
        assert_eq!((self.outcome, self.kind), (None, None));
    }

    /// Compares with the row of an outcome in the table of answers, all but its body.
    #[track_caller]
    pub fn assert_refused(&self, outcome: Outcome) {
        let answer = clerk_webhook_core::Answer::from(outcome);
        assert_eq!((self.status.as_u16(), self.outcome), (answer.status(), Some(outcome)), "{self:?}");
        assert_eq!(self.content_type.as_deref(), Some(answer.content_type()));
        assert_eq!(self.body, answer.body());
    }
}

/// Sends a request to an application as a server does, which makes an answer of every error.
pub async fn send<S, B>(app: &S, request: impl Into<Request>) -> Reply
where
    S: Service<Request, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    let response = call_service(app, request.into()).await;
    let (outcome, kind) = {
        let extensions = response.response().extensions();
        (extensions.get().copied(), extensions.get().map(ReceiveError::kind))
    };
    let content_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    Reply { status: response.status(), outcome, kind, content_type, body: read_body(response).await }
}

/// Builds an application with a handler on [`PATH`] and with data that configures it.
macro_rules! app {
    ($handler:expr $(, $data:expr)*) => {
        actix_web::test::init_service(
            actix_web::App::new()$(.app_data($data))*.route(super::support::PATH, actix_web::web::post().to($handler)),
        )
        .await
    };
}
pub(crate) use app;

/// A payload that does what it is told, and must not be polled after its end.
pub struct Frames {
    frames: VecDeque<Result<Bytes, PayloadError>>,
    then: Then,
}

/// What a payload does after its last frame.
pub enum Then {
    End,
    /// Never says anything again.
    Stall,
    Panic,
}

impl Frames {
    pub fn new(frames: impl IntoIterator<Item = Result<Bytes, PayloadError>>, then: Then) -> Self {
        Self { frames: frames.into_iter().collect(), then }
    }

    pub fn of(body: &[u8], size: usize) -> Self {
        Self::new(body.chunks(size).map(|frame| Ok(Bytes::copy_from_slice(frame))), Then::End)
    }

    pub fn untouchable() -> Self {
        Self::new([], Then::Panic)
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        match std::mem::replace(&mut self.then, Then::Panic) {
            Then::End => Poll::Ready(None),
            Then::Stall => {
                self.then = Then::Stall;
                Poll::Pending
            }
            Then::Panic => panic!("the payload was polled"),
        }
    }
}

/// Returns how an application is told of a verifier: plain, or shared as Actix's users are used to.
pub fn shared(verifier: Verifier) -> web::Data<Verifier> {
    web::Data::new(verifier)
}
