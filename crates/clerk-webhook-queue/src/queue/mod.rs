//! The interface of a queue, independent of its engine.

pub(crate) mod dead_letters;
pub(crate) mod delivery_queue;
pub(crate) mod job_queue;
pub(crate) mod label;
pub(crate) mod log;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
pub(crate) mod object;
pub(crate) mod retention;
pub(crate) mod transactional;
