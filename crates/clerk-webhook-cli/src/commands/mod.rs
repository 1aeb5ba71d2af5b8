//! The commands. Each has a module.

mod api;
mod backfill;
mod completions;
mod db;
mod doctor;
mod events;
mod health;
mod listen;
mod queue;
mod reconcile;
mod replay;
mod scenario;
mod secret;
#[cfg_attr(not(feature = "serve"), path = "serve/unavailable.rs")]
mod serve;
mod sign;
mod trigger;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

/// The commands of `clerk-webhook`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Trigger(trigger::Args),
    Scenario(scenario::Args),
    Api(api::Args),
    Verify(verify::Args),
    Listen(listen::Args),
    Replay(replay::Args),
    Doctor(doctor::Args),
    Events(events::Args),
    Sign(sign::Args),
    Secret(secret::Args),
    Backfill(backfill::Args),
    Reconcile(reconcile::Args),
    Db(db::Args),
    Queue(queue::Args),
    Serve(serve::Args),
    Health(health::Args),
    Completions(completions::Args),
}

impl Command {
    /// Runs the command. `program` returns the definition of the command line, for completions.
    pub(crate) fn run(self, program: fn() -> clap::Command, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Trigger(args) => trigger::run(args, output),
            Self::Scenario(args) => scenario::run(args, output),
            Self::Api(args) => api::run(args, output),
            Self::Verify(args) => verify::run(args, output),
            Self::Listen(args) => listen::run(args, output),
            Self::Replay(args) => replay::run(args, output),
            Self::Doctor(args) => doctor::run(args, output),
            Self::Events(args) => events::run(args, output),
            Self::Sign(args) => sign::run(args, output),
            Self::Secret(args) => secret::run(args, output),
            Self::Backfill(args) => backfill::run(args, output),
            Self::Reconcile(args) => reconcile::run(args, output),
            Self::Db(args) => db::run(args, output),
            Self::Queue(args) => queue::run(args, output),
            Self::Serve(args) => serve::run(args, output),
            Self::Health(args) => health::run(args, output),
            Self::Completions(args) => completions::run(&args, program()),
        }
    }
}
