//! The `clerk-webhook` command: creates, sends, and inspects Clerk webhooks locally.

mod args;
mod capture;
mod commands;
#[cfg(any(feature = "queue", feature = "sync"))]
mod database_error;
mod diagnosis;
mod environment;
mod failure;
mod output;
mod redact;
mod secret_check;
mod send;
mod server;
mod text;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::commands::Command;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Getting started:
  clerk-webhook doctor http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook trigger user.created --to http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook help trigger

Set CLERK_WEBHOOK_SIGNING_SECRET to the endpoint's signing secret (whsec_…).

Exit codes: 0 success, 1 negative result, 2 incorrect usage, 3 network or database error.";

/// Create, sign, send, verify, and replay Clerk webhooks without Clerk and without a tunnel.
///
/// Requests are sent only to the URL that you give. Svix is the service that delivers Clerk's webhooks.
#[derive(Debug, Parser)]
#[command(name = "clerk-webhook", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = EXAMPLES)]
struct Cli {
    /// Print JSON, one object per line, as described in JSON.md
    #[arg(long, global = true, display_order = 900)]
    json: bool,

    /// Do not read variables such as CLERK_WEBHOOK_SIGNING_SECRET from the file .env in the current folder
    #[arg(long, global = true, display_order = 901)]
    no_env_file: bool,

    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.report(&failure),
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    if !cli.no_env_file {
        let names = environment::read_file(cli.command.variables())?;
        if !names.is_empty() {
            output.note(format_args!("{} from .env", names.join(", ")));
        }
    }
    cli.command.run(Cli::command, output)
}
