//! Rocket: guards, where they find the verifier, and who answers a rejected delivery.

use std::error::Error as _;

use clerk_webhook_core::{Answer, Outcome, ReceiveErrorKind, VerifyErrorKind};
use clerk_webhook_rocket::{
    ClerkEvent, ClerkEventError, ClerkFairing, OptionalClerkEvent, outcome, receive_error,
};
use clerk_webhook_tests::request::{BODY, verifier};
use clerk_webhook_tests::secrecy::{PRIVATE, assert_shows_nothing_private, texts};
use clerk_webhook_tests::sign;
use rocket::config::LogLevel;
use rocket::data::FromData as _;
use rocket::error::ErrorKind;
use rocket::http::{Header, Status};
use rocket::local::asynchronous::{Client, LocalRequest};
use rocket::outcome::Outcome::Error;
use rocket::{Build, Config, Request, Rocket, Route, async_trait, catch, catchers, post, route, routes};

fn build(routes: Vec<Route>) -> Rocket<Build> {
    let config = Config { log_level: LogLevel::Off, ..Config::debug_default() };
    rocket::custom(config).mount("/", routes)
}

async fn app(routes: Vec<Route>) -> Client {
    Client::untracked(build(routes).attach(ClerkFairing::new(verifier()))).await.unwrap()
}

/// Returns a request that contains one body and the signature of another.
fn signed<'c>(app: &'c Client, signed: &str, body: &str) -> LocalRequest<'c> {
    let headers = sign(signed.as_bytes()).to_pairs().into_iter();
    let request = app.post("/").body(body);
    headers.fold(request, |request, (name, value)| request.header(Header::new(name, value)))
}

fn delivery(app: &Client) -> LocalRequest<'_> {
    signed(app, BODY, BODY)
}

fn forged(app: &Client) -> LocalRequest<'_> {
    signed(app, "another body", BODY)
}

async fn assert_accepted(request: LocalRequest<'_>, body: &str) {
    let response = request.dispatch().await;
    assert_eq!(response.status(), Status::Ok);
    assert_eq!(response.into_string().await.unwrap_or_default(), body);
}

/// Compares a response with the outcome's row in the table of answers.
async fn assert_rejected(request: LocalRequest<'_>, outcome: Outcome) {
    let response = request.dispatch().await;
    let answer = Answer::from(outcome);
    assert_eq!(response.status().code, answer.status());
    assert_eq!(response.headers().get_one("content-type"), Some(answer.content_type()));
    assert_eq!(response.into_string().await.unwrap(), answer.body());
}

#[post("/", data = "<event>")]
fn event_type(event: ClerkEvent) -> String {
    event.event_type().to_string()
}

#[rocket::async_test]
async fn does_not_launch_without_a_verifier() {
    #[post("/", data = "<_event>")]
    fn optional(_event: OptionalClerkEvent) {}

    for routes in [routes![event_type], routes![optional]] {
        let error = Client::untracked(build(routes)).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::SentinelAborts(_)), "{error}");
    }
}

/// Rocket does not know the guards of a route that was written without its macros.
#[rocket::async_test]
async fn answers_misconfigured_if_such_a_route_has_no_verifier() {
    #[derive(Clone)]
    struct Guarded;

    #[async_trait]
    impl route::Handler for Guarded {
        async fn handle<'r>(&self, request: &'r Request<'_>, data: rocket::Data<'r>) -> route::Outcome<'r> {
            // Rocket would convert a panic into a response with the expected status.
            route::Outcome::Error(match ClerkEvent::from_data(request, data).await {
                Error((status, error)) if error.kind() == ReceiveErrorKind::Misconfigured => status,
                _ => Status::ImATeapot,
            })
        }
    }

    let route = Route::new(rocket::http::Method::Post, "/", Guarded);
    let app = Client::untracked(build(vec![route])).await.unwrap();
    assert_eq!(delivery(&app).dispatch().await.status(), Status::InternalServerError);
}

