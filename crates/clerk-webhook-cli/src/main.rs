//! The command `clerk-webhook`: Clerk's webhooks without Clerk.

mod args;
mod capture;
mod commands;
mod diagnosis;
mod failure;
mod output;
mod secret_check;
mod send;
mod server;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::commands::Command;
use crate::output::Output;

const EXAMPLES: &str = "\
Begin with:
  clerk-webhook doctor http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook trigger user.created --to http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook help trigger

The signing secret (whsec_…) of the endpoint is read from CLERK_WEBHOOK_SIGNING_SECRET.

Exit codes: 0 all went well, 1 the result is negative, 2 wrong usage, 3 network.";

/// Make, sign, send, verify and replay Clerk webhooks, without Clerk and without a tunnel.
///
/// Nothing leaves this machine but what is sent to the URL that you give. Svix is the service by which Clerk delivers.
#[derive(Debug, Parser)]
#[command(name = "clerk-webhook", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = EXAMPLES)]
struct Cli {
    /// Write JSON, one object in a line; JSON.md describes it
    #[arg(long, global = true, display_order = 900)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    match cli.command.run(Cli::command, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.report(&failure),
    }
}
