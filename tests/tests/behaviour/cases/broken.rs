//! Clients that disconnect within a request.

use clerk_webhook_tests::fixture;

use super::super::case::{Case, Step};
use super::super::seen::Seen;
use super::super::stacks::Setup::Standard;
use super::super::wire_request::WireRequest;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let delivery = WireRequest::of(fixture("user.created"));
    let length = delivery.body.len();
    for (how, request) in [("with a length", delivery.with_length()), ("in chunks", delivery.chunked(100))] {
        for missing in [1, 7, length / 2, length - 1] {
            let part = request[..request.len() - missing].to_vec();
            let name = format!("a body {how}, {missing} bytes missing, then a half-close");
            cases.push(
                Case::new(Standard, name)
                    .write(part.clone())
                    .step(Step::HalfClose)
                    .sees(Seen::GivenUp)
                    .reconnects()
                    .accepts(&delivery),
            );
            let name = format!("a body {how}, {missing} bytes missing, then a disconnect");
            cases.push(Case::new(Standard, name).write(part).reconnects().accepts(&delivery));
        }
    }
    cases.push(
        Case::new(Standard, "a disconnect within the head")
            .write(delivery.with_length()[..60].to_vec())
            .reconnects()
            .accepts(&delivery),
    );
    cases
}
