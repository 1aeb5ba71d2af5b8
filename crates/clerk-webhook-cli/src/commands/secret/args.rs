//! The arguments of `clerk-webhook secret`.

use clap::Subcommand;

use crate::args::secrets::{SecretArgs, SecretText};

/// Create or check signing secrets
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
    /// Create a random secret for tests or for your own sender; Clerk creates the secrets of its endpoints
    #[command(after_help = EXAMPLES_OF_NEW)]
    New {
        /// Number of random bytes, 24 to 64
        #[arg(short = 'n', long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u8).range(24..=64))]
        bytes: u8,
    },
    /// Check whether a secret is usable, without printing it
    #[command(after_help = EXAMPLES_OF_CHECK)]
    Check {
        /// Secret to check, visible in the process list; - reads standard input [default: --secret, --secret-file, or the environment]
        #[arg(value_name = "SECRET", conflicts_with_all = ["secrets", "secret_file"], allow_hyphen_values = true)]
        text: Option<SecretText>,

        #[command(flatten)]
        secrets: SecretArgs,
    },
}
