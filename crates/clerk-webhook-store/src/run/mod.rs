//! Runs handlers once per message, with any store.

pub(crate) mod deadline;
pub(crate) mod deduplicator;
pub(crate) mod exactly_once;
mod runner;
mod supervise;
