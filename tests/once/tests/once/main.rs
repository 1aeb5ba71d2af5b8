//! Tests of deduplication with real processes: killed, paused, shut down, and without their database.
#![cfg(unix)]

mod crash;
mod load;
mod outage;
mod pause;
mod server;
mod shutdown;
mod slow;
mod stage;
