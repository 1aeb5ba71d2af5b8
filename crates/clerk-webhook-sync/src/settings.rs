//! What is kept, and of whom.

use std::sync::Arc;

/// What the column `raw` has of the data that was sent.
///
/// Copies of other objects, which have rows of their own, are never in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RawColumn {
    /// Everything: private metadata, backup codes of second factors, links of invitations.
    Full,
    /// Everything but private metadata and what lets its reader sign in as somebody else.
    #[default]
    WithoutPrivate,
    /// Nothing.
    Off,
}

/// What an application has chosen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) raw: RawColumn,
    pub(crate) instance_id: Option<Arc<str>>,
}
