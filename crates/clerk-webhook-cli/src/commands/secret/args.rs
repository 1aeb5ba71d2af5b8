//! The arguments of `clerk-webhook secret`.

use clap::Subcommand;

use crate::args::secrets::{SecretArgs, SecretText};

/// Makes a signing secret, or says what is wrong with one
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) action: Action,
}

const EXAMPLES: &str = "\
Examples:
  export CLERK_WEBHOOK_SIGNING_SECRET=$(clerk-webhook secret new)
  clerk-webhook secret check";

const EXAMPLES_OF_NEW: &str = "\
Examples:
  export CLERK_WEBHOOK_SIGNING_SECRET=$(clerk-webhook secret new)
  clerk-webhook secret new -n 24 > secret.txt";

const EXAMPLES_OF_CHECK: &str = "\
Examples:
  clerk-webhook secret check
  clerk-webhook secret check --secret-file /run/secrets/clerk-webhook
  pbpaste | clerk-webhook secret check -";

#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Make a new secret, for tests or for a sender of your own; Clerk makes those of its endpoints itself
    #[command(after_help = EXAMPLES_OF_NEW)]
    New {
        /// Number of random bytes, 24 to 64
        #[arg(short = 'n', long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u8).range(24..=64))]
        bytes: u8,
    },
    /// Say whether a secret can be used, and what is wrong with it; it is never shown
    #[command(after_help = EXAMPLES_OF_CHECK)]
    Check {
        /// The secret, or - for standard input [default: that of --secret, --secret-file or the environment]
        #[arg(value_name = "SECRET", conflicts_with_all = ["secrets", "secret_file"], allow_hyphen_values = true)]
        text: Option<SecretText>,

        #[command(flatten)]
        secrets: SecretArgs,
    },
}
