//! Requests that are not for the handler: another method, another path.

use super::super::case::Case;
use super::super::delivery::{BODY, Delivery};
use super::super::seen::Seen;
use super::super::stacks::PATH;
use super::super::stacks::Setup::Standard;

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let seen = Seen::Plain(405);
        cases.extend([
            Case::new(Standard, format!("a signed {method}"))
                .kind("another method, signed")
                .write(Delivery::of(BODY).method(method).with_length())
                .sees(seen.clone()),
            Case::new(Standard, format!("an unsigned {method}"))
                .kind("another method, unsigned")
                .write(Delivery::unsigned("").method(method).head(""))
                .sees(seen),
        ]);
    }
    cases.extend([
        Case::new(Standard, "a signed request for another path")
            .write(Delivery::of(BODY).target("/webhooks/other").with_length())
            .sees(Seen::Plain(404)),
        Case::new(Standard, "an unsigned request for another path")
            .write(Delivery::unsigned(BODY).target("/webhooks/other").with_length())
            .sees(Seen::Plain(404)),
        Case::new(Standard, "a query on the URL")
            .accepts(&Delivery::of(BODY).target(format!("{PATH}?environment=test&svix-id=msg_other"))),
    ]);
    cases
}
