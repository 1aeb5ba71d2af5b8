//! Handling each delivery once.

mod layer;
mod service;

pub use layer::DeduplicateLayer;
pub use service::{Deduplicate, DeduplicateFuture};
