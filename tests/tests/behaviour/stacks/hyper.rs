//! The layer on hyper, without a web framework. The path is compared by hand, as in `examples/tower-hyper`.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use clerk_webhook_core::Event;
use clerk_webhook_tests::request::BoxError;
use clerk_webhook_tower::ResponseBody;
use clerk_webhook_tower::{VerifyWebhookLayer, WebhookService};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::{Layer as _, Service, ServiceExt, service_fn};

use super::super::handling::{Handling, with_outcome_header};
use super::{PATH, Parts};

/// Returns a handler inside the layer.
pub fn verified<B>(
    parts: Parts,
) -> impl Service<Request<B>, Response = Response<ResponseBody<Full<Bytes>>>, Error = Infallible, Future: Send>
+ Clone
where
    B: Body<Error: Into<BoxError>> + Send,
    B::Data: Send,
{
    let Parts { verifier, inbox, .. } = parts;
    let webhook = service_fn(move |request: Request<Full<Bytes>>| {
        let inbox = inbox.clone();
        async move {
            let event = request.extensions().get::<Event>().cloned();
            let body = request.into_body().collect().await?.to_bytes();
            inbox.push_with_same_body(&event.expect("the layer inserted the event"), &body);
            Ok::<_, Infallible>(Response::<Full<Bytes>>::default())
        }
    });
    let read_timeout = verifier.read_timeout();
    let layer = VerifyWebhookLayer::new(verifier).read_timeout(move || sleep(read_timeout));
    ServiceExt::<Request<B>>::map_response(layer.layer(webhook), with_outcome_header)
}

pub async fn serve(listener: TcpListener, parts: Parts) {
    let verified = verified(parts);
    let routes = service_fn(move |request: Request<Incoming>| {
        let verified = verified.clone();
        async move {
            let status = match (request.method(), request.uri().path()) {
                (&Method::POST, PATH) => return verified.oneshot(request).await,
                (_, PATH) => StatusCode::METHOD_NOT_ALLOWED,
                _ => StatusCode::NOT_FOUND,
            };
            Ok(Response::builder().status(status).body(Default::default()).unwrap())
        }
    });
    serve_connections(listener, routes).await;
}

/// Serves typed handlers inside both layers.
pub async fn serve_handling(listener: TcpListener, parts: Parts) {
    let Parts { verifier, handling, .. } = parts;
    let Handling { handlers, app, endpoints } = handling;
    let endpoints = endpoints.map(|endpoint| {
        let service = WebhookService::deduplicated(handlers.clone(), app.clone(), endpoint.deduplicator)
            .verified(verifier.clone());
        (endpoint.path, service)
    });
    serve_endpoints(listener, endpoints).await;
}

/// Serves services by path, and adds the outcome header to the answers.
pub async fn serve_endpoints<S, B>(listener: TcpListener, endpoints: [(&'static str, S); 2])
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let routes = service_fn(move |request: Request<Incoming>| {
        let endpoint = endpoints.iter().find(|(path, _)| *path == request.uri().path());
        let (_, service) = endpoint.expect("the cases use only these paths");
        service.clone().oneshot(request)
    });
    serve_connections(listener, routes.map_response(with_outcome_header)).await;
}

/// Serves HTTP/1.1 and HTTP/2, depending on the client.
pub async fn serve_connections<S, B>(listener: TcpListener, service: S)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let server = Builder::new(TokioExecutor::new());
            // A client that disconnects early is not an error of the server.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}
