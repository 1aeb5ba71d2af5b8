//! The queues of this crate, one module for each engine.

#[cfg(any(feature = "nats", feature = "postgres", feature = "sqlite"))]
mod common;
#[cfg(feature = "nats")]
pub(crate) mod nats;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
