//! The changes of a body that people really have, and how to undo each of them.

mod body;
mod charsets;
mod containers;
mod edges;
mod encodings;
mod json;
mod line_breaks;
mod printed;

use std::collections::HashSet;

use bytes::Bytes;

use super::cause::Finding;
use crate::capture::Capture;

use body::{Body, Undone};

pub(super) use body::MAX_BODY;
pub(super) use line_breaks::is_indented_without_line_breaks;
pub(super) use printed::printed_object;

/// The maximum number of bodies that a diagnosis tries.
pub(super) const MAX_BODIES: usize = 256;
/// The maximum number of changes that are undone together.
pub(super) const MAX_CHANGES: usize = 2;

type Undo = fn(&Body<'_>) -> Vec<Undone>;

/// The changes that a body shows, the likeliest first. A second change can be undone after these.
const SHOWN: [Undo; 13] = [
    edges::newline_added,
    containers::json_string,
    encodings::base64,
    containers::json_member,
    printed::bytes_as_numbers,
    printed::python_bytes,
    encodings::form,
    edges::line_breaks_changed,
    edges::byte_order_mark_added,
    edges::white_space_added,
    charsets::decoded,
    encodings::compressed,
    containers::surrounded,
];

/// The changes that a body does not show, the likeliest first.
const HIDDEN: [Undo; 4] =
    [line_breaks::dropped, json::serialized_again, edges::newline_removed, edges::line_feeds_changed];

/// A candidate for the body that was signed.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) bytes: Bytes,
    /// The changes that were undone, the outermost first.
    pub(super) findings: Vec<Finding>,
    /// Whether the captured body shows all of these changes, and is not too large for others.
    pub(super) is_shown: bool,
}

/// Returns the captured body, and the bodies after one or two changes are undone, in this order.
pub(super) fn undone(capture: &Capture) -> Vec<Candidate> {
    let (bytes, is_shown) = (capture.body.clone(), capture.body.len() <= MAX_BODY);
    let mut candidates = vec![Candidate { bytes, findings: Vec::new(), is_shown }];
    let mut seen = HashSet::from([capture.body.clone()]);
    let mut from = 0;
    for _ in 0..MAX_CHANGES {
        let outer: Vec<_> = candidates.iter().skip(from).filter(|body| body.is_shown).cloned().collect();
        from = candidates.len();
        for Candidate { bytes, findings, .. } in outer {
            let body = Body { bytes: &bytes, text: str::from_utf8(&bytes).ok() };
            let undos = SHOWN.iter().map(|undo| (undo, true)).chain(HIDDEN.iter().map(|undo| (undo, false)));
            for (undo, is_shown) in undos {
                for (finding, bytes) in undo(&body) {
                    let is_allowed = bytes.len() <= MAX_BODY && candidates.len() < MAX_BODIES;
                    if is_allowed && seen.insert(bytes.clone()) {
                        let findings = findings.iter().cloned().chain([finding]).collect();
                        candidates.push(Candidate { bytes, findings, is_shown });
                    }
                }
            }
        }
    }
    candidates
}
