//! What users of the crate see, on SQLite and on Postgres.

mod databases;
mod deletion;
mod events;
mod histories;
mod migrations;
mod queries;
mod raw;
mod transactions;
