//! Tests `Delivery::http_request` with Axum, and conversions for Tower services with other body types.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use bytes::Bytes;
use clerk_webhook_axum::ClerkEvent;
use clerk_webhook_core::HeaderFamily;
use clerk_webhook_core::Verifier;
use clerk_webhook_test::{
    Delivery, SECRET,
    fixture::{self, AnyFixture},
};
use http::{Method, Request, Response};
use http_body_util::Full;
use tower::{ServiceExt as _, service_fn};

fn app() -> Router {
    async fn webhook(ClerkEvent(event): ClerkEvent) -> String {
        event.event_type().to_string()
    }
    let verifier = Verifier::new(SECRET).unwrap();
    Router::new().route("/webhooks/clerk", post(webhook)).route("/hooks", post(webhook)).with_state(verifier)
}

async fn status(delivery: &Delivery) -> u16 {
    app().oneshot(delivery.http_request()).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn accepts_every_fixture() {
    for fixture in AnyFixture::all() {
        let delivery = Delivery::of(fixture);
        let response = app().oneshot(delivery.http_request()).await.unwrap();
        assert_eq!(response.status(), 200, "{fixture:?}");
        let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
        assert_eq!(body, fixture.event_type().as_str());
        assert_eq!(status(&delivery.header_family(HeaderFamily::Webhook)).await, 200);
    }
}

#[tokio::test]
async fn rejects_broken_deliveries() {
    let right = || Delivery::of(fixture::user_created());
    for broken in super::broken().into_iter().chain([right().repeated("svix-id")]) {
        assert_eq!(status(&broken).await, 400, "{broken:?}");
    }
    assert_eq!(status(&right().header("content-length", "3000000")).await, 413);
    assert_eq!(status(&right().path("/hooks?from=test")).await, 200);
    assert_eq!(status(&right().path("/elsewhere")).await, 404);
}

#[tokio::test]
async fn converts_into_a_request_with_another_body_type() {
    let echo =
        service_fn(async |request: Request<Body>| Ok::<_, Infallible>(Response::new(request.into_body())));
    let delivery = Delivery::of(fixture::user_created());
    let response = echo.oneshot((&delivery).into()).await.unwrap();
    assert_eq!(axum::body::to_bytes(response.into_body(), 100_000).await.unwrap(), delivery.body());
}

#[test]
fn the_request_has_the_headers_and_body_of_the_delivery() {
    let delivery = Delivery::of(fixture::user_created()).header("X-Test", "1").repeated("svix-id");
    let request = Request::<Bytes>::from(&delivery);
    assert_eq!((request.method(), request.uri().path()), (&Method::POST, "/webhooks/clerk"));
    assert_eq!(request.headers()["content-type"], "application/json");
    assert_eq!(request.headers()["x-test"], "1");
    assert_eq!(request.headers().get_all("svix-id").iter().count(), 2);
    assert_eq!(request.headers().len(), delivery.headers().len());
    assert_eq!(*request.body(), delivery.body());
    let _: Request<Full<Bytes>> = delivery.into();
}

#[test]
fn builds_a_request_for_every_valid_path() {
    let legal = "-._~!$&'()*+,;=:@/?%09AZaz";
    for path in ["/", "//", "/?", "/a//b/", "/%", &format!("/{legal}"), &format!("/{}", "a".repeat(7999))] {
        assert_eq!(Delivery::of_body("").path(path).http_request().uri().to_string(), path);
    }
}
