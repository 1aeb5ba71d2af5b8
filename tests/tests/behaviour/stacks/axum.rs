//! Axum, with the extractor and with the layer.

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{post, post_service};
use axum::{Extension, Router};
use bytes::Bytes;
use clerk_webhook_axum::{ClerkAnswer, ClerkEvent};
use clerk_webhook_core::{Event, Verifier};
use clerk_webhook_tower::{VerifyWebhookLayer, WebhookService};
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_http::timeout::TimeoutLayer;

use super::super::handling::{Endpoint, Handling, with_outcome_header};
use super::super::inbox::Inbox;
use super::{PATH, Parts};

impl FromRef<Parts> for Verifier {
    fn from_ref(parts: &Parts) -> Self {
        parts.verifier.clone()
    }
}

impl FromRef<Parts> for Inbox {
    fn from_ref(parts: &Parts) -> Self {
        parts.inbox.clone()
    }
}

pub fn extractor(parts: Parts) -> Router {
    async fn webhook(State(inbox): State<Inbox>, ClerkEvent(event): ClerkEvent) {
        inbox.push(&event);
    }

    let read_timeout = parts.verifier.read_timeout();
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, read_timeout);
    Router::new()
        .route(PATH, post(webhook))
        .layer(timeout)
        .layer(map_response(add_outcome_header))
        .with_state(parts)
}

pub fn with_layer(parts: Parts) -> Router {
    async fn webhook(State(inbox): State<Inbox>, Extension(event): Extension<Event>, body: Bytes) {
        inbox.push_with_same_body(&event, &body);
    }

    let read_timeout = parts.verifier.read_timeout();
    let layer = VerifyWebhookLayer::new(parts.verifier.clone()).read_timeout(move || sleep(read_timeout));
    Router::new()
        .route(PATH, post(webhook).layer(layer))
        .layer(map_response(add_outcome_header))
        .with_state(parts)
}

/// The handler state of one endpoint.
#[derive(Clone)]
struct Webhook {
    verifier: Verifier,
    handling: Handling,
    endpoint: Endpoint,
}

impl FromRef<Webhook> for Verifier {
    fn from_ref(webhook: &Webhook) -> Self {
        webhook.verifier.clone()
    }
}

pub fn handling_extractor(parts: Parts) -> Router {
    async fn webhook(State(webhook): State<Webhook>, ClerkEvent(event): ClerkEvent) -> ClerkAnswer {
        let Handling { handlers, app, .. } = webhook.handling;
        ClerkAnswer(webhook.endpoint.deduplicator.handle(&handlers, event, app).await)
    }

    let Parts { verifier, handling, .. } = parts;
    let routes = handling.endpoints.clone().map(|endpoint| {
        let path = endpoint.path;
        let state = Webhook { verifier: verifier.clone(), handling: handling.clone(), endpoint };
        Router::new().route(path, post(webhook)).with_state(state)
    });
    routes.into_iter().fold(Router::new(), Router::merge).layer(map_response(add_outcome_header))
}

pub fn handling_with_layer(parts: Parts) -> Router {
    let Parts { verifier, handling, .. } = parts;
    let Handling { handlers, app, endpoints } = handling;
    let routes = endpoints.into_iter().fold(Router::new(), |routes, endpoint| {
        let service = WebhookService::deduplicated(handlers.clone(), app.clone(), endpoint.deduplicator)
            .verified(verifier.clone());
        routes.route(endpoint.path, post_service(service))
    });
    routes.layer(map_response(add_outcome_header))
}

async fn add_outcome_header(response: Response) -> Response {
    with_outcome_header(response)
}

pub async fn serve(listener: TcpListener, app: Router) {
    axum::serve(listener, app).await.unwrap();
}
