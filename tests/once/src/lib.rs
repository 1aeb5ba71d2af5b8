//! The record that the receiver writes and its tests read.
//!
//! This is a separate package, because Cargo builds the program `receiver` for the integration tests of the same
//! package only.

pub mod record;
