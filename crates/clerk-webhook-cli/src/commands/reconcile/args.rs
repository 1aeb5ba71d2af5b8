//! The arguments of `clerk-webhook reconcile`.

use crate::sync::{ApiArgs, TableArgs};

const EXAMPLES: &str = "\
Examples:
  clerk-webhook reconcile --dry-run                # lists the differences
  clerk-webhook reconcile                          # repairs them
  clerk-webhook reconcile user_2fAqQ8Xp9Jc3kLm7Vt  # repairs one row
  clerk-webhook reconcile --tables users,organizations --max-tombstones 500

The secret key is read from CLERK_SECRET_KEY, or .env.";

const EXPLANATION: &str = "\
Missing and outdated rows are written. A row is marked as deleted only if Clerk lists no such object, a second request \
confirms it, and nobody has changed the row for 10 minutes. If a table would lose more rows than --max-tombstones and 1 % of \
its rows, none of its rows is deleted, and the exit code is 5: the secret key may belong to another instance.

With ids, only these objects are read, and at most as many requests are sent.

CLERK_SECRET_KEY_FILE can name a file with the secret key instead.

Exit codes: 0 the tables are in step or were repaired, 1 --dry-run found differences, or the run was interrupted or is \
incomplete, 2 incorrect usage or a wrong secret key, 3 Clerk or the database does not respond, 4 the tables have another \
version, 5 refused to protect the tables.";

/// Compare your database with Clerk, and repair it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXPLANATION}"))]
pub(crate) struct Args {
    /// Ids of the objects [default: all objects]
    #[arg(value_name = "ID", conflicts_with_all = ["dry_run", "tables", "max_tombstones", "force"])]
    pub(super) ids: Vec<String>,

    /// Only list the differences
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Tables to compare, separated by commas [default: all except waitlist_entries]
    ///
    /// The tables are users, organizations, memberships, invitations, domains, roles, permissions, and
    /// waitlist_entries.
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    pub(super) tables: Vec<String>,

    /// Maximum number of deletions in a table, or 1 % of its rows if that is more
    ///
    /// With 0, no row may be deleted.
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(super) max_tombstones: u64,

    /// Allow any number of deletions
    #[arg(long)]
    pub(super) force: bool,

    #[command(flatten)]
    pub(super) api: ApiArgs,

    #[command(flatten)]
    pub(super) database: TableArgs,
}
