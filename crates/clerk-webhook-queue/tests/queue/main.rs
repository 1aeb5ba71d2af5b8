//! The SQLite queue, and the conformance suite.
#![cfg(all(feature = "conformance", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod broken;
mod conformance;
mod file;
mod sqlite;
