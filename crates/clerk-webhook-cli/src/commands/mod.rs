//! The commands, each a module.

mod completions;
mod doctor;
mod events;
mod listen;
mod replay;
mod scenario;
mod secret;
mod sign;
mod trigger;
mod verify;

use clap::Subcommand;

use crate::failure::Failure;
use crate::output::Output;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a signing secret, or say what is wrong with one
    Secret(secret::Args),
    /// List the events that Clerk sends, or show one: an example and its fields
    Events(events::Args),
    /// Sign an event and send it, and say what Svix would do with the answer
    Trigger(trigger::Args),
    /// Send a whole history as Svix does: retried, duplicated, out of order
    Scenario(scenario::Args),
    /// Say whether a captured request is authentic, and if not, why
    Verify(verify::Args),
    /// Sign standard input, and print the headers, a curl line or a request
    Sign(sign::Args),
    /// Receive deliveries here, and show what is in them and what has changed
    Listen(listen::Args),
    /// Send captured requests again
    Replay(replay::Args),
    /// Look at an endpoint from outside, and say what is wrong with it
    Doctor(doctor::Args),
    /// Print the completions for a shell
    Completions(completions::Args),
}

impl Command {
    /// Runs a command; `program` describes all of them.
    pub(crate) fn run(self, program: fn() -> clap::Command, output: &Output) -> Result<(), Failure> {
        match self {
            Self::Secret(args) => secret::run(args, output),
            Self::Events(args) => events::run(args, output),
            Self::Trigger(args) => trigger::run(args, output),
            Self::Scenario(args) => scenario::run(args, output),
            Self::Verify(args) => verify::run(args, output),
            Self::Sign(args) => sign::run(args, output),
            Self::Listen(args) => listen::run(args, output),
            Self::Replay(args) => replay::run(args, output),
            Self::Doctor(args) => doctor::run(args, output),
            Self::Completions(args) => completions::run(&args, program()),
        }
    }
}
