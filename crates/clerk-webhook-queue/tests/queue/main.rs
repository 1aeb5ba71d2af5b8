//! The queues, and the conformance suite.
#![cfg(all(feature = "conformance", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod broken;
mod conformance;
mod file;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
mod nats_permissions;
#[cfg(feature = "nats")]
mod nats_queue;
mod sqlite;
