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
  clerk-webhook listen --open --forward http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook listen --respond 500,500,200 --record captures
  clerk-webhook --json listen | jq -r 'select(.origin == \"refused\") | .reason'

Nothing is fetched from Clerk: send something with `clerk-webhook trigger`, or let Clerk reach this machine by \
`clerk webhooks listen --forward-to URL` or a tunnel. One-time codes, messages, secret links and private metadata are \
never shown, only recorded.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Port to listen on; 0 takes a free one
    #[arg(long, short, default_value_t = 4000)]
    pub(super) port: u16,

    /// Address to listen on; with one that is not of loopback others can send, but not see the page
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(super) host: IpAddr,

    /// Only path that deliveries are taken at [default: any]
    #[arg(long, value_parser = path)]
    pub(super) path: Option<String>,

    /// Folder for a .http file of each delivery, which holds personal data: at most 256 MiB in a run, of which 64 MiB of
    /// what is refused
    #[arg(long, value_name = "DIR")]
    pub(super) record: Option<PathBuf>,

    /// Answers to what is authentic, one after the other, the last one for all that follow: a status, one with
    /// Retry-After in seconds such as 409:30, or timeout
    #[arg(long, value_name = "STATUS,…", value_delimiter = ',')]
    pub(super) respond: Vec<Step>,

    /// Endpoint that each delivery is passed on to, whose answer the sender gets
    #[arg(long, value_name = "URL")]
    pub(super) forward: Option<String>,

    #[command(flatten)]
    pub(super) remote: RemoteArgs,

    /// Open the page in a browser, by an address that works once, since others on this machine can see it in the list of
    /// processes
    #[arg(long)]
    pub(super) open: bool,

    /// Deliveries that are kept for the page and compared with, at most 64 MiB of them
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) limit: u16,

    /// Largest body that is taken, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 2 * 1024 * 1024, value_parser = clap::value_parser!(u32).range(1..=64 * 1024 * 1024))]
    pub(super) max_body: u32,
}

fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || text.contains(['?', '#']) || text.parse::<http::Uri>().is_err() {
        return Err("a path begins with a slash, such as /webhooks/clerk".to_owned());
    }
    if access::is_for(text) {
        return Err(format!("{} is the page's", access::ROOT));
    }
    Ok(text.to_owned())
}
