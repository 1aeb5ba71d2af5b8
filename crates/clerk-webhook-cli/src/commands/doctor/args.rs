//! The arguments of `clerk-webhook doctor`.

use crate::args::secrets::SecretArgs;
use crate::send::endpoint::RemoteArgs;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook doctor http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook doctor https://example.com/webhooks/clerk --allow-remote
  clerk-webhook doctor http://127.0.0.1:3000/webhooks/clerk --send --json

It sends requests that an endpoint has to refuse: unsigned, forged, too old, of the future, too large. All have the event \
type clerk_webhook.doctor, which no handler knows. With --send it also sends one that is right in all.

Exit codes: 0 nothing is bad, 1 something is (a server that cannot be reached too), 2 wrong usage.";

/// Look at an endpoint from outside, and say what is wrong with it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// URL of the endpoint, such as http://127.0.0.1:3000/webhooks/clerk
    pub(super) url: String,

    #[command(flatten)]
    pub(super) remote: RemoteArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Send also a delivery that is right in all, of the event type clerk_webhook.doctor: it reaches your handlers
    #[arg(long)]
    pub(super) send: bool,
}
