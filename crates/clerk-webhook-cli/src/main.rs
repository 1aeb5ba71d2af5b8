//! The `clerk-webhook` command: creates, sends, and inspects Clerk webhooks locally.

mod args;
mod capture;
mod commands;
#[cfg(any(feature = "queue", feature = "sync"))]
mod database;
mod diagnosis;
mod environment;
mod failure;
mod output;
mod progress;
mod redact;
mod secret_check;
mod send;
mod server;
mod sync;
mod text;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use crate::commands::Command;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook trigger user.created          # sends an event to your server
  clerk-webhook listen --forward :3000/hooks  # shows what your server receives
  clerk-webhook verify request.http           # explains why it does not verify

Secrets are read from variables such as CLERK_WEBHOOK_SIGNING_SECRET, or .env.
`clerk-webhook help COMMAND` explains a command.";

const EXIT_CODES: &str = "Exit codes: 0 success, 1 negative result, 2 incorrect usage, 3 network or database error, 4 tables of another \
     version, 5 refused to protect the data.";

/// The help without arguments: the commands and the examples, without the options.
const OVERVIEW: &str = "{about}\n\n{subcommands}{after-help}";

/// Create, send, verify, and replay Clerk webhooks, without Clerk or a tunnel
#[derive(Debug, Parser)]
#[command(name = "clerk-webhook", version, max_term_width = 100)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
struct Cli {
    /// Print JSON objects, one per line
    #[arg(long, global = true, display_order = 900)]
    json: bool,

    /// Do not read variables from .env in the current folder
    #[arg(long, global = true, display_order = 901)]
    no_env_file: bool,

    #[command(subcommand)]
    command: Option<Command>,
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
    let Some(command) = cli.command else {
        if output.is_json() {
            return Err(Failure::usage("no command: `clerk-webhook help` lists the commands"));
        }
        let overview = Cli::command().help_template(OVERVIEW).render_help();
        return output.line(overview.ansi().to_string().trim_end());
    };
    if cli.no_env_file {
        environment::ignore_file();
    }
    command.run(Cli::command, output)
}
