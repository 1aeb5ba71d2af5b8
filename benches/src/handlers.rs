//! Axum applications that are called in the process, on one thread, without a socket or a runtime.

use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::routing::{MethodRouter, post};
use axum::{Extension, Router};
use bytes::Bytes;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::{Event, EventData};
use clerk_webhook_tower::VerifyWebhookLayer;
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use svix::webhooks::Webhook;
use tower_service::Service as _;

use crate::delivery::{self, SignedDelivery};
use crate::group::{Contestant, Goal, Group};
use crate::hand_written::{HandWritten, TaggedEvent};

/// The path of the webhook route in every application.
pub const PATH: &str = "/webhooks/clerk";

pub const DRAIN: &str = "hashes the body, stores nothing";
pub const BARE: &str = "bare handler, reads Bytes";
pub const UNVERIFIED: &str = "bare + serde_json tagged enum, unverified";
pub const BY_HAND: &str = "axum + hmac/sha2 by hand + serde_json";
pub const SVIX: &str = "axum + svix + serde_json";
pub const LAYER_UNTOUCHED: &str = "Tower layer, data untouched";
pub const LAYER_TYPED: &str = "Tower layer, typed data";
pub const EXTRACTOR_TYPED: &str = "Axum extractor, typed data";

/// The name of an application and the function that creates it.
pub type Entry = (&'static str, fn() -> Application);

/// The baseline of the memory measurements. It does less than any real handler.
pub const DRAINING: Entry = (DRAIN, drain);

/// All other applications, in output order.
pub const APPLICATIONS: &[Entry] = &[
    (BARE, bare),
    (LAYER_UNTOUCHED, layer_untouched),
    (EXTRACTOR_TYPED, extractor_typed),
    (LAYER_TYPED, layer_typed),
    (UNVERIFIED, unverified),
    (BY_HAND, by_hand),
    (SVIX, with_svix),
];

pub(crate) fn group() -> Group {
    let delivery = SignedDelivery::user_created();
    let contestants = APPLICATIONS
        .iter()
        .map(|(name, make)| {
            let (mut application, delivery) = (make(), delivery.clone());
            Contestant::new(name, move || assert_eq!(application.deliver(&delivery), StatusCode::OK))
        })
        .collect();
    let faster = |who, against, ratio| Goal::TimesFaster { who, against, ratio };
    let goals = vec![
        faster(LAYER_UNTOUCHED, SVIX, 3.5),
        faster(LAYER_TYPED, SVIX, 2.6),
        faster(EXTRACTOR_TYPED, SVIX, 2.6),
        faster(LAYER_TYPED, UNVERIFIED, 1.0),
    ];
    Group { contestants, goals }
}

/// The applications with a delivery whose signature does not match.
pub(crate) fn forged() -> Group {
    let delivery = SignedDelivery::forged();
    let contestants = APPLICATIONS
        .iter()
        .filter(|(name, _)| ![LAYER_TYPED, UNVERIFIED].contains(name))
        .map(|(name, make)| {
            let expected = if *name == BARE { StatusCode::OK } else { StatusCode::BAD_REQUEST };
            let (mut application, delivery) = (make(), delivery.clone());
            Contestant::new(name, move || assert_eq!(application.deliver(&delivery), expected))
        })
        .collect();
    Group { contestants, goals: Vec::new() }
}

/// An application with one route.
pub struct Application {
    router: Router,
    uri: Uri,
}

impl Application {
    fn new(route: MethodRouter) -> Self {
        Self { router: Router::new().route(PATH, route), uri: Uri::from_static(PATH) }
    }

    /// Returns the router, to serve it over a socket.
    pub fn into_router(self) -> Router {
        self.router
    }

    /// Creates a request from the delivery, as a server does, and returns the response's status.
    ///
    /// # Panics
    ///
    /// Panics if the response is not ready at the first poll. No handler in these applications waits.
    pub fn deliver(&mut self, delivery: &SignedDelivery) -> StatusCode {
        let mut request = Request::new(Body::from(black_box(&delivery.body).clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = delivery.headers.clone();

        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(response)) = pin!(self.router.call(request)).poll(&mut context) else {
            panic!("the application did not respond at the first poll");
        };
        black_box(response).status()
    }
}

/// Reads the body and ignores it.
#[must_use]
pub fn bare() -> Application {
    async fn handler(body: Bytes) -> StatusCode {
        black_box(body);
        StatusCode::OK
    }

    Application::new(post(handler))
}

/// Hashes the body frame by frame and stores nothing, to measure how much memory the server itself uses.
///
/// The hash takes as long as a verification. A faster handler would leave less data in the server's buffers.
#[must_use]
pub fn drain() -> Application {
    async fn handler(mut body: Body) -> StatusCode {
        let mut hash = Sha256::new();
        while let Some(Ok(frame)) = body.frame().await {
            if let Some(data) = frame.data_ref() {
                hash.update(data);
            }
        }
        black_box(hash.finalize());
        StatusCode::OK
    }

    Application::new(post(handler))
}

/// Decodes a tagged enum without verification.
#[must_use]
pub fn unverified() -> Application {
    async fn handler(body: Bytes) -> StatusCode {
        decode(&body)
    }

    Application::new(post(handler))
}

/// Verifies with the svix crate and decodes a tagged enum.
#[must_use]
pub fn with_svix() -> Application {
    async fn handler(State(webhook): State<Arc<Webhook>>, headers: HeaderMap, body: Bytes) -> StatusCode {
        if webhook.verify(&body, &headers).is_err() {
            return StatusCode::BAD_REQUEST;
        }
        decode(&body)
    }

    Application::new(post(handler).with_state(Arc::new(delivery::svix())))
}

/// Verifies with hmac and sha2 and decodes a tagged enum.
#[must_use]
pub fn by_hand() -> Application {
    async fn handler(State(secret): State<Arc<HandWritten>>, headers: HeaderMap, body: Bytes) -> StatusCode {
        if !secret.verify(&headers, &body) {
            return StatusCode::BAD_REQUEST;
        }
        decode(&body)
    }

    Application::new(post(handler).with_state(Arc::new(HandWritten::new())))
}

fn decode(body: &[u8]) -> StatusCode {
    match serde_json::from_slice(body) {
        Ok(TaggedEvent::UserCreated(user)) => {
            black_box(user);
            StatusCode::OK
        }
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The layer with a handler that reads only the type of the event.
#[must_use]
pub fn layer_untouched() -> Application {
    async fn handler(Extension(event): Extension<Event>) -> StatusCode {
        black_box(event.event_type());
        StatusCode::OK
    }

    Application::new(post(handler).layer(VerifyWebhookLayer::new(delivery::verifier())))
}

/// The layer with a handler that reads the typed data.
#[must_use]
pub fn layer_typed() -> Application {
    async fn handler(Extension(event): Extension<Event>) -> StatusCode {
        read(&event)
    }

    Application::new(post(handler).layer(VerifyWebhookLayer::new(delivery::verifier())))
}

/// A handler that extracts the event as an argument and reads the typed data.
#[must_use]
pub fn extractor_typed() -> Application {
    async fn handler(ClerkEvent(event): ClerkEvent) -> StatusCode {
        read(&event)
    }

    Application::new(post(handler).with_state::<()>(delivery::verifier()))
}

fn read(event: &Event) -> StatusCode {
    match event.data() {
        EventData::UserCreated(user) => {
            black_box(user);
            StatusCode::OK
        }
        _ => StatusCode::BAD_REQUEST,
    }
}
