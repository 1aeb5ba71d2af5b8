//! Axum, with the extractor and behind the layer.

use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Router};
use bytes::Bytes;
use clerk_webhook_axum::{ClerkEvent, Event, Verifier};
use clerk_webhook_tower::VerifyWebhookLayer;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_http::timeout::TimeoutLayer;

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
        inbox.push(&event, None);
    }

    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, parts.read_timeout);
    Router::new().route(PATH, post(webhook)).layer(timeout).with_state(parts)
}

pub fn behind_layer(parts: Parts) -> Router {
    async fn webhook(State(inbox): State<Inbox>, Extension(event): Extension<Event>, body: Bytes) {
        inbox.push(&event, Some(&body));
    }

    let read_timeout = parts.read_timeout;
    let layer = VerifyWebhookLayer::new(parts.verifier.clone()).read_timeout(move || sleep(read_timeout));
    Router::new().route(PATH, post(webhook).layer(layer)).with_state(parts)
}

pub async fn serve(listener: TcpListener, app: Router) {
    axum::serve(listener, app).await.unwrap();
}
