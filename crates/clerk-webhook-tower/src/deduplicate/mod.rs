//! Calls a service once per message.

mod layer;
mod service;

pub use layer::DeduplicateLayer;
pub use service::{Deduplicate, DeduplicateFuture};
