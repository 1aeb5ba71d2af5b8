//! The fake Backend API serves the objects of a history, with Clerk's paging, filters, limits and errors.

#![cfg(feature = "backend-api")]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod errors;
mod faults;
mod lists;
mod support;
mod world;
