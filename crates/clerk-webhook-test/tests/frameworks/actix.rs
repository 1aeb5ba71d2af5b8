//! Tests `Delivery::actix_request` with an Actix application.

use actix_web::test::{call_and_read_body, call_service, init_service};
use actix_web::{App, web};
use clerk_webhook_actix::ClerkEvent;
use clerk_webhook_core::Verifier;
use clerk_webhook_test::{
    Delivery, SECRET,
    fixture::{self, AnyFixture},
};

async fn webhook(ClerkEvent(event): ClerkEvent) -> String {
    event.event_type().to_string()
}

/// Creates the application. A macro, because the application's type cannot be named.
macro_rules! app {
    () => {
        init_service(
            App::new()
                .app_data(Verifier::new(SECRET).unwrap())
                .route("/webhooks/clerk", web::post().to(webhook))
                .route("/hooks", web::post().to(webhook)),
        )
        .await
    };
}

#[actix_web::test]
async fn accepts_every_fixture() {
    let app = app!();
    for fixture in AnyFixture::all() {
        let request = Delivery::of(fixture).actix_request().to_request();
        assert_eq!(call_and_read_body(&app, request).await, fixture.event_type().as_str(), "{fixture:?}");
    }
}

#[actix_web::test]
async fn rejects_broken_deliveries() {
    let app = app!();
    let right = || Delivery::of(fixture::user_created());
    for broken in super::broken().into_iter().chain([right().repeated("svix-id")]) {
        let request = broken.actix_request().to_request();
        assert_eq!(call_service(&app, request).await.status(), 400, "{broken:?}");
    }
    for (path, status) in [("/hooks?from=test", 200), ("/elsewhere", 404)] {
        let request = right().path(path).actix_request().to_request();
        assert_eq!(call_service(&app, request).await.status(), status);
    }
}

#[actix_web::test]
async fn the_request_has_the_headers_and_body_of_the_delivery() {
    let delivery = Delivery::of(fixture::user_created()).header("X-Test", "1").repeated("svix-id");
    let mut request = delivery.actix_request().to_srv_request();
    assert_eq!((request.method().as_str(), request.path()), ("POST", "/webhooks/clerk"));
    assert_eq!(request.headers().get_all("svix-id").count(), 2);
    assert_eq!(request.headers().get("x-test").unwrap(), "1");
    // `set_payload` adds a Content-Length.
    assert_eq!(request.headers().len(), delivery.headers().len() + 1);
    assert_eq!(request.extract::<web::Bytes>().await.unwrap(), delivery.body());
}

#[actix_web::test]
async fn an_explicit_content_length_replaces_the_actual_one() {
    let delivery = Delivery::of(fixture::user_created()).header("Content-Length", "3000000");
    let request = delivery.actix_request().to_srv_request();
    let lengths: Vec<_> = request.headers().get_all("content-length").collect();
    assert_eq!(lengths, ["3000000"]);
    let app = app!();
    assert_eq!(call_service(&app, delivery.actix_request().to_request()).await.status(), 413);
}
