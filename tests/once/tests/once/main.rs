//! Tests of deduplication and of the queue with real processes: killed, paused, shut down, and without their database.
#![cfg(unix)]

mod crash;
mod load;
mod outage;
mod pause;
mod queue;
mod server;
mod shutdown;
mod slow;
mod stage;
