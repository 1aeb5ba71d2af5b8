//! The arguments of `clerk-webhook health`.

const EXAMPLES: &str = "\
Examples:
  clerk-webhook health
  clerk-webhook health http://127.0.0.1:9464/readyz

Exit codes: 0 the server answered with 2xx, 1 it did not, 2 incorrect usage.";

/// Ask a running server whether it is alive
///
/// Sends a GET request, and waits 3 s for the answer.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// URL [default: /livez of the admin listener, or of the public listener if that is off]
    #[arg(value_name = "URL")]
    pub(super) url: Option<String>,
}
