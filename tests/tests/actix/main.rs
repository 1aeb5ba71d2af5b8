//! The extractors, the middleware and the guard for Actix.

mod extractor;
mod guard;
mod limits;
mod middleware;
mod opaque;
mod shutdown;
mod support;
