//! The extractors, the middleware and the guard for Actix, beyond what the table in `behaviour` says of every framework.

mod extractor;
mod guard;
mod middleware;
mod payloads;
mod shutdown;
mod support;
