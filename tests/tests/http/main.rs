//! The Tower layers and the Axum extractor, beyond the cases in `behaviour`.

mod deduplicate;
mod extractor;
mod layer;
mod placement;
mod readiness;
mod support;
