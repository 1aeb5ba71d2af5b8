//! The queues of this crate, one module for each engine.

#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
