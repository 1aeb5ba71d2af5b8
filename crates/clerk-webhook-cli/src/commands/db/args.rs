//! The arguments of `clerk-webhook db`.

use clap::Subcommand;

use crate::sync::{NameArgs, TableArgs};

const EXAMPLES: &str = "\
Examples:
  clerk-webhook db migrate --database sqlite:app.db
  clerk-webhook db status
  clerk-webhook db forget-user user_2fAqQ8Xp9Jc3kLm7Vt

Exit codes: 0 success, 1 you declined to erase, 2 incorrect usage, 3 the database does not respond, 4 the tables have another \
version.";

const EXAMPLES_OF_MIGRATE: &str = "\
With --schema, the command creates all tables of `clerk-webhook serve`, if it was built with the serve feature. With --prefix, \
it creates only the tables of `ClerkSync`. In Postgres, the schema of --prefix must exist.

Examples:
  clerk-webhook db migrate --database sqlite:app.db
  clerk-webhook db migrate --schema shop
  clerk-webhook db migrate --prefix auth.clerk_
  clerk-webhook db migrate --print --database postgres:// > clerk.sql";

const EXAMPLES_OF_STATUS: &str = "\
Examples:
  clerk-webhook db status --database sqlite:app.db
  clerk-webhook --json db status | jq .tables.users.live";

const EXAMPLES_OF_GRANTS: &str = "\
Examples:
  clerk-webhook db grants reporting | psql \"$DATABASE_URL\"";

const EXAMPLES_OF_VIEW: &str = "\
Examples:
  clerk-webhook db view | psql \"$DATABASE_URL\"";

const EXAMPLES_OF_PURGE: &str = "\
Deletes the ids of messages that were handled. If a message is resent after its id was deleted, it is handled again. Rows of \
users and tombstones have no retention: they stay.

Examples:
  clerk-webhook db purge
  clerk-webhook db purge --days 7 --deliveries hooks.clerk_webhook_delivery";

const EXAMPLES_OF_FORGET_USER: &str = "\
Erases the user's row, addresses, phone numbers, and external accounts, and the invitations and waitlist entries with one of \
the addresses. Tombstones with the ids remain. Later events and imports do not restore the user. If the user has no row, the command \
writes a tombstone too, and later events about this user are ignored. So check the id first.

Examples:
  clerk-webhook db forget-user user_2fAqQ8Xp9Jc3kLm7Vt
  clerk-webhook db forget-user user_2fAqQ8Xp9Jc3kLm7Vt --yes";

const EXAMPLES_OF_FORGET_EMAIL: &str = "\
Erases the invitations and waitlist entries with this address, in any case. For a user, use forget-user.

Examples:
  clerk-webhook db forget-email ada@example.com
  clerk-webhook db forget-email ada@example.com --yes";

/// Create the tables, show their state, and erase personal data
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) action: Action,
}

/// What to do with the database.
#[derive(Debug, Subcommand)]
pub(super) enum Action {
    /// Create the tables and views, or update them to this version
    #[command(after_help = EXAMPLES_OF_MIGRATE)]
    Migrate(Migrate),
    /// Show the version, the numbers of rows, and the last import
    #[command(after_help = EXAMPLES_OF_STATUS)]
    Status(Status),
    /// Print the SQL that lets a role of Postgres read the tables
    #[command(after_help = EXAMPLES_OF_GRANTS)]
    Grants(Grants),
    /// Print the SQL of a view like Neon's users_sync
    #[command(after_help = EXAMPLES_OF_VIEW)]
    View(View),
    /// Delete the ids of old messages
    #[command(after_help = EXAMPLES_OF_PURGE)]
    Purge(Purge),
    /// Erase the personal data of a user
    #[command(after_help = EXAMPLES_OF_FORGET_USER)]
    ForgetUser(ForgetUser),
    /// Erase the invitations and waitlist entries with an email address
    #[command(after_help = EXAMPLES_OF_FORGET_EMAIL)]
    ForgetEmail(ForgetEmail),
}

#[derive(Debug, clap::Args)]
pub(super) struct Migrate {
    /// Print the SQL of the tables of `ClerkSync` instead of running it
    ///
    /// The output does not contain the other parts that the command creates: the schema, the table of the
    /// deliveries, and the queue.
    #[arg(long)]
    pub(super) print: bool,

    #[command(flatten)]
    pub(super) database: TableArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) database: TableArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct Grants {
    /// Role that may read the tables, which contain personal data
    #[arg(value_name = "ROLE")]
    pub(super) role: String,

    #[command(flatten)]
    pub(super) names: NameArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct View {
    #[command(flatten)]
    pub(super) names: NameArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct Purge {
    /// Age from which ids are deleted, in days
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(7..))]
    pub(super) days: u32,

    /// Table of the deduplication store [default: the table of --schema; with --prefix, clerk_webhook_delivery]
    #[arg(long, value_name = "NAME")]
    pub(super) deliveries: Option<String>,

    /// Table of the queue [default: the table of --schema; with --prefix, clerk_webhook_queue]
    #[cfg(feature = "queue")]
    #[arg(long, value_name = "NAME")]
    pub(super) queue: Option<String>,

    #[command(flatten)]
    pub(super) database: TableArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ForgetUser {
    /// Id of the user
    #[arg(value_name = "USER_ID")]
    pub(super) id: String,

    /// Erase without asking
    #[arg(short, long)]
    pub(super) yes: bool,

    #[command(flatten)]
    pub(super) database: TableArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct ForgetEmail {
    /// Email address
    #[arg(value_name = "ADDRESS")]
    pub(super) address: String,

    /// Erase without asking
    #[arg(short, long)]
    pub(super) yes: bool,

    #[command(flatten)]
    pub(super) database: TableArgs,
}
