//! Warp, with the filter and with the layer.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use clerk_webhook_core::Event;
use clerk_webhook_tests::request::BoxError;
use clerk_webhook_tower::VerifyWebhookLayer;
use clerk_webhook_warp::{ClerkAnswer, clerk_event, handle_rejection};
use http::Request;
use http_body::Body;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::{Layer as _, Service, ServiceExt};
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use super::super::handling::{Handling, with_outcome_header};
use super::Parts;
use super::hyper::serve_endpoints;

pub fn filter(parts: Parts) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    let Parts { verifier, inbox, .. } = parts;
    let webhook = move |event: Event| {
        inbox.push(&event);
        StatusCode::OK
    };
    warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(clerk_event(verifier))
        .map(webhook)
        .recover(handle_rejection)
        .map(add_outcome_header)
}

pub fn with_layer<B>(
    parts: Parts,
) -> impl Service<
    Request<B>,
    Response = http::Response<impl Body<Data = Bytes, Error: Error + Send + Sync> + Send>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send
where
    B: Body<Error: Into<BoxError>> + Send,
    B::Data: Send,
{
    let Parts { verifier, inbox, .. } = parts;
    let webhook = move |event: Event, body: Bytes| {
        inbox.push_with_same_body(&event, &body);
        StatusCode::OK
    };
    let routes = warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(warp::ext::get::<Event>())
        .and(warp::body::bytes())
        .map(webhook);
    let read_timeout = verifier.read_timeout();
    let layer = VerifyWebhookLayer::new(verifier).read_timeout(move || sleep(read_timeout));
    ServiceExt::<Request<B>>::map_response(layer.layer(warp::service(routes)), with_outcome_header)
}

pub async fn serve(listener: TcpListener, parts: Parts) {
    warp::serve(filter(parts)).incoming(listener).run().await;
}

pub async fn serve_handling(listener: TcpListener, parts: Parts) {
    let [one, other] = parts.handling.endpoints.clone().map(|endpoint| {
        let Handling { handlers, app, .. } = parts.handling.clone();
        let webhook = move |event: Event| {
            let (deduplicator, handlers, app) =
                (endpoint.deduplicator.clone(), handlers.clone(), app.clone());
            async move { ClerkAnswer(deduplicator.handle(&handlers, event, app).await) }
        };
        let (_, name) = endpoint.path.rsplit_once('/').unwrap();
        warp::path("webhooks")
            .and(warp::path(name))
            .and(warp::path::end())
            .and(warp::post())
            .and(clerk_event(parts.verifier.clone()))
            .then(webhook)
    });
    let routes = one.or(other).unify().recover(handle_rejection).map(add_outcome_header);
    warp::serve(routes).incoming(listener).run().await;
}

fn add_outcome_header(reply: impl Reply) -> Response {
    with_outcome_header(reply.into_response())
}

/// The layer is outside, and the handler takes the event from the request's extensions.
pub async fn serve_handling_with_layer(listener: TcpListener, parts: Parts) {
    let Parts { verifier, handling, .. } = parts;
    let Handling { handlers, app, endpoints } = handling;
    let endpoints = endpoints.map(|endpoint| {
        let (path, deduplicator) = (endpoint.path, endpoint.deduplicator);
        let (handlers, app) = (handlers.clone(), app.clone());
        let webhook = move |event: Event| {
            let (deduplicator, handlers, app) = (deduplicator.clone(), handlers.clone(), app.clone());
            async move { ClerkAnswer(deduplicator.handle(&handlers, event, app).await) }
        };
        let routes = warp::post().and(warp::ext::get()).then(webhook);
        (path, VerifyWebhookLayer::new(verifier.clone()).layer(warp::service(routes)))
    });
    serve_endpoints(listener, endpoints).await;
}
