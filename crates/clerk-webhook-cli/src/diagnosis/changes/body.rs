//! The input and the output of undoing one change.

use bytes::Bytes;

use super::super::cause::{Cause, Finding};

/// The maximum size of a body whose changes are undone, before and after a change, in bytes. It bounds the
/// work of a diagnosis together with `MAX_BODIES` and `MAX_MACS`.
pub(in crate::diagnosis) const MAX_BODY: usize = 256 * 1024;

/// A body that is examined, also as text if it is UTF-8.
pub(super) struct Body<'b> {
    pub(super) bytes: &'b Bytes,
    pub(super) text: Option<&'b str>,
}

/// A body without a change, and the finding for this change.
pub(super) type Undone = (Finding, Bytes);

/// Returns one undone change.
pub(super) fn one(cause: Cause, fact: impl Into<String>, bytes: impl Into<Bytes>) -> Vec<Undone> {
    vec![(Finding::new(cause, fact), bytes.into())]
}
