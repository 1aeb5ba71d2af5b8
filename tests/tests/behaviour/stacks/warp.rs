//! Warp, with the filter and behind the layer.

use std::future::ready;

use bytes::Bytes;
use clerk_webhook_tower::VerifyWebhookLayer;
use clerk_webhook_warp::{Event, clerk_event, handle_rejection};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::Layer as _;
use warp::Filter;
use warp::http::StatusCode;

use super::Parts;
use super::hyper::serve_connections;

pub async fn serve(listener: TcpListener, parts: Parts) {
    let Parts { verifier, inbox, .. } = parts;
    let webhook = move |event: Event| {
        inbox.push(&event, None);
        ready(StatusCode::OK)
    };
    let routes = warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(clerk_event(verifier))
        .then(webhook)
        .recover(handle_rejection);
    warp::serve(routes).incoming(listener).run().await;
}

pub async fn serve_behind_layer(listener: TcpListener, parts: Parts) {
    let Parts { verifier, read_timeout, inbox } = parts;
    let webhook = move |event: Event, body: Bytes| {
        inbox.push(&event, Some(&body));
        StatusCode::OK
    };
    let routes = warp::path!("webhooks" / "clerk")
        .and(warp::post())
        .and(warp::ext::get::<Event>())
        .and(warp::body::bytes())
        .map(webhook);
    let layer = VerifyWebhookLayer::new(verifier).read_timeout(move || sleep(read_timeout));
    serve_connections(listener, layer.layer(warp::service(routes))).await;
}
