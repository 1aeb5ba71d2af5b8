//! Requests with a different method or path.

use super::super::case::Case;
use super::super::seen::Seen;
use super::super::stacks::PATH;
use super::super::stacks::Setup::Standard;
use super::super::wire_request::{BODY, WireRequest};

/// The kind of the signed requests with a method other than POST.
pub const SIGNED: &str = "another method, signed";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let seen = Seen::Plain(405);
        cases.extend([
            Case::new(Standard, format!("a signed {method}"))
                .kind(SIGNED)
                .write(WireRequest::of(BODY).method(method).with_length())
                .sees(seen.clone()),
            Case::new(Standard, format!("an unsigned {method}"))
                .kind("another method, unsigned")
                .write(WireRequest::unsigned("").method(method).head(""))
                .sees(seen),
        ]);
    }
    cases.extend([
        Case::new(Standard, "a signed request for another path")
            .write(WireRequest::of(BODY).target("/webhooks/other").with_length())
            .sees(Seen::Plain(404)),
        Case::new(Standard, "an unsigned request for another path")
            .write(WireRequest::unsigned(BODY).target("/webhooks/other").with_length())
            .sees(Seen::Plain(404)),
        Case::new(Standard, "a query in the URL")
            .accepts(&WireRequest::of(BODY).target(format!("{PATH}?environment=test&svix-id=msg_other"))),
    ]);
    cases
}
