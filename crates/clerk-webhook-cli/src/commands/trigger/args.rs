//! The arguments of `clerk-webhook trigger`.

use std::path::PathBuf;

use clap::ValueEnum;
use clerk_webhook_core::{HeaderFamily, MessageId};

use super::assignment::{Assignment, TextAssignment};
use crate::args::event_pattern::EventNames;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::send::endpoint::{EndpointArgs, UserAgentArgs};

const EXAMPLES: &str = "\
Examples:
  clerk-webhook trigger user.created
  clerk-webhook trigger user.created user.updated user.deleted --user user_2
  clerk-webhook trigger user.created__saml --set data.first_name=Ada \\
      --set 'data.public_metadata={\"plan\":\"pro\"}' --to :4000/hooks
  clerk-webhook trigger --file event.json --at -10m
  clerk-webhook trigger user.deleted --dry-run | sh

The examples are about the same user, organization, and membership. Their `timestamp` and `data.updated_at` become the time \
of the signature, so that each call sends a newer version. Without --set, the body of --file is sent byte for byte.

Exit codes: 0 every response is 2xx, 1 any other response, 2 incorrect usage, 3 no response.";

/// Send a signed event, and show how Svix would treat the response
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Event types or variants, such as user.created__saml, which are sent in this order; `clerk-webhook events`
    /// lists the event types, and `clerk-webhook events TYPE` lists the variants of one. With --file, replaces
    /// the type in the body
    #[arg(
        value_name = "TYPE",
        required_unless_present = "file",
        value_parser = EventNames,
        hide_possible_values = true
    )]
    pub(super) event_types: Vec<String>,

    #[command(flatten)]
    pub(super) endpoint: EndpointArgs,

    #[command(flatten)]
    pub(super) secrets: SecretArgs,

    /// User of the event, such as user_2; the user's addresses and objects get other ids too [default: the same
    /// user in all examples]
    #[arg(long, value_name = "ID", value_parser = user_id, conflicts_with = "file")]
    pub(super) user: Option<String>,

    /// Set a value in the body, such as data.first_name=Ada or /data/first_name=Ada; valid JSON is set as
    /// JSON, everything else as text; repeatable
    #[arg(long = "set", value_name = "PATH=VALUE")]
    pub(super) sets: Vec<Assignment>,

    /// Set a value as text, even if it is valid JSON, such as data.external_id=42; repeatable, applied after
    /// --set
    #[arg(long = "set-string", value_name = "PATH=TEXT")]
    pub(super) text_sets: Vec<TextAssignment>,

    /// Send the body in this file instead of an example; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    /// Message id [default: a new one]
    #[arg(long, value_name = "ID", value_parser = message_id)]
    pub(super) id: Option<MessageId>,

    /// Time of the signature: -10m or +30s (from now), seconds since 1970, or a time such as
    /// 2026-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    pub(super) at: Moment,

    /// Names of the signature headers: svix (svix-id, …), as Clerk sends them, or webhook (webhook-id, …)
    #[arg(long, value_name = "NAMES", default_value = "svix")]
    pub(super) headers: Family,

    #[command(flatten)]
    pub(super) agent: UserAgentArgs,

    /// Send the same delivery this number of times, 1 to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) copies: u16,

    /// Send all copies at the same time
    #[arg(long)]
    pub(super) concurrent: bool,

    /// Send nothing, and print a curl command that sends the delivery; its signature is valid for 5 minutes
    /// from --at
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The names of the signature headers.
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

fn user_id(text: &str) -> Result<String, String> {
    let is_valid = text.strip_prefix("user_").is_some_and(|rest| {
        (1..=40).contains(&rest.len())
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    });
    if is_valid {
        Ok(text.to_owned())
    } else {
        Err("expected user_ and up to 40 letters and digits".to_owned())
    }
}

fn message_id(text: &str) -> Result<MessageId, String> {
    text.parse()
        .map_err(|_| "expected 1 to 256 visible ASCII characters without a dot, such as msg_1".to_owned())
}
