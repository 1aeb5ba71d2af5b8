//! Arguments that several commands share.

pub(crate) mod event_pattern;
pub(crate) mod header_names;
pub(crate) mod history;
pub(crate) mod moment;
pub(crate) mod secrets;
pub(crate) mod suggest;