#[rocket::async_test]
async fn without_the_fairing_a_catcher_or_the_handler_answers() {
    #[catch(400)]
    fn caught(request: &Request<'_>) -> String {
        format!("{} {}", outcome(request).unwrap(), receive_error(request).unwrap())
    }

    #[post("/handler", data = "<event>")]
    fn handler(event: Result<ClerkEvent, ClerkEventError>) -> (Status, &'static str) {
        let Err(error) = event else { return (Status::Ok, "accepted") };
        assert_eq!(error.kind(), ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature));
        assert_eq!(error.outcome(), Outcome::InvalidSignature);
        // The text does not repeat its source's text.
        assert_eq!(error.to_string(), "the delivery could not be verified");
        let source = error.source().unwrap().to_string();
        assert!(source.starts_with("no signature in svix-signature matches"), "{source}");
        (Status::Unauthorized, "rejected by the handler")
    }

    let rocket = build(routes![event_type, handler]).manage(verifier()).register("/", catchers![caught]);
    let app = Client::untracked(rocket).await.unwrap();
    assert_accepted(delivery(&app), "user.deleted").await;
    let response = forged(&app).dispatch().await;
    assert_eq!(response.status(), Status::BadRequest);
    let expected = "invalid_signature the delivery could not be verified";
    assert_eq!(response.into_string().await.as_deref(), Some(expected));

    let mut request = forged(&app);
    request.set_uri(rocket::uri!("/handler"));
    assert_eq!(request.dispatch().await.status(), Status::Unauthorized);
}

/// Over a socket, Rocket waits for the body before it calls the guard.
#[rocket::async_test]
async fn rejects_a_content_length_above_the_limit() {
    let app = app(routes![event_type]).await;
    let request = delivery(&app).header(Header::new("content-length", "2097153"));
    assert_rejected(request, Outcome::BodyTooLarge).await;
}

#[rocket::async_test]
async fn the_fairing_replaces_every_response_to_a_rejected_delivery() {
    #[post("/", data = "<event>")]
    fn handler(event: Result<ClerkEvent, ClerkEventError>) -> Status {
        if event.is_ok() { Status::Ok } else { Status::Accepted }
    }

    let app = app(routes![handler]).await;
    assert_accepted(delivery(&app), "").await;
    assert_rejected(forged(&app), Outcome::InvalidSignature).await;
}

#[rocket::async_test]
async fn an_optional_event_is_none_only_without_signature_headers() {
    #[post("/", data = "<event>")]
    fn handler(event: OptionalClerkEvent) -> String {
        event.0.map_or_else(|| "none".to_owned(), |event| event.event_type().to_string())
    }

    let app = app(routes![handler]).await;
    assert_accepted(app.post("/").body(BODY), "none").await;
    assert_accepted(delivery(&app), "user.deleted").await;
    assert_rejected(forged(&app), Outcome::InvalidSignature).await;
    for name in ["svix-id", "svix-timestamp", "svix-signature", "webhook-id"] {
        assert_rejected(app.post("/").body(BODY).header(Header::new(name, "")), Outcome::MissingHeader).await;
    }
}

/// If this test fails, Rocket has changed. Update the documentation of `ClerkEvent` and the guide.
#[rocket::async_test]
async fn option_clerk_event_is_none_for_a_forged_delivery() {
    #[post("/", data = "<event>")]
    fn handler(event: Option<ClerkEvent>) -> &'static str {
        if event.is_some() { "some" } else { "none" }
    }

    let rocket = build(routes![handler]).manage(verifier());
    let app = Client::untracked(rocket).await.unwrap();
    assert_accepted(delivery(&app), "some").await;
    assert_accepted(forged(&app), "none").await;
}

#[rocket::async_test]
async fn debug_shows_no_secret_and_no_payload() {
    #[post("/", data = "<event>")]
    fn handler(event: Result<ClerkEvent, ClerkEventError>) -> String {
        match event {
            Ok(event) => format!("{event:?} {:?}", OptionalClerkEvent(Some(event.0.clone()))),
            Err(error) => format!("{error:?} {}", texts(&error)),
        }
    }

    assert_shows_nothing_private(&format!("{:?}", ClerkFairing::new(verifier())));
    let app = Client::untracked(build(routes![handler]).manage(verifier())).await.unwrap();
    for request in [signed(&app, PRIVATE, PRIVATE), signed(&app, "another body", PRIVATE)] {
        let text = request.dispatch().await.into_string().await.unwrap();
        assert!(!text.is_empty());
        assert_shows_nothing_private(&text);
    }
}
