//! The record that the receiver writes and the tests read.
//!
//! This is a separate package, because Cargo builds the `receiver` program only for integration tests in the
//! same package.

pub mod record;
