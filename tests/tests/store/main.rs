//! Stores of deliveries on real engines, one module for each behaviour.

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
