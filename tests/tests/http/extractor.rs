//! Handler arguments, without the layer and inside it.

use std::convert::Infallible;
use std::error::Error as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRef, FromRequest as _, State};
use axum::handler::Handler;
use axum::routing::post;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use clerk_webhook_axum::{ClerkEvent, ClerkEventRejection};
use clerk_webhook_core::{
    Event, EventData, EventType, Outcome, ReceiveError, ReceiveErrorKind, Verifier, VerifyErrorKind,
};
use clerk_webhook_tests::request::{self, BODY, PATH, collect, delivery, forged, framed, signed, verifier};
use clerk_webhook_tests::secrecy::{PRIVATE, assert_shows_nothing_private};
use clerk_webhook_tests::{OTHER_SECRET, event_of, fixture, secret};
use clerk_webhook_tower::VerifyWebhookLayer;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tower::{Layer as _, ServiceExt as _, service_fn};

fn unsigned() -> Request<Full<Bytes>> {
    request::unsigned(Full::from(BODY))
}

fn without(name: &str) -> Request<Full<Bytes>> {
    let mut request = delivery(BODY);
    request.headers_mut().remove(name).unwrap();
    request
}

/// Sends a request to a handler in an application whose state is a verifier.
async fn ask<H, T>(handler: H, request: Request<Full<Bytes>>) -> Response<Bytes>
where
    H: Handler<T, Verifier>,
    T: 'static,
{
    let app = Router::new().route(PATH, post(handler)).with_state(verifier());
    collect(app.oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn a_handler_can_take_only_the_event() {
    let handler = async |ClerkEvent(event): ClerkEvent| event.event_type().to_string();
    let response = ask(handler, delivery(BODY)).await;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, &b"user.deleted"[..]));
    for request in [unsigned(), forged(), without("svix-id")] {
        assert_eq!(ask(handler, request).await.status(), 400);
    }
    // The extractor dereferences to the event.
    let handler = async |event: ClerkEvent| event.message_id().to_string();
    assert_eq!(ask(handler, delivery(BODY)).await.body(), clerk_webhook_tests::message_id().as_str());
}

#[tokio::test]
async fn an_optional_event_is_none_only_without_signature_headers() {
    let handler = async |event: Option<ClerkEvent>| if event.is_some() { "some" } else { "none" };
    assert_eq!(ask(handler, unsigned()).await.body(), "none");
    assert_eq!(ask(handler, delivery(BODY)).await.body(), "some");

    let mut partial: Vec<_> = ["svix-id", "svix-timestamp", "svix-signature"].map(without).into();
    for header in ["svix-id", "svix-timestamp", "svix-signature", "webhook-id", "webhook-signature"] {
        // A request with a single signature header, even an empty one, is treated as a delivery.
        let mut request = unsigned();
        request.headers_mut().insert(header, HeaderValue::from_static(""));
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
async fn a_handler_can_extract_the_rejection() {
    async fn handler(event: Result<ClerkEvent, ClerkEventRejection>) -> Response<Full<Bytes>> {
        let rejection = match event {
            Ok(event) => return Response::new(Full::from(event.event_type().to_string())),
            Err(rejection) => rejection,
        };
        assert_eq!(rejection.kind(), ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature));
        assert_eq!(rejection.outcome(), Outcome::InvalidSignature);
        assert_eq!(rejection.status(), 400);
        assert_eq!(rejection.body_text(), r#"{"title":"Bad Request","status":400}"#);
        // The text does not repeat its source's text.
        assert_eq!(rejection.to_string(), "the delivery could not be verified");
        let source = rejection.source().unwrap().to_string();
        assert!(source.starts_with("no signature in svix-signature matches"), "{source}");
        let mut response = Response::new(Full::from("rejected by the handler"));
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response
    }

    assert_eq!(ask(handler, delivery(BODY)).await.body(), "user.deleted");
    let response = ask(handler, forged()).await;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (401, &b"rejected by the handler"[..]));
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
async fn works_with_application_state_and_other_extractors() {
    async fn handler(
        State(state): State<AppState>,
        headers: HeaderMap,
        Extension(region): Extension<&'static str>,
        ClerkEvent(event): ClerkEvent,
    ) -> String {
        format!("{} {region} {:?} {}", state.name, headers["svix-id"], event.event_type())
    }

    let state = AppState { verifier: verifier(), name: "application".into() };
    let app = Router::new().route(PATH, post(handler)).layer(Extension("eu")).with_state(state);
    let response = collect(app.clone().oneshot(delivery(BODY)).await.unwrap()).await;
    assert_eq!(response.body(), "application eu \"msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa\" user.deleted");
    assert_eq!(app.oneshot(forged()).await.unwrap().status(), 400);
}

#[tokio::test]
async fn inside_the_layer_the_extractor_does_not_verify_again() {
    // This verifier alone would reject the delivery. The extractor must not verify again.
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
        let response = collect(app.clone().oneshot(delivery(body.clone())).await.unwrap()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.body().as_ptr(), body.as_ptr());
        assert_eq!(app.oneshot(forged()).await.unwrap().status(), 400);
    }
    let [required, ..] = route(false);
    assert_eq!(required.oneshot(delivery(body)).await.unwrap().status(), 400);
}

#[tokio::test]
async fn inside_the_layer_the_event_needs_no_state() {
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
        let send = async |mut request: Request<Full<Bytes>>| {
            *request.uri_mut() = path.parse().unwrap();
            request.headers_mut().insert("content-type", "application/json".parse().unwrap());
            collect(app.clone().oneshot(request).await.unwrap()).await
        };
        let response = send(delivery(BODY)).await;
        assert_eq!((response.status().as_u16(), &response.body()[..]), (200, expected.as_bytes()), "{path}");
        assert_eq!(send(forged()).await.status(), 400, "{path}");
        assert_eq!(send(unsigned()).await.status(), 400, "{path}");
    }
}

