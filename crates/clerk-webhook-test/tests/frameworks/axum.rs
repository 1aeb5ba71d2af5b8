//! Deliveries as requests of the crate http reach axum, and Tower services with a body type of their own.
#![expect(clippy::unwrap_used, reason = "it fails where a test shall fail")]

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
async fn every_fixture_is_accepted() {
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
async fn what_breaks_a_delivery_arrives_too() {
    let right = || Delivery::of(fixture::user_created());
    for broken in super::broken().into_iter().chain([right().repeated("svix-id")]) {
        assert_eq!(status(&broken).await, 400, "{broken:?}");
    }
    assert_eq!(status(&right().header("content-length", "3000000")).await, 413);
    assert_eq!(status(&right().path("/hooks?from=test")).await, 200);
    assert_eq!(status(&right().path("/elsewhere")).await, 404);
}

#[tokio::test]
async fn a_service_gets_the_body_that_it_wants() {
    let echo =
        service_fn(async |request: Request<Body>| Ok::<_, Infallible>(Response::new(request.into_body())));
    let delivery = Delivery::of(fixture::user_created());
    let response = echo.oneshot((&delivery).into()).await.unwrap();
    assert_eq!(axum::body::to_bytes(response.into_body(), 100_000).await.unwrap(), delivery.body());
}

#[test]
fn a_request_is_what_the_delivery_says() {
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

/// Every path that is taken can be sent to.
#[test]
fn every_legal_path_is_one_for_a_request() {
    let legal = "-._~!$&'()*+,;=:@/?%09AZaz";
    for path in ["/", "//", "/?", "/a//b/", "/%", &format!("/{legal}"), &format!("/{}", "a".repeat(7999))] {
        assert_eq!(Delivery::of_body("").path(path).http_request().uri().to_string(), path);
    }
}
