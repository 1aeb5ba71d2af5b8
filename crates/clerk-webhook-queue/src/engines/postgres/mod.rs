//! The queue in Postgres, with the jobs of graphile_worker.

mod executor;
mod jobs;
mod listen;
#[cfg(test)]
mod plans;
pub(crate) mod queue;
mod repair;
mod rows;
mod run;
mod setup;
mod sql;
mod statements;
mod take;
mod tasks;
pub(crate) mod ticket;
mod transaction;
