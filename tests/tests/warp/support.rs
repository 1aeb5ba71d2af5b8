//! Sends deliveries to a filter.

use bytes::Bytes;
use clerk_webhook_core::{Answer, Event, Outcome, ReceiveError, Timestamp};
use clerk_webhook_tests::request::{BODY, PATH};
use clerk_webhook_tests::{message_id, secret, sign};
use http::Response;
use warp::test::RequestBuilder;

/// Returns a request with the headers for a body, but without the body.
pub fn head(signed: &[u8]) -> RequestBuilder {
    let request = warp::test::request().method("POST").path(PATH);
    sign(signed).to_pairs().into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

pub fn delivery(body: &str) -> RequestBuilder {
    head(body.as_bytes()).body(body)
}

pub fn forged() -> RequestBuilder {
    head(b"another body").body(BODY)
}

/// Returns a request whose headers show an expired timestamp.
pub fn stale() -> RequestBuilder {
    let signed = secret().sign(&message_id(), Timestamp::from_secs(0), BODY.as_bytes());
    let pairs = signed.to_pairs();
    pairs.into_iter().fold(unsigned(), |request, (name, value)| request.header(name, value))
}

pub fn unsigned() -> RequestBuilder {
    warp::test::request().method("POST").path(PATH).body(BODY)
}

pub fn event_type(event: Event) -> String {
    event.event_type().to_string()
}

#[track_caller]
pub fn assert_accepted(response: &Response<Bytes>, body: &str) {
    assert_eq!((response.status().as_u16(), &response.body()[..]), (200, body.as_bytes()));
}

/// Compares a response with the outcome's row in the table of answers, and checks the extensions.
#[track_caller]
pub fn assert_rejected(response: &Response<Bytes>, outcome: Outcome) {
    let answer = Answer::from(outcome);
    assert_eq!(response.status().as_u16(), answer.status(), "{response:?}");
    assert_eq!(response.headers()["content-type"], answer.content_type());
    assert_eq!(response.body(), answer.body());
    assert_eq!(response.extensions().get(), Some(&outcome));
    let error = response.extensions().get::<ReceiveError>().unwrap();
    assert_eq!(Answer::from(error).outcome(), outcome);
}
