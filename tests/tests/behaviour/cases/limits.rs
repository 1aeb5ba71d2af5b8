//! Bodies around the limit.

use clerk_webhook_core::Outcome;
use clerk_webhook_tests::event_of;

use super::super::case::Case;
use super::super::stacks::SMALL_LIMIT;
use super::super::stacks::Setup::{self, SmallLimit, Standard};
use super::super::wire_request::{BODY, WireRequest};

const DEFAULT_LIMIT: usize = 2 * 1024 * 1024;

pub fn cases() -> Vec<Case> {
    let small = around(SmallLimit, SMALL_LIMIT, &[100, SMALL_LIMIT + 1]);
    let usual = around(Standard, DEFAULT_LIMIT, &[64 * 1024]);
    [small, usual, claimed()].into_iter().flatten().collect()
}

/// One byte less than the limit, the limit, and one byte more.
fn around(setup: Setup, limit: usize, chunks: &[usize]) -> Vec<Case> {
    let mut cases = Vec::new();
    for length in [limit - 1, limit, limit + 1] {
        let delivery = WireRequest::of(event_of(length));
        let mut requests = vec![("with a length".to_owned(), delivery.with_length())];
        for size in chunks {
            requests.push((format!("in chunks of {size}"), delivery.chunked(*size)));
        }
        for (how, request) in requests {
            let case = Case::new(setup, format!("{length} of {limit} bytes {how}"));
            cases.push(if length <= limit {
                case.accepts_as(request, &delivery)
            } else {
                case.rejects_as(request, Outcome::BodyTooLarge)
            });
        }
    }
    cases
}

/// A `Content-Length` above the limit is rejected before the body arrives.
fn claimed() -> Vec<Case> {
    const KIND: &str = "a Content-Length above the limit, without a body";
    let claiming = |name: &str, setup: Setup, length: &str| {
        let head = WireRequest::of(BODY).head(&format!("Content-Length: {length}"));
        let delivery = WireRequest::of(BODY);
        Case::new(setup, name).rejects_as(head, Outcome::BodyTooLarge).reconnects().accepts(&delivery)
    };
    vec![
        claiming("a Content-Length of one byte more than a small limit", SmallLimit, "1001").kind(KIND),
        claiming("a Content-Length of one byte more than the limit", Standard, "2097153").kind(KIND),
        claiming("a Content-Length of 1 TiB", Standard, "1099511627776").kind(KIND),
        claiming("a Content-Length of 2^63 - 1", Standard, "9223372036854775807").kind(KIND),
        claiming("a Content-Length of 2^64 - 1", Standard, "18446744073709551615"),
    ]
}
