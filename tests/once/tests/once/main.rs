//! Handling once, as whole processes do it: killed, asked to end, and without their database.
#![cfg(unix)]

mod crash;
mod load;
mod outage;
mod pause;
mod server;
mod shutdown;
mod slow;
mod stage;
