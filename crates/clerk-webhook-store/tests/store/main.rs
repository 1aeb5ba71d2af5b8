//! Tests of the stores with real databases. Each module tests one behavior.
#![cfg(all(
    feature = "conformance",
    feature = "memory",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite"
))]
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod broken;
mod cancellation;
mod conformance;
mod crashes;
mod databases;
mod full;
mod lock_timeout;
mod migrations;
mod mixed;
mod pooler;
mod purging;
mod redis;
mod redis_errors;
mod round_trips;
mod runs;
mod transactions;
mod unreachable;
