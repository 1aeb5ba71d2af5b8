//! The arguments of `clerk-webhook sign`.

use std::path::PathBuf;

use clap::ValueEnum;
use clerk_webhook_core::MessageId;

use crate::args::header_names::HeaderNames;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;

/// Sign a body, and print the headers, a curl command, or a request
///
/// Sends nothing. Signs the exact bytes of the body, including a line break at its end. With several secrets, adds
/// one signature per secret, as Svix does during a rotation.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// File with the body; - reads standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(super) body: PathBuf,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "headers")]
    pub(super) format: Format,

    /// Message id [default: a new one]
    #[arg(long, value_name = "ID")]
    pub(super) id: Option<MessageId>,

    /// Time of the signature, such as -10m
    ///
    /// Accepts -2d, -10m or +30s (from now), seconds since 1970, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    pub(super) at: Moment,

    /// Names of the signature headers
    #[arg(long, value_name = "NAMES", default_value = "svix")]
    pub(super) headers: HeaderNames,

    /// URL in curl commands and requests [default: $CLERK_WEBHOOK_URL, else :3000/webhooks/clerk]
    #[arg(long, value_name = "URL")]
    pub(super) to: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  printf '{\"data\":{},\"type\":\"user.created\"}' | clerk-webhook sign
  clerk-webhook sign --body event.json --format curl | sh
  clerk-webhook sign --body event.json --format http > request.http
  clerk-webhook sign --body event.json --at -1h --format json >> lines.ndjson";

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// The three headers, one per line
    Headers,
    /// A curl command for a POSIX shell
    Curl,
    /// The request as a file for verify and replay
    Http,
    /// Headers and body as a JSON object
    Json,
}
