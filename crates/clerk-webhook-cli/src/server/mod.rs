//! The HTTP server of `listen`, `api` and `serve`: connections, limits and responses.

pub(crate) mod connection;
pub(crate) mod limits;
pub(crate) mod proxy;
pub(crate) mod response;
pub(crate) mod serve;
pub(crate) mod shutdown;
