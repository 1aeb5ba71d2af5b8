//! Tests the `clerk-webhook` command as a process, with a module for each command.

#![expect(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a panic fails the test")]

mod api;
mod captures;
mod causes;
mod command;
mod doctor;
mod environment;
mod events;
mod evidence;
#[cfg(feature = "sync")]
mod import;
mod instances;
mod json;
mod listen;
mod page;
#[cfg(feature = "queue")]
mod queue;
mod replay;
mod scenario;
mod secret;
#[cfg(all(unix, feature = "serve"))]
mod serve;
mod sign;
mod support;
mod trigger;
mod verify;
