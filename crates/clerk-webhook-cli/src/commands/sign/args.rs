//! The arguments of `clerk-webhook sign`.

use std::path::PathBuf;

use clap::ValueEnum;
use clerk_webhook_core::MessageId;

use crate::args::header_names::HeaderNames;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;

/// Signs a body, and prints the headers, a curl line, a request or JSON
///
/// Nothing is sent. The body is signed to the byte, a line break at its end included. Several secrets make several
/// signatures, as during a rotation.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// File with the body, - for standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(super) body: PathBuf,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "headers")]
    pub(super) format: Format,

    /// The message id [default: a new one]
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<MessageId>,

    /// When it is signed: -10m, seconds since 1970, or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "MOMENT", default_value = "now", allow_hyphen_values = true)]
    pub(super) at: Moment,

    /// What the three headers are called: svix (svix-id, …) or webhook (webhook-id, …)
    #[arg(long, value_name = "NAMES", default_value = "svix", hide_possible_values = true)]
    pub(super) headers: HeaderNames,

    /// Where curl and http send it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000/webhooks/clerk")]
    pub(super) to: String,
}

const EXAMPLES: &str = "\
Examples:
  printf '{\"data\":{},\"type\":\"user.created\"}' | clerk-webhook sign
  clerk-webhook sign --body event.json --format curl | sh
  clerk-webhook sign --body event.json --format http > request.http
  clerk-webhook sign --body event.json --at -1h --format json >> deliveries.ndjson";

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The three headers, one in a line
    Headers,
    /// A line for a shell
    Curl,
    /// The request, as verify and replay read it
    Http,
    /// Headers and body as an object
    Json,
}
