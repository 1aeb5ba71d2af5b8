//! The public behavior of the core crate, one module for each subject.

mod answers;
mod errors;
mod events;
mod handlers;
mod leniency;
mod log;
mod payloads;
mod properties;
mod secrets;
mod streaming;
mod vectors;
mod verifiers;
