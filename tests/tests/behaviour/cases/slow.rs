//! Bodies that do not arrive in time.

use clerk_webhook_core::Outcome;

use super::super::case::{Case, Step};
use super::super::stacks::Setup::ShortReadTimeout;
use super::super::wire_request::{BODY, WireRequest};

pub const KIND: &str = "a body that does not arrive in time";
const UNBEGUN: &str = "a body that does not begin to arrive";

pub fn cases() -> Vec<Case> {
    let delivery = WireRequest::of(BODY);
    let half = |request: Vec<u8>| request[..request.len() - BODY.len() / 2].to_vec();
    let long = || delivery.head("Content-Length: 1000000");
    let chunked = || delivery.head("Transfer-Encoding: chunked");
    let stalls = |name: &str, request: Vec<u8>| {
        // A slow client must not affect other clients.
        Case::new(ShortReadTimeout, name)
            .kind(KIND)
            .rejects_as(request, Outcome::BodyTimeout)
            .reconnects()
            .accepts(&delivery)
    };
    let drips = |name: &str, head: Vec<u8>, drop: &'static [u8]| {
        let case = Case::new(ShortReadTimeout, name).kind(KIND).write(head).step(Step::Drip(drop));
        case.rejected(Outcome::BodyTimeout).reconnects().accepts(&delivery)
    };
    vec![
        Case::new(ShortReadTimeout, "a body that arrives in time").accepts(&delivery),
        Case::new(ShortReadTimeout, "a rejection with a short read timeout")
            .rejects(&WireRequest::of("{}").with_body(BODY), Outcome::InvalidSignature),
        stalls("half a body", half(delivery.with_length())),
        stalls("half a body in chunks", half(delivery.chunked(500))),
        stalls("a head without its body", delivery.head("Content-Length: 77")).kind(UNBEGUN),
        stalls("a head without its chunks", chunked()).kind(UNBEGUN),
        stalls("a Content-Length longer than the body", [long(), BODY.into()].concat()),
        drips("a body that drips", long(), b"x"),
        drips("a body that drips in chunks", chunked(), b"1\r\nx\r\n"),
    ]
}
