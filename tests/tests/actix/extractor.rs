//! Handler arguments, and where the extractor finds the verifier.

use std::error::Error as _;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::test::init_service;
use actix_web::{App, FromRequest as _, HttpRequest, HttpResponse, ResponseError as _, web};
use clerk_webhook_actix::{ClerkEvent, ClerkEventError, OptionalClerkEvent, VerifyWebhook};
use clerk_webhook_core::{Outcome, ReceiveErrorKind, Verifier, VerifyErrorKind};
use clerk_webhook_tests::OTHER_SECRET;
use clerk_webhook_tests::request::{BODY, PATH, verifier};
use clerk_webhook_tests::secrecy::{PRIVATE, assert_shows_nothing_private};

use super::support::{app, delivery, forged, send, unsigned};

async fn event_type(ClerkEvent(event): ClerkEvent) -> String {
    event.event_type().to_string()
}

/// Returns deliveries that lack one header, and requests that have only one, which is empty.
fn partial() -> Vec<actix_http::Request> {
    let names = ["svix-id", "svix-timestamp", "svix-signature"];
    let without = names.map(|name| {
        let mut request = delivery(BODY).to_request();
        request.headers_mut().remove(name);
        request
    });
    let alone = ["svix-id", "svix-signature", "webhook-id"]
        .map(|name| unsigned().insert_header((name, "")).to_request());
    without.into_iter().chain(alone).collect()
}

#[actix_web::test]
async fn finds_the_verifier_in_the_app_the_scope_or_the_resource() {
    let other = || Verifier::new(OTHER_SECRET).unwrap();
    let app = app!(event_type, web::Data::new(verifier()));
    send(&app, delivery(BODY).to_request()).await.assert_accepted("user.deleted");
    // The closest verifier applies, as with all application data in Actix.
    let route = || web::post().to(event_type);
    let scope = web::scope("/webhooks").app_data(verifier()).route("/clerk", route());
    let app = init_service(App::new().app_data(other()).service(scope)).await;
    send(&app, delivery(BODY).to_request()).await.assert_accepted("user.deleted");
    let resource = web::resource(PATH).app_data(verifier()).route(route());
    let app = init_service(App::new().app_data(other()).service(resource)).await;
    send(&app, delivery(BODY).to_request()).await.assert_accepted("user.deleted");
    let app = app!(event_type, other());
    send(&app, delivery(BODY).to_request()).await.assert_rejected(Outcome::InvalidSignature);
}

#[actix_web::test]
async fn answers_misconfigured_without_a_verifier() {
    let app = app!(event_type);
    for request in [delivery(BODY), forged(), unsigned()] {
        let reply = send(&app, request.to_request()).await;
        reply.assert_rejected(Outcome::Misconfigured);
        assert_eq!(reply.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(reply.kind, Some(ReceiveErrorKind::Misconfigured));
    }
}

#[actix_web::test]
async fn a_handler_can_extract_the_error() {
    async fn handler(event: Result<ClerkEvent, ClerkEventError>) -> HttpResponse {
        let error = match event {
            Ok(event) => return HttpResponse::Ok().body(event.event_type().to_string()),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature));
        assert_eq!(error.outcome(), Outcome::InvalidSignature);
        assert_eq!(error.status_code(), StatusCode::BAD_REQUEST);
        // The text does not repeat its source's text.
        assert_eq!(error.to_string(), "the delivery could not be verified");
        let source = error.source().unwrap().to_string();
        assert!(source.starts_with("no signature in svix-signature matches"), "{source}");
        HttpResponse::Unauthorized().body("rejected by the handler")
    }

    let app = app!(handler, verifier());
    send(&app, delivery(BODY).to_request()).await.assert_accepted("user.deleted");
    let reply = send(&app, forged().to_request()).await;
    assert_eq!((reply.status, &reply.body[..]), (StatusCode::UNAUTHORIZED, &b"rejected by the handler"[..]));
}

#[actix_web::test]
async fn an_optional_event_is_none_only_without_signature_headers() {
    let handler = async |OptionalClerkEvent(event): OptionalClerkEvent| match event {
        Some(event) => event.event_type().to_string(),
        None => "none".to_owned(),
    };
    let app = app!(handler, verifier());
    send(&app, unsigned().to_request()).await.assert_accepted("none");
    send(&app, delivery(BODY).to_request()).await.assert_accepted("user.deleted");
    send(&app, forged().to_request()).await.assert_rejected(Outcome::InvalidSignature);
    for request in partial() {
        send(&app, request).await.assert_rejected(Outcome::MissingHeader);
    }
}

#[actix_web::test]
async fn an_optional_event_leaves_an_unsigned_body_to_the_next_extractor() {
    let handler = async |OptionalClerkEvent(event): OptionalClerkEvent, body: String| {
        assert!(event.is_none());
        body
    };
    send(&app!(handler, verifier()), unsigned().to_request()).await.assert_accepted(BODY);
}

/// If this test fails, Actix has changed. Update the documentation of `ClerkEvent` and the guide.
#[actix_web::test]
async fn option_clerk_event_is_none_for_a_forged_delivery() {
    let handler = async |event: Option<ClerkEvent>| if event.is_some() { "some" } else { "none" };
    let app = app!(handler, verifier());
    send(&app, delivery(BODY).to_request()).await.assert_accepted("some");
    send(&app, forged().to_request()).await.assert_accepted("none");
}

#[actix_web::test]
async fn works_with_other_extractors() {
    let handler = async |name: web::Data<String>, request: HttpRequest, event: ClerkEvent| {
        format!("{} {} {}", name.as_str(), request.path(), event.event_type())
    };
    let app = app!(handler, verifier(), web::Data::new("application".to_owned()));
    let expected = format!("application {PATH} user.deleted");
    send(&app, delivery(BODY).to_request()).await.assert_accepted(&expected);
    send(&app, forged().to_request()).await.assert_rejected(Outcome::InvalidSignature);
}

#[actix_web::test]
async fn debug_shows_no_secret_and_no_payload() {
    let middleware = format!("{:?}", VerifyWebhook::new(verifier()));
    assert!(middleware.starts_with("VerifyWebhook { verifier: Verifier"), "{middleware}");
    assert_shows_nothing_private(&middleware);
    let (request, mut payload) = delivery(PRIVATE).app_data(verifier()).to_http_parts();
    let event = OptionalClerkEvent::from_request(&request, &mut payload).await.unwrap();
    assert!(matches!(payload, Payload::None));
    assert_shows_nothing_private(&format!("{event:?} {:?}", ClerkEvent(event.0.clone().unwrap())));

    let forged = forged().set_payload(PRIVATE).app_data(verifier());
    let (request, mut payload) = forged.to_http_parts();
    let error = ClerkEvent::from_request(&request, &mut payload).await.unwrap_err();
    assert_shows_nothing_private(&format!("{error:?} {error}"));
}
