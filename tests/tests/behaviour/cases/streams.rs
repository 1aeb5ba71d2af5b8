//! Requests over HTTP/2.

use clerk_webhook_core::Outcome;
use clerk_webhook_tests::{event_of, fixture};

use super::super::case::Case;
use super::super::http2::Stream;
use super::super::seen::Seen;
use super::super::stacks::Setup::{ShortReadTimeout, SmallLimit, Standard};
use super::super::wire_request::{BODY, WireRequest};
use super::{routing, slow};

pub fn cases() -> Vec<Case> {
    let rejected = |outcome: Outcome| Seen::answered(outcome.into());
    let good = WireRequest::of(BODY);
    let user = WireRequest::of(fixture("user.created"));
    let forged = WireRequest::of("{}").with_body(BODY);
    let one = |name: &str, stream: Stream, seen: Seen| {
        Case::new(Standard, format!("HTTP/2: {name}")).http2(vec![(stream, seen)])
    };
    let limited = |length: usize, seen: Seen| {
        let delivery = WireRequest::of(event_of(length));
        Case::new(SmallLimit, format!("HTTP/2: {length} of 1000 bytes"))
            .http2(vec![(Stream::complete(&delivery), seen.clone()), (Stream::framed(&delivery, 100), seen)])
    };
    let mut concurrent = Vec::new();
    for number in 0..20 {
        let body = format!(r#"{{"data":{{"number":{number}}},"type":"test"}}"#);
        let (good, forged) = (WireRequest::of(body.clone()), WireRequest::of(BODY).with_body(body));
        concurrent.extend([
            (Stream::complete(&good), Seen::Accepted),
            (Stream::framed(&forged, 5), rejected(Outcome::InvalidSignature)),
            (Stream::framed(&good, 7), Seen::Accepted),
            (Stream::complete(&WireRequest::unsigned("{}")), rejected(Outcome::MissingHeader)),
        ]);
    }
    vec![
        one("an event", Stream::complete(&user), Seen::Accepted),
        one("an event without a length", Stream::framed(&user, 500), Seen::Accepted),
        one("a forged event", Stream::complete(&forged), rejected(Outcome::InvalidSignature)),
        one(
            "a forged event without a length",
            Stream::framed(&forged, 7),
            rejected(Outcome::InvalidSignature),
        ),
        one(
            "an unsigned event",
            Stream::complete(&WireRequest::unsigned(BODY)),
            rejected(Outcome::MissingHeader),
        ),
        one(
            "a body that is not an event",
            Stream::complete(&WireRequest::of("[]")),
            rejected(Outcome::NotAnEvent),
        ),
        one("an empty body", Stream::complete(&WireRequest::of("")), rejected(Outcome::NotAnEvent)),
        limited(1000, Seen::Accepted),
        limited(1001, rejected(Outcome::BodyTooLarge)),
        one(
            "one byte more than the limit",
            Stream::framed(&WireRequest::of(event_of(2_097_153)), 16 * 1024),
            rejected(Outcome::BodyTooLarge),
        ),
        one(
            "a content-length of one byte more than the limit",
            Stream::stalled(&good.clone().header("content-length", "2097153"), 20),
            rejected(Outcome::BodyTooLarge),
        ),
        Case::new(ShortReadTimeout, "HTTP/2: half a body")
            .kind(slow::KIND)
            .http2(vec![(Stream::stalled(&good, 20), rejected(Outcome::BodyTimeout))]),
        Case::new(ShortReadTimeout, "HTTP/2: a stalled stream beside others").kind(slow::KIND).http2(vec![
            (Stream::complete(&good), Seen::Accepted),
            (Stream::stalled(&good, 20), rejected(Outcome::BodyTimeout)),
            (Stream::complete(&forged), rejected(Outcome::InvalidSignature)),
        ]),
        Case::new(Standard, "HTTP/2: 80 concurrent streams").http2(concurrent),
        one("a GET request", Stream::complete(&good.method("GET")), Seen::Plain(405)).kind(routing::SIGNED),
    ]
}
