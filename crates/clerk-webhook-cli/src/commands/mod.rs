//! The commands. Each has a module.

mod api;
mod completions;
mod doctor;
mod events;
mod listen;
mod queue;
mod replay;
mod scenario;
mod secret;
mod sign;
mod trigger;
mod verify;

use clap::Subcommand;

use crate::args::secrets;
use crate::failure::Failure;
use crate::output::Output;
use crate::send::endpoint;

/// The commands of `clerk-webhook`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send signed events, and show how Svix would treat the responses
    Trigger(trigger::Args),
    /// Send a sequence of events as Svix does, with retries, duplicates, and reordering
    Scenario(scenario::Args),
    /// Serve the objects of a history as Clerk's Backend API does
    Api(api::Args),
    /// Explain why a captured request does not verify
    ///
    /// A cause is a fact about the request, or a change that makes the signature match when it is undone.
    /// Secrets, payloads, and expected signatures are never printed.
    Verify(verify::Args),
    /// Receive deliveries locally, and show their contents and changes
    Listen(listen::Args),
    /// Send captured requests again
    Replay(replay::Args),
    /// Check an endpoint from outside, and report problems
    Doctor(doctor::Args),
    /// List Clerk's event types, or show an example and the fields of one
    Events(events::Args),
    /// Sign a body, and print the headers, a curl command, or a request
    ///
    /// Sends nothing. Signs the exact bytes of the body, including a line break at its end. With several
    /// secrets, adds one signature per secret, as Svix does during a rotation.
    Sign(sign::Args),
    /// Create or check signing secrets
    Secret(secret::Args),
    /// List, show, retry and discard dead letters, and count events
    Queue(queue::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

impl Command {
    /// Returns the environment variables that the command reads, in groups of variables that replace each other.
    pub(crate) fn variables(&self) -> &'static [&'static [&'static str]] {
        match self {
            Self::Trigger(_) | Self::Scenario(_) | Self::Sign(_) | Self::Replay(_) => {
                &[&secrets::VARIABLES, &[endpoint::VARIABLE]]
            }
            Self::Secret(_) | Self::Verify(_) | Self::Listen(_) | Self::Doctor(_) => &[&secrets::VARIABLES],
            Self::Queue(_) => &[&queue::VARIABLES],
            Self::Api(_) | Self::Events(_) | Self::Completions(_) => &[],
        }
    }

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
            Self::Queue(args) => queue::run(args, output),
            Self::Completions(args) => completions::run(&args, program()),
        }
    }
}
