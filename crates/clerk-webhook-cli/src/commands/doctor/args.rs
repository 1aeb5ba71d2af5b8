//! The arguments of `clerk-webhook doctor`.

use crate::args::secrets::SecretArgs;
use crate::send::endpoint::{RemoteArgs, UserAgentArgs};

const EXAMPLES: &str = "\
Examples:
  clerk-webhook doctor
  clerk-webhook doctor --send --json
  clerk-webhook doctor https://example.com/webhooks/clerk --allow-remote

Sends requests that an endpoint must reject: unsigned, forged, too old, in the future, too large. Their event \
type is clerk_webhook.doctor, which Clerk does not send. With --send, also sends one valid delivery, and compares the \
other responses with the response to it.

Exit codes: 0 no check is bad, 1 a check is bad or the server is unreachable, 2 incorrect usage.";

/// Check an endpoint from outside, and report problems
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// URL of the endpoint [default: $CLERK_WEBHOOK_URL, else :3000/webhooks/clerk]
    pub(super) url: Option<String>,

    #[command(flatten)]
    pub(super) remote: RemoteArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Also send a valid delivery, which reaches your application as an unknown event type
    #[arg(long)]
    pub(super) send: bool,

    #[command(flatten)]
    pub(super) agent: UserAgentArgs,
}
