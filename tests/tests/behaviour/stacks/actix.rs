//! Actix, with the extractor and with the middleware.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::{self, System};
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, PayloadConfig, ReqData, ServiceConfig};
use actix_web::{App, Error, HttpResponse, HttpServer};
use bytes::Bytes;
use clerk_webhook_actix::{ClerkAnswer, ClerkEvent, VerifyWebhook};
use clerk_webhook_core::{Event, Outcome, ReceiveError};
use clerk_webhook_store::{Deduplicator, DynDeliveryStore};
use clerk_webhook_tests::body::ScriptedBody;
use futures_core::Stream;
use http_body::Body as _;
use tokio::sync::oneshot;

use super::super::handling::{Endpoint, Handling, OUTCOME};
use super::super::inbox::Inbox;
use super::{PATH, Parts};

pub fn extractor(parts: Parts) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    async fn webhook(inbox: web::Data<Inbox>, ClerkEvent(event): ClerkEvent) -> HttpResponse {
        inbox.push(&event);
        HttpResponse::Ok().finish()
    }

    move |config| {
        let Parts { verifier, inbox, .. } = parts.clone();
        let resource = web::resource(PATH).route(web::post().to(webhook)).wrap(from_fn(add_outcome_header));
        config.app_data(verifier).app_data(web::Data::new(inbox)).service(resource);
    }
}

pub fn middleware(parts: Parts) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    async fn webhook(inbox: web::Data<Inbox>, event: ReqData<Event>, body: Bytes) -> HttpResponse {
        inbox.push_with_body(&event, &body);
        HttpResponse::Ok().finish()
    }

    move |config| {
        let Parts { verifier, inbox, .. } = parts.clone();
        // The default limit of `Bytes` is 256 KiB. This one exceeds the verifier's, which then applies.
        let bytes = PayloadConfig::new(4 * 1024 * 1024);
        let resource = web::resource(PATH).app_data(bytes).route(web::post().to(webhook));
        config
            .app_data(web::Data::new(inbox))
            .service(resource.wrap(VerifyWebhook::new(verifier)).wrap(from_fn(add_outcome_header)));
    }
}

/// An endpoint's deduplicator.
type Deduplication = web::Data<Deduplicator<Arc<dyn DynDeliveryStore>>>;

pub fn handling_extractor(parts: Parts) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    async fn webhook(
        deduplicator: Deduplication,
        handling: web::Data<Handling>,
        ClerkEvent(event): ClerkEvent,
    ) -> ClerkAnswer {
        ClerkAnswer(deduplicator.handle(&handling.handlers, event, handling.app.clone()).await)
    }

    move |config| {
        let Parts { verifier, handling, .. } = parts.clone();
        for Endpoint { path, deduplicator } in handling.endpoints.clone() {
            let resource = web::resource(path).app_data(web::Data::new(deduplicator));
            config.service(resource.route(web::post().to(webhook)).wrap(from_fn(add_outcome_header)));
        }
        config.app_data(verifier).app_data(web::Data::new(handling));
    }
}

pub fn handling_middleware(parts: Parts) -> impl Fn(&mut ServiceConfig) + Clone + Send + 'static {
    async fn webhook(
        deduplicator: Deduplication,
        handling: web::Data<Handling>,
        event: ReqData<Event>,
    ) -> ClerkAnswer {
        let (event, app) = (event.into_inner(), handling.app.clone());
        ClerkAnswer(deduplicator.handle(&handling.handlers, event, app).await)
    }

    move |config| {
        let Parts { verifier, handling, .. } = parts.clone();
        for Endpoint { path, deduplicator } in handling.endpoints.clone() {
            let resource = web::resource(path).app_data(web::Data::new(deduplicator));
            let verified = VerifyWebhook::new(verifier.clone());
            config.service(
                resource.route(web::post().to(webhook)).wrap(verified).wrap(from_fn(add_outcome_header)),
            );
        }
        config.app_data(web::Data::new(handling));
    }
}

/// Copies the outcome from the response's extensions to a header, as an outer middleware could.
async fn add_outcome_header(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let outcome = response.response().extensions().get::<Outcome>().copied();
    if let Some(outcome) = outcome {
        let name = HeaderName::from_static(OUTCOME);
        response.headers_mut().insert(name, HeaderValue::from_static(outcome.as_str()));
    }
    Ok(response)
}

/// Serves HTTP/1.1 and HTTP/2 until it is stopped.
pub fn serve(
    listener: TcpListener,
    configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    stopped: oneshot::Receiver<()>,
) {
    System::new().block_on(async {
        let app = move || App::new().configure(configure.clone());
        let server = HttpServer::new(app).workers(1).disable_signals().listen_auto_h2c(listener).unwrap();
        let server = server.run();
        let handle = server.handle();
        rt::spawn(async move {
            let _: Result<(), _> = stopped.await;
            handle.stop(false).await;
        });
        server.await.unwrap();
    });
}

/// Sends a request to an application without a socket.
pub async fn call(
    configure: impl Fn(&mut ServiceConfig),
    request: http::Request<ScriptedBody>,
) -> http::Response<Bytes> {
    let app = init_service(App::new().configure(configure)).await;
    let (head, body) = request.into_parts();
    let method = Method::from_bytes(head.method.as_str().as_bytes()).unwrap();
    let request = TestRequest::with_uri(&head.uri.to_string()).method(method);
    let headers = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let request = headers.fold(request, TestRequest::append_header).to_request();
    let payload: Pin<Box<dyn Stream<Item = _>>> = Box::pin(Frames(body));
    let response = call_service(&app, request.replace_payload(Payload::from(payload)).0).await;

    let mut answer = http::Response::builder().status(response.status().as_u16());
    for (name, value) in response.headers() {
        answer = answer.header(name.as_str(), value.as_bytes());
    }
    let outcome: Option<Outcome> = response.response().extensions().get().copied();
    let error: Option<ReceiveError> = response.response().extensions().get().cloned();
    let mut answer = answer.body(read_body(response).await).unwrap();
    outcome.map(|outcome| answer.extensions_mut().insert(outcome));
    error.map(|error| answer.extensions_mut().insert(error));
    answer
}

/// A body as Actix reads it: without trailers, and with Actix's payload error types.
struct Frames(ScriptedBody);

impl Stream for Frames {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            return match ready!(Pin::new(&mut self.0).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => continue,
                },
                Some(Err(error)) if error.is_limit() => Poll::Ready(Some(Err(PayloadError::Overflow))),
                Some(Err(_)) => Poll::Ready(Some(Err(PayloadError::Io(ErrorKind::ConnectionReset.into())))),
                None => Poll::Ready(None),
            };
        }
    }
}
