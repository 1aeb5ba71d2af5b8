//! Sends deliveries to an Actix application.

use actix_http::h1;
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{Payload, Service, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, read_body};
use bytes::Bytes;
use clerk_webhook_core::{Outcome, ReceiveError, ReceiveErrorKind};
use clerk_webhook_tests::request::{BODY, PATH};
use clerk_webhook_tests::sign;

pub use actix_http::Request;

/// Returns a request with the headers for a body, but without the body.
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

/// Returns a request whose body arrives in frames and then ends or fails.
pub fn streamed(
    head: TestRequest,
    frames: impl Iterator<Item = Bytes>,
    error: Option<PayloadError>,
) -> Request {
    let (mut sender, payload) = h1::Payload::create(false);
    frames.for_each(|frame| sender.feed_data(frame));
    match error {
        Some(error) => sender.set_error(error),
        None => sender.feed_eof(),
    }
    head.to_request().replace_payload(Payload::from(payload)).0
}

/// Splits a body into frames of the given size.
pub fn frames(body: &[u8], size: usize) -> impl Iterator<Item = Bytes> {
    body.chunks(size).map(Bytes::copy_from_slice)
}

/// An application's response.
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

    /// Compares the response with the outcome's row in the table of answers.
    #[track_caller]
    pub fn assert_rejected(&self, outcome: Outcome) {
        let answer = clerk_webhook_core::Answer::from(outcome);
        assert_eq!((self.status.as_u16(), self.outcome), (answer.status(), Some(outcome)), "{self:?}");
        assert_eq!(self.content_type.as_deref(), Some(answer.content_type()));
        assert_eq!(self.body, answer.body());
    }
}

/// Sends a request to an application as a server does, which turns every error into a response.
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

/// Builds an application with a handler on [`PATH`] and with application data.
macro_rules! app {
    ($handler:expr $(, $data:expr)*) => {
        actix_web::test::init_service(
            actix_web::App::new()$(.app_data($data))*.route(clerk_webhook_tests::request::PATH, actix_web::web::post().to($handler)),
        )
        .await
    };
}
pub(crate) use app;
