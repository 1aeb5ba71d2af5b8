//! What a handler may ask for, alone and behind the layer.

use std::error::Error as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRef, State};
use axum::handler::Handler;
use axum::routing::post;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clerk_webhook_axum::{ClerkEvent, ClerkEventRejection};
use clerk_webhook_core::{Event, EventType, Outcome, ReceiveErrorKind, Verifier, VerifyErrorKind};
use clerk_webhook_tests::{OTHER_SECRET, fixture};
use clerk_webhook_tower::VerifyWebhookLayer;
use http::{HeaderMap, Request, Response};
use serde_json::Value;
use tower::ServiceExt as _;

use super::support::{BODY, Inbox, PATH, collect, delivery, verifier, whole};

fn unsigned() -> Request<Body> {
    Request::post(PATH).body(Body::from(BODY)).unwrap()
}

fn forged() -> Request<Body> {
    delivery(b"another body", Body::from(BODY))
}

fn without(name: &str) -> Request<Body> {
    let mut request = whole(BODY);
    request.headers_mut().remove(name).unwrap();
    request
}

/// Sends a request to a handler in an application whose state is a verifier.
async fn ask<H, T>(handler: H, request: Request<Body>) -> Response<Bytes>
where
    H: Handler<T, Verifier>,
    T: 'static,
{
    let app = Router::new().route(PATH, post(handler)).with_state(verifier());
    collect(app.oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn an_event_is_all_that_a_handler_needs() {
    let handler = async |ClerkEvent(event): ClerkEvent| event.event_type().to_string();
    let response = ask(handler, whole(BODY)).await;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"user.deleted"[..]));
    for request in [unsigned(), forged(), without("svix-id")] {
        assert_eq!(ask(handler, request).await.status(), 400);
    }
    // Without the pattern it reads like the event itself.
    let handler = async |event: ClerkEvent| event.message_id().to_string();
    assert_eq!(ask(handler, whole(BODY)).await.body(), clerk_webhook_tests::message_id().as_str());
}

#[tokio::test]
async fn an_optional_event_is_absent_only_without_any_signature_header() {
    let handler = async |event: Option<ClerkEvent>| if event.is_some() { "some" } else { "none" };
    assert_eq!(ask(handler, unsigned()).await.body(), "none");
    assert_eq!(ask(handler, whole(BODY)).await.body(), "some");

    let mut partial: Vec<_> = ["svix-id", "svix-timestamp", "svix-signature"].map(without).into();
    for header in ["svix-id", "svix-timestamp", "svix-signature", "webhook-id", "webhook-signature"] {
        // One that is alone, and even empty, was meant to be a delivery.
        let mut request = unsigned();
        request.headers_mut().insert(header, http::HeaderValue::from_static(""));
        partial.push(request);
    }
    for request in partial {
        let headers = format!("{:?}", request.headers());
        let response = ask(handler, request).await;
        assert_eq!(response.status(), 400, "{headers}");
        assert_eq!(response.extensions().get(), Some(&Outcome::MissingHeader), "{headers}");
    }
    let response = ask(handler, forged()).await;
    assert_eq!(response.extensions().get(), Some(&Outcome::InvalidSignature));
}

#[tokio::test]
async fn a_rejection_says_what_was_wrong_to_a_handler_that_asks_for_it() {
    async fn handler(event: Result<ClerkEvent, ClerkEventRejection>) -> Response<Body> {
        let rejection = match event {
            Ok(event) => return Response::new(Body::from(event.event_type().to_string())),
            Err(rejection) => rejection,
        };
        assert_eq!(rejection.kind(), ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature));
        assert_eq!(rejection.outcome(), Outcome::InvalidSignature);
        assert_eq!(rejection.status(), 400);
        assert_eq!(rejection.body_text(), r#"{"title":"Bad Request","status":400}"#);
        // The text does not repeat its source.
        assert_eq!(rejection.to_string(), "the delivery could not be verified");
        let source = rejection.source().unwrap().to_string();
        assert!(source.starts_with("no signature in svix-signature matches"), "{source}");
        let mut response = Response::new(Body::from("refused my way"));
        *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        response
    }

    assert_eq!(ask(handler, whole(BODY)).await.body(), "user.deleted");
    let response = ask(handler, forged()).await;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (401, &b"refused my way"[..]));
}

