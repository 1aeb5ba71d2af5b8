//! Whole Axum applications, called in the process and on one thread: no socket, no runtime.

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

/// Where every application takes deliveries.
pub const PATH: &str = "/webhooks/clerk";

pub const DRAIN: &str = "hashes the body and forgets it";
pub const BARE: &str = "bare handler, reads Bytes";
pub const UNVERIFIED: &str = "bare + serde_json tagged enum, unverified";
pub const BY_HAND: &str = "axum + hmac/sha2 by hand + serde_json";
pub const SVIX: &str = "axum + svix + serde_json";
pub const LAYER_UNTOUCHED: &str = "Tower layer, data untouched";
pub const LAYER_TYPED: &str = "Tower layer, typed data";
pub const EXTRACTOR_TYPED: &str = "Axum extractor, typed data";

/// A name and how to make the application.
pub type Entry = (&'static str, fn() -> Application);

/// Takes part where memory is compared, and nowhere else: what it does costs less than any handler.
pub const DRAINING: Entry = (DRAIN, drain);

/// All others, in the order in which they are shown.
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
        faster(LAYER_UNTOUCHED, SVIX, 4.0),
        faster(LAYER_TYPED, SVIX, 2.6),
        faster(EXTRACTOR_TYPED, SVIX, 2.9),
        faster(LAYER_TYPED, UNVERIFIED, 1.0),
    ];
    Group { contestants, goals }
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

    /// Returns the routes, to be served over a socket.
    pub fn into_router(self) -> Router {
        self.router
    }

    /// Makes a request of the delivery, as a server would, and returns the status of the answer.
    ///
    /// # Panics
    ///
    /// Panics when the answer is not there at once: nothing in these applications waits.
    pub fn deliver(&mut self, delivery: &SignedDelivery) -> StatusCode {
        let mut request = Request::new(Body::from(black_box(&delivery.body).clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = delivery.headers.clone();

        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(response)) = pin!(self.router.call(request)).poll(&mut context) else {
            panic!("the application waits for something");
        };
        black_box(response).status()
    }
}

/// Reads the body and does nothing.
#[must_use]
pub fn bare() -> Application {
    async fn handler(body: Bytes) -> StatusCode {
        black_box(body);
        StatusCode::OK
    }

    Application::new(post(handler))
}

/// Hashes the body and forgets it frame by frame: what is held then is the server's own.
///
/// It takes as long as the others do, since a server's buffers grow with what has arrived meanwhile.
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

/// Believes everything.
#[must_use]
pub fn unverified() -> Application {
    async fn handler(body: Bytes) -> StatusCode {
        decode(&body)
    }

    Application::new(post(handler))
}

/// Verifies with the crate svix and reads a tagged enum.
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

/// Verifies with hmac and sha2 and reads a tagged enum.
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

/// The layer in front of a handler that looks at the type and at nothing else.
#[must_use]
pub fn layer_untouched() -> Application {
    async fn handler(Extension(event): Extension<Event>) -> StatusCode {
        black_box(event.event_type());
        StatusCode::OK
    }

    Application::new(post(handler).layer(VerifyWebhookLayer::new(delivery::verifier())))
}

/// The layer in front of a handler that reads the user.
#[must_use]
pub fn layer_typed() -> Application {
    async fn handler(Extension(event): Extension<Event>) -> StatusCode {
        read(&event)
    }

    Application::new(post(handler).layer(VerifyWebhookLayer::new(delivery::verifier())))
}

/// A handler that takes the event as an argument and reads the user.
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
