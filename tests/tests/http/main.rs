//! What the Tower layer and the Axum extractor do with HTTP requests.

mod answers;
mod bodies;
mod deduplicate;
mod extractor;
mod limits;
mod methods;
mod opaque;
mod placement;
mod properties;
mod readiness;
mod support;
