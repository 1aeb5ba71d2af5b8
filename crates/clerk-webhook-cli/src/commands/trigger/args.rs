//! The arguments of `clerk-webhook trigger`.

use std::path::PathBuf;

use clap::ValueEnum;
use clerk_webhook_core::{HeaderFamily, MessageId};

use super::assignment::{Assignment, TextAssignment};
use crate::args::event_pattern::EventNames;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::send::endpoint::EndpointArgs;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook trigger user.created --to http://127.0.0.1:3000/webhooks/clerk
  clerk-webhook trigger user.created__saml --set data.first_name=Ada \\
      --set 'data.public_metadata={\"plan\":\"pro\"}' --to http://127.0.0.1:3000/
  clerk-webhook trigger user.deleted --to http://127.0.0.1:3000/ --dry-run | sh
  clerk-webhook trigger --file event.json --at -10m --to http://127.0.0.1:3000/

The envelope's timestamp becomes the moment of signing; all else is sent as the example has it, and the body of --file to \
the byte, unless something is set in it.

Exit codes: 0 it was answered with 2xx, 1 with anything else, 2 wrong usage, 3 no answer.";

/// Sign an event and send it, and say what Svix would do with the answer
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Event type, or a variant such as user.created__saml, as `clerk-webhook events` lists them; with --file it
    /// replaces the type in the body
    #[arg(
        value_name = "TYPE",
        required_unless_present = "file",
        value_parser = EventNames,
        hide_possible_values = true
    )]
    pub(super) event_type: Option<String>,

    #[command(flatten)]
    pub(super) endpoint: EndpointArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// Set a value in the body, such as data.first_name=Ada or /data/first_name=Ada; it is JSON if it can be
    /// read as such, else text; repeatable
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(super) sets: Vec<Assignment>,

    /// Set a value that is text whatever it looks like, such as data.external_id=42; repeatable, after all --set
    #[arg(long = "set-string", value_name = "PATH=TEXT")]
    pub(super) text_sets: Vec<TextAssignment>,

    /// Send the body in this file instead of an example; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    /// Message id [default: a new one]
    #[arg(long, value_name = "ID", value_parser = message_id)]
    pub(super) id: Option<MessageId>,

    /// When it is signed: -10m or +30s from now, seconds since 1970, or a time such as 2026-01-31T12:00:00Z
    #[arg(long, value_name = "WHEN", default_value = "now", allow_hyphen_values = true)]
    pub(super) at: Moment,

    /// Names of the signature headers: svix-* as Clerk sends them, or webhook-*
    #[arg(long, value_name = "FAMILY", default_value = "svix")]
    pub(super) headers: Family,

    /// Send the same delivery so many times, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) copies: u16,

    /// Send all copies at once instead of one after the other
    #[arg(long)]
    pub(super) concurrent: bool,

    /// Send nothing, and print the curl command that does, good for five minutes from --at
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The two sets of names that signature headers have.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Family {
    Svix,
    Webhook,
}

impl From<Family> for HeaderFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::Svix => Self::Svix,
            Family::Webhook => Self::Webhook,
        }
    }
}

fn message_id(text: &str) -> Result<MessageId, String> {
    text.parse()
        .map_err(|_| "an id is 1 to 256 visible ASCII characters without a dot, such as msg_1".to_owned())
}
