//! Tests of the stores with real databases. Each module tests one behavior.

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
mod round_trips;
mod transactions;
mod unreachable;
