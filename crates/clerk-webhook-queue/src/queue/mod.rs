//! The interface of a queue, independent of its engine.

pub(crate) mod dead_letters;
pub(crate) mod delivery_queue;
pub(crate) mod job_queue;
pub(crate) mod log;
pub(crate) mod object;
pub(crate) mod retention;
