//! The arguments of `clerk-webhook serve`.

use std::path::PathBuf;

const EXAMPLES: &str = "\
Variables: CLERK_WEBHOOK_SIGNING_SECRET is required; without CLERK_SECRET_KEY, the server neither imports nor compares; CLERK_WEBHOOK_ADMIN_TOKEN protects \
/status; CLERK_WEBHOOK_FORWARD_SECRET signs the forward. Each, and DATABASE_URL, can also be in a file that a variable such as \
CLERK_SECRET_KEY_FILE names. Secrets have no flags, because all users of a machine can see the process list. \
OTEL_EXPORTER_OTLP_ENDPOINT names a collector for traces.

Each setting under Database, Clerk, Listeners, Forward and Log has a variable such as CLERK_WEBHOOK_LISTEN, and a key in the \
file of --config such as listen. Three variables have other names: DATABASE_URL for --database, CLERK_INSTANCE_ID for --instance, and RUST_LOG for --log. A \
flag overrides the variable, and the variable overrides the file.

Examples:
  clerk-webhook serve --database sqlite:app.db
  clerk-webhook serve --check
  clerk-webhook serve --forward-to http://localhost:8080/webhooks/clerk

Exit codes: 0 success, 1 a signal interrupted the start, or a second signal the shutdown, 2 incorrect configuration, 3 the database or the network \
does not respond, 4 the tables have another version, 5 the secret key belongs to another instance.";

/// Keep Clerk's users and organizations in your database
///
/// Verifies deliveries, writes them to the tables, imports what existed before, compares the tables with Clerk once a
/// day, and forwards each event to your application.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// File with settings, in TOML
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    /// Run the checks of the start, change nothing, and exit
    #[arg(long)]
    pub(super) check: bool,

    /// Print the settings with their origins, without secrets, and exit
    #[arg(long, conflicts_with = "check")]
    pub(super) print_config: bool,

    /// SQLite file, or URL of the database [default: $DATABASE_URL]
    #[arg(long, value_name = "URL", help_heading = "Database")]
    database: Option<String>,

    /// Schema of the tables in Postgres, prefix of the tables in SQLite [default: clerk]
    #[arg(long, value_name = "NAME", help_heading = "Database")]
    schema: Option<String>,

    /// Create or update the tables at the start [default: true for SQLite, false for Postgres]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", help_heading = "Database")]
    migrate: Option<String>,

    /// Optional tables to keep: sessions, billing, waitlist [default: none]
    #[arg(long, value_name = "TABLES", help_heading = "Database")]
    tables: Option<String>,

    /// Content of the raw columns: public, full, or off [default: public]
    #[arg(long, value_name = "WHAT", help_heading = "Database")]
    raw: Option<String>,

    /// Maximum number of connections to Postgres [default: 10]
    #[arg(long, value_name = "N", help_heading = "Database")]
    pool: Option<String>,

    /// How long to wait for Postgres at the start [default: 30s]
    #[arg(long, value_name = "TIME", help_heading = "Database")]
    db_wait: Option<String>,

    /// Send NOTIFY on this channel of Postgres for each change, or off [default: off]
    ///
    /// Changes of an import are not sent. Notifications are not durable, and they serialize commits.
    #[arg(long, value_name = "CHANNEL", help_heading = "Database")]
    notify: Option<String>,

    /// Ignore events of other Clerk instances, and refuse their secret keys [default: the secret key's instance]
    #[arg(long, value_name = "ID", help_heading = "Clerk")]
    instance: Option<String>,

    /// Import when no import has completed: auto or off [default: auto]
    #[arg(long, value_name = "WHEN", help_heading = "Clerk")]
    backfill: Option<String>,

    /// How often to compare the tables with Clerk, or off [default: 24h]
    #[arg(long, value_name = "TIME", help_heading = "Clerk")]
    reconcile_every: Option<String>,

    /// Share of Clerk's rate limit to use [default: 0.5]
    #[arg(long, value_name = "SHARE", help_heading = "Clerk")]
    api_share: Option<String>,

    /// URL of the Backend API
    #[arg(long, value_name = "URL", hide = true)]
    pub(super) api_url: Option<String>,

    /// Address for deliveries [default: 127.0.0.1:3000, or 0.0.0.0:$PORT]
    #[arg(long, value_name = "ADDRESS", help_heading = "Listeners")]
    listen: Option<String>,

    /// Address for metrics, health and status, or off [default: 127.0.0.1:9464]
    #[arg(long, value_name = "ADDRESS", help_heading = "Listeners")]
    admin_listen: Option<String>,

    /// Path of the deliveries [default: /webhooks/clerk]
    #[arg(long, value_name = "PATH", help_heading = "Listeners")]
    path: Option<String>,

    /// How long to accept deliveries after a signal, until the load balancer notices [default: 0s]
    #[arg(long, value_name = "TIME", help_heading = "Listeners")]
    drain: Option<String>,

    /// URL that receives each event, signed [default: none]
    ///
    /// https, or http to a private address. An event becomes a dead letter after 12 failed attempts.
    #[arg(long, value_name = "URL", help_heading = "Forward")]
    forward_to: Option<String>,

    /// Format of the log: text or json [default: text on a terminal, else json]
    #[arg(long, value_name = "FORMAT", help_heading = "Log")]
    log_format: Option<String>,

    /// Levels of the log, such as warn or info,sqlx=warn [default: info]
    #[arg(long, value_name = "LEVELS", help_heading = "Log")]
    log: Option<String>,
}

impl Args {
    /// Returns the settings that were given, with their names.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let all = [
            ("database", &self.database),
            ("schema", &self.schema),
            ("migrate", &self.migrate),
            ("tables", &self.tables),
            ("raw", &self.raw),
            ("pool", &self.pool),
            ("db-wait", &self.db_wait),
            ("notify", &self.notify),
            ("instance", &self.instance),
            ("backfill", &self.backfill),
            ("reconcile-every", &self.reconcile_every),
            ("api-share", &self.api_share),
            ("listen", &self.listen),
            ("admin-listen", &self.admin_listen),
            ("path", &self.path),
            ("drain", &self.drain),
            ("forward-to", &self.forward_to),
            ("log-format", &self.log_format),
            ("log", &self.log),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }
}