#[derive(Clone)]
struct AppState {
    verifier: Verifier,
    name: Arc<str>,
}

impl FromRef<AppState> for Verifier {
    fn from_ref(state: &AppState) -> Self {
        state.verifier.clone()
    }
}

#[tokio::test]
async fn an_application_keeps_its_own_state_and_other_extractors() {
    async fn handler(
        State(state): State<AppState>,
        headers: HeaderMap,
        Extension(inbox): Extension<Inbox>,
        ClerkEvent(event): ClerkEvent,
    ) -> String {
        let text = format!("{} {:?} {}", state.name, headers["svix-id"], event.event_type());
        inbox.push(event, Bytes::new());
        text
    }

    let inbox = Inbox::default();
    let state = AppState { verifier: verifier(), name: "application".into() };
    let app = Router::new().route(PATH, post(handler)).layer(Extension(inbox.clone())).with_state(state);
    let response = collect(app.clone().oneshot(whole(BODY)).await.unwrap()).await;
    assert_eq!(response.body(), "application \"msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa\" user.deleted");
    assert_eq!(inbox.take().len(), 1);
    assert_eq!(app.oneshot(forged()).await.unwrap().status(), 400);
    assert_eq!(inbox.take().len(), 0);
}

#[tokio::test]
async fn behind_the_layer_the_event_is_the_one_that_the_layer_has_verified() {
    // With this verifier alone the delivery would be refused: nothing is verified twice.
    let other = Verifier::new(OTHER_SECRET).unwrap();
    let route = |with_layer| {
        let required = post(async |ClerkEvent(event): ClerkEvent| event.raw_body().clone());
        let optional = post(async |event: Option<ClerkEvent>| event.unwrap().raw_body().clone());
        let fallible =
            post(async |event: Result<ClerkEvent, ClerkEventRejection>| event.unwrap().raw_body().clone());
        [required, optional, fallible].map(|route| {
            let app = Router::new().route(PATH, route);
            let app = if with_layer { app.layer(VerifyWebhookLayer::new(verifier())) } else { app };
            app.with_state(other.clone())
        })
    };
    let body = Bytes::from(fixture("user.created"));
    for app in route(true) {
        let response = collect(app.clone().oneshot(whole(body.clone())).await.unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.body().as_ptr(), body.as_ptr());
        assert_eq!(app.oneshot(forged()).await.unwrap().status(), 400);
    }
    let [required, ..] = route(false);
    assert_eq!(required.oneshot(whole(body)).await.unwrap().status(), 400);
}

#[tokio::test]
async fn behind_the_layer_no_state_is_needed() {
    async fn typed(Extension(event): Extension<Event>) -> String {
        assert_eq!(event.event_type(), &EventType::UserDeleted);
        event.raw_data().to_owned()
    }

    async fn bytes(Extension(event): Extension<Event>, body: Bytes) -> Bytes {
        assert_eq!(event.raw_body().as_ptr(), body.as_ptr());
        body
    }

    async fn text(body: String) -> String {
        body
    }

    async fn json(Json(body): Json<Value>) -> String {
        body["data"]["id"].to_string()
    }

    let app = Router::new()
        .route("/typed", post(typed))
        .route("/bytes", post(bytes))
        .route("/text", post(text))
        .route("/json", post(json))
        .layer(VerifyWebhookLayer::new(verifier()));
    for (path, expected) in [
        ("/typed", r#"{"deleted":true,"id":"user_1","object":"user"}"#),
        ("/bytes", BODY),
        ("/text", BODY),
        ("/json", r#""user_1""#),
    ] {
        let send = async |mut request: Request<Body>| {
            *request.uri_mut() = path.parse().unwrap();
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            collect(app.clone().oneshot(request).await.unwrap()).await
        };
        let response = send(whole(BODY)).await;
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, expected.as_bytes()), "{path}");
        assert_eq!(send(forged()).await.status(), 400, "{path}");
        assert_eq!(send(unsigned()).await.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn what_a_sender_claims_to_have_been_verified_is_verified() {
    // Extensions come from layers and never from the wire; nothing that a request carries replaces them.
    let mut request = forged();
    for name in ["x-clerk-event", "x-verified", "webhook-delivery"] {
        request.headers_mut().insert(name, http::HeaderValue::from_static("true"));
    }
    assert_eq!(ask(async |_: ClerkEvent| (), request).await.status(), 400);
}
