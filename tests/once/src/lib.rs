//! What the receiver and its tests share.
//!
//! A package of its own: its tests find the receiver, a program, which no test of another package would build.

pub mod record;
