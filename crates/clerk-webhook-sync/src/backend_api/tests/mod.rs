//! Tests of the client, with transports in memory and the paused clock of Tokio.

mod fake;
#[cfg(feature = "backend-api-client")]
mod hyper;
mod looks;
mod meanings;
mod pages;
mod properties;
mod requests;
mod server;
mod world;
