//! The arguments of `clerk-webhook backfill`.

use crate::sync::{ApiArgs, TableArgs};

const EXAMPLES: &str = "\
Examples:
  clerk-webhook backfill --database sqlite:app.db
  clerk-webhook backfill --tables users,organizations,memberships
  clerk-webhook backfill --dry-run --json

The secret key is read from CLERK_SECRET_KEY, or .env.";

const EXPLANATION: &str = "\
Start your endpoint before the first import, so that it already writes events to the tables. Otherwise changes during the \
import are missing until the next `clerk-webhook reconcile`. The import and your endpoint can write at the same time: a row keeps the newest version of its \
object. Hooks of your application are not called.

If an import is interrupted, the same command continues within 24 hours: it skips complete tables, and continues after the \
last user. After a crash, it waits for up to 15 s.

CLERK_SECRET_KEY_FILE can name a file with the secret key instead.

Exit codes: 0 success, 1 interrupted or incomplete, 2 incorrect usage or a wrong secret key, 3 Clerk or the database does \
not respond, 4 the tables have another version, 5 refused, because the secret key may belong to another instance.";

/// Import Clerk's users and organizations into your database
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{EXPLANATION}"))]
pub(crate) struct Args {
    /// Tables to import, separated by commas [default: all except waitlist_entries]
    ///
    /// The tables are users, organizations, memberships, invitations, domains, roles, permissions, and
    /// waitlist_entries.
    #[arg(long, value_name = "TABLES", value_delimiter = ',')]
    pub(super) tables: Vec<String>,

    /// Only count what the import would write
    #[arg(long)]
    pub(super) dry_run: bool,

    /// Begin again, instead of continuing an interrupted import
    #[arg(long)]
    pub(super) restart: bool,

    #[command(flatten)]
    pub(super) api: ApiArgs,

    #[command(flatten)]
    pub(super) database: TableArgs,
}
