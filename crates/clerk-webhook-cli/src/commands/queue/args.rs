//! The arguments of `clerk-webhook queue`.

use clap::Subcommand;
use clerk_webhook_core::MessageId;

use crate::args::event_pattern::EventNames;
use crate::sync::Schema;

const EXAMPLES: &str = "\
Examples:
  clerk-webhook queue list --database queue.db
  clerk-webhook queue show msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa --database queue.db
  clerk-webhook queue retry --all --database queue.db

Exit codes: 0 success, 1 a message is not a dead letter, or you declined to discard, 2 incorrect usage, or a missing table or \
stream, 3 the queue cannot be opened, read, or changed.";

const EXAMPLES_OF_LIST: &str = "\
Examples:
  clerk-webhook queue list --database nats://127.0.0.1:4222
  clerk-webhook queue list --type user.created --limit 5
  clerk-webhook --json queue list | jq -r .last_error | sort | uniq -c";

const EXAMPLES_OF_SHOW: &str = "\
Examples:
  clerk-webhook queue show msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa
  clerk-webhook queue show msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa --payload > a.json";

const EXAMPLES_OF_RETRY: &str = "\
Examples:
  clerk-webhook queue retry msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa
  clerk-webhook queue retry --all
  clerk-webhook queue retry --all --type user.created";

const EXAMPLES_OF_DISCARD: &str = "\
Later deliveries of the message are still duplicates.

Examples:
  clerk-webhook queue discard msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa
  clerk-webhook queue discard msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa --yes";

const EXAMPLES_OF_STATS: &str = "\
Examples:
  clerk-webhook queue stats --database queue.db
  clerk-webhook --json queue stats | jq .dead";

/// List, show, retry, and discard dead letters, and count events
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) action: Action,

    #[command(flatten)]
    pub(super) queue: QueueArgs,
}

/// What to do with the queue.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// List the dead letters, newest first
    #[command(after_help = EXAMPLES_OF_LIST)]
    List(List),
    /// Show a dead letter and its redacted body
    #[command(after_help = EXAMPLES_OF_SHOW)]
    Show(Show),
    /// Make dead letters ready again, and count their attempts from 0
    #[command(after_help = EXAMPLES_OF_RETRY)]
    Retry(Retry),
    /// Delete the events of dead letters, so that no worker handles them
    #[command(after_help = EXAMPLES_OF_DISCARD)]
    Discard(Discard),
    /// Count the events that are ready, running, and dead
    #[command(after_help = EXAMPLES_OF_STATS)]
    Stats,
}

/// The arguments that select the queue.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Queue")]
pub(super) struct QueueArgs {
    /// SQLite file, or URL of the queue [default: $DATABASE_URL or $NATS_URL]
    ///
    /// A URL begins with sqlite:, postgres: or nats:, such as nats://host:4222.
    #[arg(long, global = true, value_name = "URL")]
    pub(super) database: Option<String>,

    /// Scope of the queue: the name of the endpoint
    #[arg(long, global = true, value_name = "NAME", default_value = "clerk")]
    pub(super) scope: String,

    /// SQLite and Postgres: --schema of serve [default: $CLERK_WEBHOOK_SCHEMA, or clerk]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) schema: Option<Schema>,

    /// SQLite and Postgres: table of your application's queue, instead of --schema, such as clerk_webhook_queue
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) table: Option<String>,

    /// Postgres: schema of graphile_worker, with --table [default: graphile_worker]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) graphile_schema: Option<String>,

    /// NATS: prefix of the stream's name [default: clerk_webhook]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) prefix: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct List {
    /// List only dead letters of this event type
    #[arg(long = "type", value_name = "TYPE", value_parser = EventNames, hide_possible_values = true)]
    pub(super) event_type: Option<String>,

    /// Maximum number of dead letters
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) limit: u32,
}

#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// Message id of the dead letter
    #[arg(value_name = "MESSAGE_ID")]
    pub(super) message_id: MessageId,

    /// Print only the body, which contains personal data; byte for byte if standard output is not a terminal
    #[arg(long)]
    pub(super) payload: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct Retry {
    /// Message ids of the dead letters
    #[arg(value_name = "MESSAGE_ID", conflicts_with = "all")]
    pub(super) message_ids: Vec<MessageId>,

    /// Retry all dead letters, or all of one type
    #[arg(long)]
    pub(super) all: bool,

    /// With --all, retry only dead letters of this event type
    #[arg(
        long = "type", value_name = "TYPE", conflicts_with = "message_ids", value_parser = EventNames, hide_possible_values = true
    )]
    pub(super) event_type: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Discard {
    /// Message ids of the dead letters
    #[arg(value_name = "MESSAGE_ID", required = true)]
    pub(super) message_ids: Vec<MessageId>,

    /// Discard without asking
    #[arg(short, long)]
    pub(super) yes: bool,
}

#[cfg(feature = "queue")]
impl Action {
    /// Returns whether the action changes the queue.
    pub(super) fn writes(&self) -> bool {
        matches!(self, Self::Retry(_) | Self::Discard(_))
    }
}
