//! The Tower layers and the Axum extractor, beyond what the table in `behaviour` says of every framework.

mod deduplicate;
mod extractor;
mod layer;
mod placement;
mod readiness;
mod support;
