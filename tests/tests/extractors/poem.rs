//! Poem: the arguments of handlers, and where the extractor finds the verifier.

use std::error::Error as _;

use clerk_webhook_core::{Answer, Event, Outcome, ReceiveError, ReceiveErrorKind, Verifier, VerifyErrorKind};
use clerk_webhook_poem::{ClerkEndpoint, ClerkEvent, ClerkEventError, OptionalClerkEvent};
use clerk_webhook_tests::request::{BODY, verifier};
use clerk_webhook_tests::secrecy::{PRIVATE, assert_shows_nothing_private, texts};
use clerk_webhook_tests::{OTHER_SECRET, sign};
use poem::error::ResponseError as _;
use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt as _, FromRequest as _, Request, Response, Route, handler};

fn unsigned(body: &str) -> Request {
    Request::builder().body(body.to_owned())
}

/// Returns a request that contains one body and the signature of another.
fn signed(signed: &str, body: &str) -> Request {
    let mut request = unsigned(body);
    *request.headers_mut() = http::HeaderMap::from(&sign(signed.as_bytes()));
    request
}

fn delivery() -> Request {
    signed(BODY, BODY)
}

fn forged() -> Request {
    signed("another body", BODY)
}

async fn assert_accepted(app: &impl Endpoint, request: Request, body: &str) {
    let response = app.get_response(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().into_string().await.unwrap(), body);
}

/// Compares a response with the outcome's row in the table of answers, and checks the extensions.
async fn assert_rejected(app: &impl Endpoint, request: Request, outcome: Outcome) {
    let response: Response = app.get_response(request).await;
    let answer = Answer::from(outcome);
    assert_eq!(response.status().as_u16(), answer.status(), "{response:?}");
    assert_eq!(response.data::<Outcome>(), Some(&outcome));
    assert_eq!(Answer::from(response.data::<ReceiveError>().unwrap()).outcome(), outcome);
    assert_eq!(response.into_body().into_string().await.unwrap(), answer.body());
}

#[handler]
fn event_type(ClerkEvent(event): ClerkEvent) -> String {
    event.event_type().to_string()
}

#[tokio::test]
async fn finds_the_verifier_that_is_closest_to_the_route() {
    let other = Verifier::new(OTHER_SECRET).unwrap();
    let app = Route::new().at("/", event_type.data(verifier())).data(other.clone());
    assert_accepted(&app, delivery(), "user.deleted").await;
    let app = Route::new().at("/", event_type.data(other)).data(verifier());
    assert_rejected(&app, delivery(), Outcome::InvalidSignature).await;
}

#[tokio::test]
async fn answers_misconfigured_without_a_verifier() {
    for request in [delivery(), forged(), unsigned(BODY)] {
        assert_rejected(&event_type, request, Outcome::Misconfigured).await;
    }
}

#[tokio::test]
async fn answers_misconfigured_if_an_earlier_extractor_has_taken_the_body() {
    #[handler]
    fn taken(_body: String, event: ClerkEvent) -> String {
        event.event_type().to_string()
    }

    assert_rejected(&taken.data(verifier()), delivery(), Outcome::Misconfigured).await;
}

#[tokio::test]
async fn a_handler_can_extract_the_error() {
    #[handler]
    fn handler(event: poem::Result<ClerkEvent>) -> (StatusCode, &'static str) {
        let Err(error) = event else { return (StatusCode::OK, "accepted") };
        let error: &ClerkEventError = error.downcast_ref().unwrap();
        assert_eq!(error.kind(), ReceiveErrorKind::Verify(VerifyErrorKind::NoMatchingSignature));
        assert_eq!(error.outcome(), Outcome::InvalidSignature);
        // `poem::Error` calls only `as_response`.
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
        // The text does not repeat its source's text.
        assert_eq!(error.to_string(), "the delivery could not be verified");
        let source = error.source().unwrap().to_string();
        assert!(source.starts_with("no signature in svix-signature matches"), "{source}");
        (StatusCode::UNAUTHORIZED, "rejected by the handler")
    }

    let app = handler.data(verifier());
    assert_accepted(&app, delivery(), "accepted").await;
    assert_eq!(app.get_response(forged()).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_optional_event_is_none_only_without_signature_headers() {
    #[handler]
    fn handler(OptionalClerkEvent(event): OptionalClerkEvent, body: poem::Result<String>) -> String {
        event.map_or_else(|| format!("none, {}", body.unwrap()), |event| event.event_type().to_string())
    }

    let app = handler.data(verifier());
    // The next extractor can read an unsigned body.
    assert_accepted(&app, unsigned("text"), "none, text").await;
    assert_accepted(&app, delivery(), "user.deleted").await;
    assert_rejected(&app, forged(), Outcome::InvalidSignature).await;
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        let mut request = delivery();
        request.headers_mut().remove(name);
        assert_rejected(&app, request, Outcome::MissingHeader).await;
    }
}

/// If this test fails, Poem has changed. Update the documentation of `ClerkEvent` and the guide.
#[tokio::test]
async fn option_clerk_event_is_none_for_a_forged_delivery() {
    #[handler]
    fn handler(event: Option<ClerkEvent>) -> &'static str {
        if event.is_some() { "some" } else { "none" }
    }

    let app = handler.data(verifier());
    assert_accepted(&app, delivery(), "some").await;
    assert_accepted(&app, forged(), "none").await;
}

#[tokio::test]
async fn debug_shows_no_secret_and_no_payload() {
    let endpoint = ClerkEndpoint::new(verifier(), async |_: Event| ());
    assert!(format!("{endpoint:?}").starts_with("ClerkEndpoint {"), "{endpoint:?}");
    let (request, mut body) = signed("another body", PRIVATE).split();
    let without_verifier = OptionalClerkEvent::from_request(&request, &mut body).await.unwrap_err();
    let rejected = endpoint.call(signed("another body", PRIVATE)).await.unwrap_err();
    let error: &ClerkEventError = rejected.downcast_ref().unwrap();
    assert_shows_nothing_private(&format!("{endpoint:?} {without_verifier:?} {rejected:?} {}", texts(error)));
    let (mut request, mut body) = signed(PRIVATE, PRIVATE).split();
    request.set_data(verifier());
    let event = OptionalClerkEvent::from_request(&request, &mut body).await.unwrap();
    assert_shows_nothing_private(&format!("{event:?} {:?}", ClerkEvent(event.0.clone().unwrap())));
}
