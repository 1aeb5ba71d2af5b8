//! Requests that reach a handler through the middleware.

use std::future::poll_fn;
use std::pin::Pin;

use actix_web::http::StatusCode;
use actix_web::middleware::{Compress, Logger, NormalizePath};
use actix_web::test::init_service;
use actix_web::{App, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use clerk_webhook_actix::{ClerkEvent, OptionalClerkEvent, VerifyWebhook};
use clerk_webhook_core::{
    Event, EventType, Outcome, ReceiveError, ReceiveErrorKind, Verifier, VerifyErrorKind,
};
use clerk_webhook_tests::request::{BODY, PATH, verifier};
use clerk_webhook_tests::{OTHER_SECRET, fixture};
use futures_core::Stream as _;
use serde_json::Value;

use super::support::{delivery, forged, frames, head, send, streamed, unsigned};

/// Wraps a route with the middleware.
macro_rules! verified {
    ($route:expr) => {
        web::resource(PATH).route($route).wrap(VerifyWebhook::new(verifier()))
    };
}

#[actix_web::test]
async fn every_extractor_receives_the_verified_bytes() {
    async fn bytes(event: web::ReqData<Event>, body: Bytes) -> Bytes {
        assert_eq!(event.raw_body(), &body);
        body
    }

    async fn text(body: String) -> String {
        body
    }

    async fn json(body: web::Json<Value>) -> String {
        assert_eq!(body["data"]["id"], "user_1");
        BODY.to_owned()
    }

    async fn stream(event: web::ReqData<Event>, mut body: web::Payload) -> Bytes {
        let frame = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await.unwrap().unwrap();
        // The bytes are not copied.
        assert_eq!(event.raw_body().as_ptr(), frame.as_ptr());
        assert!(poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await.is_none());
        frame
    }

    async fn event_first(event: ClerkEvent, body: Bytes) -> Bytes {
        assert_eq!(event.raw_body(), &body);
        body
    }

    async fn event_last(body: web::Json<Value>, event: ClerkEvent) -> Bytes {
        assert_eq!(body["data"]["id"], "user_1");
        event.raw_body().clone()
    }

    async fn event_between(event: OptionalClerkEvent, body: String, same: ClerkEvent) -> String {
        assert_eq!(event.0.unwrap().raw_body(), same.raw_body());
        body
    }

    async fn event(ClerkEvent(event): ClerkEvent, OptionalClerkEvent(same): OptionalClerkEvent) -> Bytes {
        assert_eq!(event.event_type(), &EventType::UserDeleted);
        assert_eq!(same.unwrap().raw_body().as_ptr(), event.raw_body().as_ptr());
        event.raw_body().clone()
    }

    for route in [
        || web::post().to(bytes),
        || web::post().to(text),
        || web::post().to(json),
        || web::post().to(stream),
        || web::post().to(event),
        || web::post().to(event_first),
        || web::post().to(event_last),
        || web::post().to(event_between),
    ] {
        let app = init_service(App::new().service(verified!(route()))).await;
        let json = |request: actix_web::test::TestRequest| {
            request.insert_header(("content-type", "application/json"))
        };
        send(&app, json(delivery(BODY)).to_request()).await.assert_accepted(BODY);
        for size in [1, 7, BODY.len()] {
            let request = streamed(json(head(BODY.as_bytes())), frames(BODY.as_bytes(), size), None);
            send(&app, request).await.assert_accepted(BODY);
        }
        send(&app, json(forged()).to_request()).await.assert_rejected(Outcome::InvalidSignature);
        send(&app, json(unsigned()).to_request()).await.assert_rejected(Outcome::MissingHeader);
    }
}

#[actix_web::test]
async fn the_extractor_does_not_verify_a_second_time() {
    // The application's verifier would reject the delivery.
    let other = Verifier::new(OTHER_SECRET).unwrap();
    let handler = async |event: Result<ClerkEvent, clerk_webhook_actix::ClerkEventError>| {
        format!("{:?}", event.unwrap().raw_body().as_ptr())
    };
    let app = App::new().app_data(other).service(verified!(web::post().to(handler)));
    let app = init_service(app).await;
    let body = Bytes::from(fixture("user.created"));
    // A body of one frame is not copied either.
    let same = format!("{:?}", body.as_ptr());
    send(&app, delivery(body).to_request()).await.assert_accepted(&same);
    send(&app, forged().to_request()).await.assert_rejected(Outcome::InvalidSignature);
}

#[actix_web::test]
async fn on_refusal_replaces_the_answer_and_keeps_the_error() {
    let middleware = VerifyWebhook::new(verifier())
        .on_refusal(|error: &ReceiveError| HttpResponse::Unauthorized().body(error.to_string()));
    let resource = web::resource(PATH).route(web::post().to(async || "called")).wrap(middleware);
    let app = init_service(App::new().service(resource)).await;
    let reply = send(&app, forged().to_request()).await;
    assert_eq!(
        (reply.status, &reply.body[..]),
        (StatusCode::UNAUTHORIZED, &b"the delivery could not be verified"[..])
    );
    assert_eq!(reply.kind, Some(ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature)));
    assert_eq!(reply.outcome, Some(Outcome::InvalidSignature));
    send(&app, delivery(BODY).to_request()).await.assert_accepted("called");
}

#[actix_web::test]
async fn can_be_combined_with_other_middleware_on_a_scope() {
    // The inner middleware needs exclusive access to the request, so the layer must not hold a clone of it.
    let scope = web::scope("/webhooks")
        .route(
            "/{name}",
            web::post().to(async |request: HttpRequest, event: ClerkEvent| {
                format!("{} {}", &request.match_info()["name"], event.event_type())
            }),
        )
        .wrap(NormalizePath::trim())
        .wrap(VerifyWebhook::new(verifier()))
        .wrap(Compress::default())
        .wrap(Logger::default());
    let app = init_service(App::new().service(scope)).await;
    send(&app, delivery(BODY).to_request()).await.assert_accepted("clerk user.deleted");
    send(&app, delivery(BODY).uri("/webhooks/clerk/").to_request())
        .await
        .assert_accepted("clerk user.deleted");
    send(&app, forged().to_request()).await.assert_rejected(Outcome::InvalidSignature);
}
