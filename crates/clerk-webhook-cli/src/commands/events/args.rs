//! The arguments of `clerk-webhook events`.

use clap::builder::TypedValueParser as _;

use crate::args::event_pattern::{EventNames, Pattern};

const EXAMPLES: &str = "\
Examples:
  clerk-webhook events
  clerk-webhook events 'organization*.created'
  clerk-webhook events user.created
  clerk-webhook events user.created__phone_only --example | jq .data";

/// List event types, or show an example and the fields of one
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Event type to show, or pattern of event types to list, such as 'user.*'
    #[arg(value_name = "TYPE", value_parser = EventNames.map(Pattern::from), hide_possible_values = true)]
    pub(super) pattern: Option<Pattern>,

    /// Print only the example, as one line of JSON
    #[arg(long, requires = "pattern")]
    pub(super) example: bool,
}
