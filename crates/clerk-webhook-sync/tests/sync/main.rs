//! Tests of the public API, with SQLite and Postgres.

#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod databases;
mod deletion;
mod events;
mod failures;
mod full;
mod histories;
mod hooks;
mod import;
mod lengths;
mod leniency;
#[cfg(feature = "metrics")]
mod metrics;
mod migrations;
mod optional;
mod pooler;
mod queries;
mod raw;
mod ready;
mod round_trips;
mod sweeper;
mod times;
mod transactions;
