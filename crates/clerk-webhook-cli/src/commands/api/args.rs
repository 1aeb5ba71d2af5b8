//! The arguments of `clerk-webhook api`.

use std::net::SocketAddr;

use clap::ValueEnum;
use clerk_webhook_test::ObjectKind;

use crate::args::history::{HistoryArgs, Kind};

const EXAMPLES: &str = "\
Examples:
  clerk-webhook api --seed 7 --events 1000
      the objects after the 1000 events that `clerk-webhook scenario all --seed 7 --events 1000` sends
  clerk-webhook api churn --seed 7 --events 1000 --at 500
      the objects after the first 500 events
  clerk-webhook api --seed 7 --faults 1 --rate-limit
      responses that fail, are slow, or end early, and a development instance's limit
  clerk-webhook api --without organizations
      an instance without organizations";

const EXPLANATION: &str = "\
The API answers the GET requests that list and get users, organizations, memberships, invitations, domains, roles, \
permissions, and waitlist entries, with Clerk's paging, filters, limits, and errors. It accepts only the printed key, which is \
public. Nothing is sent to Clerk.

The header Date has the time of the history, not the time of this machine. At the end of the history, it is an hour after \
the last event, and then passes as fast as on this machine.

An organization can have a later updated_at and another members_count than in its last event: Clerk sends no event about \
an organization when a member joins or leaves.

Exit codes: 0 stopped with Ctrl-C, 2 incorrect usage.";

/// Serve the objects of a history as Clerk's Backend API does
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXPLANATION}"))]
pub(crate) struct Args {
    /// History whose objects are served
    #[arg(value_enum, default_value_t = Kind::All)]
    pub(super) scenario: Kind,

    #[command(flatten)]
    pub(super) history: HistoryArgs,

    /// Serve the objects after this number of events [default: all events]
    #[arg(long, value_name = "NUMBER")]
    pub(super) at: Option<usize>,

    /// Address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:4011", value_parser = address)]
    pub(super) listen: SocketAddr,

    /// Respond with 429 after this number of requests in 10 s [default without a number: 100]
    ///
    /// Clerk allows 100 requests for a development instance, and 1000 for a production instance.
    #[arg(
        long, value_name = "REQUESTS", num_args = 0..=1, require_equals = true, default_missing_value = "100",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(super) rate_limit: Option<u32>,

    /// Let a fifth of the requests fail: 429, 500, 502, 503, 504, a response after 2 s, or a cut one
    ///
    /// The same seed makes the same requests fail. At most three consecutive requests fail.
    #[arg(long, value_name = "SEED")]
    pub(super) faults: Option<u64>,

    /// Turn a feature of the instance off; repeatable
    #[arg(long, value_name = "FEATURE", value_enum)]
    pub(super) without: Vec<Feature>,
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:4011")
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Feature {
    /// Organizations and everything that belongs to them: 404, as at Clerk
    Organizations,
    /// Domains of organizations
    Domains,
    /// Waitlist
    Waitlist,
}

impl Feature {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Organizations => "organizations",
            Self::Domains => "domains",
            Self::Waitlist => "waitlist",
        }
    }

    /// Returns whether the API serves the objects of a kind only with this feature.
    pub(super) fn serves(self, kind: ObjectKind) -> bool {
        match self {
            Self::Organizations => !matches!(kind, ObjectKind::User | ObjectKind::WaitlistEntry),
            Self::Domains | Self::Waitlist => kind == self.kind(),
        }
    }

    /// Returns the kind whose absence turns the feature off.
    pub(super) fn kind(self) -> ObjectKind {
        match self {
            Self::Organizations => ObjectKind::Organization,
            Self::Domains => ObjectKind::OrganizationDomain,
            Self::Waitlist => ObjectKind::WaitlistEntry,
        }
    }
}