#[tokio::test]
async fn the_smaller_of_axums_and_the_verifiers_limit_applies() {
    const LENGTH: usize = 1000;
    const MEBIBYTES: usize = 2 * 1024 * 1024;
    let limited = |bytes| Verifier::builder().secret(secret()).body_limit(bytes).build().unwrap();
    for (length, ours, theirs, fits) in [
        (LENGTH, 2 * LENGTH, Some(DefaultBodyLimit::max(LENGTH - 1)), false),
        (LENGTH, 2 * LENGTH, Some(DefaultBodyLimit::max(LENGTH)), true),
        (LENGTH, LENGTH - 1, Some(DefaultBodyLimit::max(2 * LENGTH)), false),
        (LENGTH, LENGTH, Some(DefaultBodyLimit::max(2 * LENGTH)), true),
        (LENGTH, LENGTH - 1, Some(DefaultBodyLimit::disable()), false),
        (LENGTH, LENGTH, Some(DefaultBodyLimit::disable()), true),
        // A larger limit of the verifier does not raise Axum's default.
        (MEBIBYTES, usize::MAX, None, true),
        (MEBIBYTES + 1, usize::MAX, None, false),
    ] {
        let route = Router::new().route(PATH, post(async |_: ClerkEvent| {}));
        let route = if let Some(theirs) = theirs { route.layer(theirs) } else { route };
        let app = route.with_state(limited(ours));
        let body = event_of(length);
        let framed = app.clone().oneshot(framed(&body, 16 * 1024)).await.unwrap();
        let whole = app.oneshot(delivery(body)).await.unwrap();
        for response in [framed, whole] {
            let outcome = (!fits).then_some(&Outcome::BodyTooLarge);
            assert_eq!(response.status(), if fits { 200 } else { 413 }, "ours {ours}, {theirs:?}");
            assert_eq!(response.extensions().get(), outcome, "ours {ours}, {theirs:?}");
        }
    }
}

#[tokio::test]
async fn passes_on_the_error_response_of_a_handler() {
    let failed = || {
        let mut response = Response::new(Full::<Bytes>::from("the database is down"));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
        response.headers_mut().insert("webhook-delivery", HeaderValue::from_static("abort-message"));
        response
    };
    let layer = VerifyWebhookLayer::new(verifier());
    let service = layer.clone().layer(service_fn(async |_| Ok::<_, Infallible>(failed())));
    let extractor = Router::new().route(PATH, post(async move |_: ClerkEvent| failed()));
    let route = Router::new().route(PATH, post(async move || failed()).layer(layer));
    for response in [
        collect(service.oneshot(delivery(BODY)).await.unwrap()).await,
        collect(extractor.with_state(verifier()).oneshot(delivery(BODY)).await.unwrap()).await,
        collect(route.oneshot(delivery(BODY)).await.unwrap()).await,
    ] {
        assert_eq!(response.status(), 500);
        assert_eq!(response.body(), "the database is down");
        // The handler has a verified event, so it may set the header that controls the sender's retries.
        assert_eq!(response.headers()["webhook-delivery"], "abort-message");
        assert_eq!(response.headers()[RETRY_AFTER], "30");
        assert!(response.extensions().get::<Outcome>().is_none());
        assert!(response.extensions().get::<ReceiveError>().is_none());
    }
}

#[tokio::test]
async fn debug_shows_no_secret_and_no_payload() {
    let request = delivery(PRIVATE).map(Body::new);
    let event = ClerkEvent::from_request(request, &verifier()).await.unwrap();
    assert_shows_nothing_private(&format!("{event:?}"));
    // The decoded data is not shown either.
    assert!(matches!(event.data(), EventData::UserCreated(_)));
    assert_shows_nothing_private(&format!("{event:?}"));

    let request = signed(b"another body", Body::from(PRIVATE));
    let rejection = ClerkEvent::from_request(request, &verifier()).await.unwrap_err();
    assert_shows_nothing_private(&format!("{rejection:?} {rejection} {}", rejection.body_text()));
}
