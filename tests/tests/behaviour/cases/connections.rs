//! Several requests on one connection, and several connections.

use bytes::Bytes;
use clerk_webhook_core::{Outcome, Timestamp};
use clerk_webhook_tests::{event_of, fixture};

use super::super::case::Case;
use super::super::stacks::Setup::{SmallLimit, Standard};
use super::super::wire_request::{BODY, WireRequest};

pub fn cases() -> Vec<Case> {
    [sequential(), pipelined(), many()].into_iter().flatten().collect()
}

/// After each kind of answer, the server can read the next request on the same connection.
fn sequential() -> Vec<Case> {
    const UNREAD: &str = "the next request after a rejection that left the body unread";
    let good = WireRequest::of(BODY);
    let user = WireRequest::of(fixture("user.created"));
    let forged = WireRequest::of("{}").with_body(BODY);
    let stale = WireRequest::at(Timestamp::from_secs(Timestamp::now().as_secs() - 600), BODY);
    let large = WireRequest::of(event_of(1001));
    let small = |name: &str| Case::new(SmallLimit, format!("the next request after {name}"));
    let usual = |name: &str| Case::new(Standard, format!("the next request after {name}"));
    vec![
        usual("accepted deliveries")
            .accepts(&good)
            .accepts(&user)
            .accepts_as(user.chunked(7), &user)
            .accepts(&good),
        usual("a forged delivery").rejects(&forged, Outcome::InvalidSignature).accepts(&good),
        usual("a forged delivery in chunks")
            .rejects_as(forged.chunked(7), Outcome::InvalidSignature)
            .accepts(&good),
        usual("a body that is not an event")
            .rejects(&WireRequest::of("hello"), Outcome::NotAnEvent)
            .accepts(&good),
        usual("an unsigned request without a body")
            .rejects(&WireRequest::unsigned(""), Outcome::MissingHeader)
            .accepts(&good),
        usual("an unsigned request")
            .kind(UNREAD)
            .rejects(&WireRequest::unsigned(BODY), Outcome::MissingHeader)
            .accepts(&good),
        usual("an unsigned request in chunks")
            .rejects_as(WireRequest::unsigned(BODY).chunked(500), Outcome::MissingHeader)
            .accepts(&good),
        usual("an expired timestamp").kind(UNREAD).rejects(&stale, Outcome::ExpiredTimestamp).accepts(&good),
        small("a body that is too large").kind(UNREAD).rejects(&large, Outcome::BodyTooLarge).accepts(&good),
        small("a chunked body that is too large")
            .rejects_as(large.chunked(1001), Outcome::BodyTooLarge)
            .accepts(&good),
        usual("several kinds of requests")
            .accepts(&good)
            .rejects(&forged, Outcome::InvalidSignature)
            .rejects(&WireRequest::of("[]"), Outcome::NotAnEvent)
            .rejects_as(forged.chunked(500), Outcome::InvalidSignature)
            .accepts(&user),
    ]
}

/// Several requests in one write.
fn pipelined() -> Vec<Case> {
    let (good, forged) = (WireRequest::of(BODY), WireRequest::of("{}").with_body(BODY));
    let last = WireRequest::of(fixture("user.created"));
    let at_once = |name: &str, requests: [Vec<u8>; 3]| {
        Case::new(Standard, name)
            .write(Bytes::from(requests.concat()))
            .accepted(&good)
            .rejected(Outcome::InvalidSignature)
            .accepted(&last)
    };
    vec![
        at_once(
            "three requests in one write",
            [good.with_length(), forged.with_length(), last.with_length()],
        ),
        at_once(
            "three chunked requests in one write",
            [good.chunked(7), forged.chunked(7), last.chunked(500)],
        ),
    ]
}

fn many() -> Vec<Case> {
    const CONNECTIONS: usize = 200;
    let mut clients = (0..CONNECTIONS).map(|number| {
        let body = format!(r#"{{"data":{{"number":{number}}},"type":"test"}}"#);
        let (first, second) = (WireRequest::of(body.clone()), WireRequest::of(body.clone()));
        let forged = WireRequest::of(BODY).with_body(body.clone());
        let case = Case::new(Standard, format!("{CONNECTIONS} concurrent connections"));
        case.accepts(&first)
            .rejects(&forged, Outcome::InvalidSignature)
            .accepts_as(second.chunked(1 + number % 50), &second)
            .rejects_as(forged.chunked(10), Outcome::InvalidSignature)
            .write([first.with_length(), forged.with_length()].concat())
            .accepted(&first)
            .rejected(Outcome::InvalidSignature)
    });
    let first = clients.next().unwrap();
    vec![clients.fold(first, Case::concurrently_with)]
}
