//! The extractors, the middleware and the guard for Actix, beyond the cases in `behaviour`.

mod extractor;
mod guard;
mod middleware;
mod payloads;
mod shutdown;
mod support;
