//! The queues, and the conformance suite.
#![cfg(all(feature = "conformance", feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod broken;
mod conformance;
#[cfg(feature = "postgres")]
mod database;
mod file;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
mod nats_faults;
#[cfg(feature = "nats")]
mod nats_permissions;
#[cfg(feature = "nats")]
mod nats_proxy;
#[cfg(feature = "nats")]
mod nats_queue;
#[cfg(feature = "nats")]
mod nats_setup;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_repair;
#[cfg(feature = "postgres")]
mod postgres_setup;
#[cfg(feature = "postgres")]
mod postgres_stress;
#[cfg(feature = "postgres")]
mod postgres_transactions;
#[cfg(feature = "postgres")]
mod postgres_worker;
mod sqlite;
