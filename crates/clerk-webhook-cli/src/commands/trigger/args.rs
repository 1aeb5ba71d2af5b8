//! The arguments of `clerk-webhook trigger`.

use std::path::PathBuf;

use clerk_webhook_core::MessageId;

use super::assignment::Assignment;
use crate::args::event_pattern::EventNames;
use crate::args::header_names::HeaderNames;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::send::endpoint::EndpointArgs;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook trigger user.created
  clerk-webhook trigger user.created user.updated user.deleted --user user_2
  clerk-webhook trigger user.created__saml --set data.first_name=Ada \\
      --set 'data.public_metadata={\"plan\":\"pro\"}' --to :4000/hooks
  clerk-webhook trigger --file event.json --at -10m
  clerk-webhook trigger user.deleted --dry-run | sh";

const EXPLANATION: &str = "\
The examples user.created, user.updated, and user.deleted are about the same user, and likewise the examples of organizations \
and memberships. Their `timestamp` and `data.updated_at` become the time \
of the signature, so that each call sends a newer version. Without --set, the body of --file is sent byte for byte.

Exit codes: 0 every response is 2xx, 1 any other response, 2 incorrect usage, 3 no response.";

/// Send signed events, and show how Svix would treat the responses
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXPLANATION}"))]
pub(crate) struct Args {
    /// Event types or variants, which are sent in this order
    ///
    /// `clerk-webhook events` lists the event types. `clerk-webhook events TYPE` lists the variants of one, such
    /// as user.created__saml. With --file, TYPE replaces the type in the body.
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

    /// Send events about another user, such as user_2
    ///
    /// The ids of the user's objects, the addresses, the numbers, and the names differ too, so that they remain
    /// unique. Organizations, plans, and other people stay the same.
    #[arg(long, value_name = "ID", value_parser = user_id, conflicts_with = "file")]
    pub(super) user: Option<String>,

    /// Set a value, such as data.first_name=Ada; repeatable
    ///
    /// The path can also be a JSON Pointer, such as /data/first_name. Valid JSON is set as JSON, everything else
    /// as text.
    #[arg(long = "set", value_name = "PATH=VALUE", value_parser = Assignment::of_json)]
    pub(super) sets: Vec<Assignment>,

    /// Set a text, such as data.external_id=42; repeatable
    ///
    /// Applied after --set.
    #[arg(long = "set-string", value_name = "PATH=TEXT", value_parser = Assignment::of_text)]
    pub(super) text_sets: Vec<Assignment>,

    /// Body to send instead of an example; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,

    /// Message id [default: a new one]
    #[arg(long, value_name = "ID", value_parser = message_id)]
    pub(super) id: Option<MessageId>,

    /// Time of the signature, such as -10m
    ///
    /// Accepts -2d, -10m or +30s (from now), seconds since 1970, or a time such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    pub(super) at: Moment,

    /// Names of the signature headers
    #[arg(long, value_name = "NAMES", default_value = "svix")]
    pub(super) headers: HeaderNames,

    /// Send each delivery this number of times, 1 to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(super) copies: u16,

    /// Send the copies at the same time
    #[arg(long)]
    pub(super) concurrent: bool,

    /// Print curl commands instead of sending
    ///
    /// Their signatures are valid for 5 minutes from --at.
    #[arg(long)]
    pub(super) dry_run: bool,
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
