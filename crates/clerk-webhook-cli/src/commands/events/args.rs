//! The arguments of `clerk-webhook events`.

use clap::builder::TypedValueParser as _;

use crate::args::event_pattern::{EventNames, Pattern};

const EXAMPLES: &str = "\
Examples:
  clerk-webhook events
  clerk-webhook events 'organization*.created'
  clerk-webhook events user.created
  clerk-webhook events user.created__phone_only --example | jq .data.phone_numbers";

/// List the events that Clerk sends, or show one: an example and its fields
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Event type to show, or a pattern such as 'user.*' to list
    #[arg(value_name = "TYPE", value_parser = EventNames.map(Pattern::from), hide_possible_values = true)]
    pub(super) pattern: Option<Pattern>,

    /// Print only the example, as it is sent: one line of JSON
    #[arg(long, requires = "pattern")]
    pub(super) example: bool,
}
