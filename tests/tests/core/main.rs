//! The core as its users see it, one module for each behaviour.

mod answers;
mod errors;
mod events;
mod handlers;
mod leniency;
mod log;
mod payloads;
mod properties;
mod streaming;
mod vectors;
mod verifiers;
