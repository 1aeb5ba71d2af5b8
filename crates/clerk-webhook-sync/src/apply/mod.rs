//! Writes observations to the tables.

pub(crate) mod applied;
#[cfg(feature = "backend-api")]
pub(crate) mod batch;
pub(crate) mod change;
pub(crate) mod engine;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod transactional;
mod write;
