//! The arguments of `clerk-webhook listen`.

use std::net::IpAddr;
use std::path::PathBuf;

use super::page::access;
use super::script::Step;
use crate::args::secrets::SecretArgs;
use crate::send::endpoint::RemoteArgs;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook listen
  clerk-webhook listen --open --forward :3000/webhooks/clerk
  clerk-webhook listen --respond 500,500,200 --record captures
  clerk-webhook --json listen | jq -r 'select(.origin == \"refused\") | .reason'";

const EXPLANATION: &str = "\
The listener fetches nothing from Clerk. Send events with `clerk-webhook trigger`, `clerk webhooks listen --forward-to URL`, \
or through a tunnel. One-time codes, messages, secret links, and private metadata are never shown, but recordings contain \
them.";

/// Receive deliveries locally, and show their contents and changes
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXPLANATION}"))]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Port to listen on; 0 selects a free port
    #[arg(long, short, default_value_t = 4000)]
    pub(super) port: u16,

    /// Address to listen on
    ///
    /// Other machines can send to an address that is not a loopback address, but cannot open the page.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", value_parser = host)]
    pub(super) host: IpAddr,

    /// Path that accepts deliveries [default: any path]
    #[arg(long, value_parser = path)]
    pub(super) path: Option<String>,

    /// Record each delivery, with personal data, as a .http file in this folder
    ///
    /// A run writes at most 256 MiB, of which at most 64 MiB are rejected deliveries.
    #[arg(long, value_name = "DIR")]
    pub(super) record: Option<PathBuf>,

    /// Responses to authentic deliveries, such as 500,409:30,timeout
    ///
    /// The last one repeats. A response is a status, a status with Retry-After in seconds, or timeout.
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',')]
    pub(super) respond: Vec<Step>,

    /// Forward each delivery to this endpoint
    ///
    /// The sender gets its response, unless --respond is given.
    #[arg(long, value_name = "URL")]
    pub(super) forward: Option<String>,

    #[command(flatten)]
    pub(super) remote: RemoteArgs,

    /// Open the page with the deliveries in a browser
    ///
    /// The address works only once, because other users of this machine can see it in the process list.
    #[arg(long)]
    pub(super) open: bool,

    /// Number of deliveries to keep for the page and for comparisons
    ///
    /// Together, they have at most 64 MiB.
    #[arg(long, value_name = "NUMBER", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) limit: u16,

    /// Maximum size of a body, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1..=64 * 1024 * 1024))]
    pub(super) max_body: u32,
}

fn host(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address, such as 127.0.0.1")
}

fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || text.contains(['?', '#']) || text.parse::<http::Uri>().is_err() {
        return Err("expected a path that begins with a slash, such as /webhooks/clerk".to_owned());
    }
    if access::is_for(text) {
        return Err(format!("{} is reserved for the page", access::ROOT));
    }
    Ok(text.to_owned())
}
