//! The table of cases.

mod bodies;
mod broken;
mod connections;
mod framing;
mod handling;
mod headers;
mod limits;
mod routing;
mod slow;
mod streams;
mod vectors;

use std::collections::BTreeSet;

use super::case::Case;

/// Returns all cases, signed with the current time.
pub fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(vectors::cases());
    cases.extend(headers::cases());
    cases.extend(bodies::cases());
    cases.extend(framing::cases());
    cases.extend(limits::cases());
    cases.extend(slow::cases());
    cases.extend(broken::cases());
    cases.extend(connections::cases());
    cases.extend(streams::cases());
    cases.extend(routing::cases());
    cases.extend(handling::cases());
    let names: BTreeSet<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "the names of the cases are unique");
    cases
}
