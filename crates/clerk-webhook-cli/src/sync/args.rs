//! The arguments that select the database, the tables, and the Clerk instance.

use clap::ValueEnum;

use super::prefix::Prefix;
use super::schema::Schema;
#[cfg(feature = "sync")]
use crate::database::DatabaseKind;
#[cfg(feature = "sync")]
use crate::failure::Failure;

/// The URL of Clerk's Backend API.
pub(crate) const DEFAULT_API_URL: &str = "https://api.clerk.com/v1";

/// The arguments that select the tables.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Database")]
pub(crate) struct TableArgs {
    /// SQLite file, or URL of the database [default: $DATABASE_URL]
    ///
    /// A URL begins with sqlite: or postgres:. All users of this machine can see it in the process list.
    /// $DATABASE_URL_FILE can name a file that contains the URL.
    #[arg(long, value_name = "URL")]
    pub(crate) database: Option<String>,

    #[command(flatten)]
    pub(crate) names: NameArgs,
}

/// The arguments that select the names of the tables.
#[derive(Debug, clap::Args)]
pub(crate) struct NameArgs {
    /// Schema of the tables in Postgres, prefix of the tables in SQLite, as in serve [default: $CLERK_WEBHOOK_SCHEMA, or clerk]
    #[arg(long, value_name = "NAME")]
    schema: Option<Schema>,

    /// Prefix of your application's tables, instead of --schema, such as clerk_ or auth.clerk_
    ///
    /// Your application creates its tables with `ClerkSync`, whose default is clerk_.
    #[arg(long, value_name = "PREFIX", conflicts_with = "schema")]
    prefix: Option<Prefix>,
}

/// The names of the tables.
#[cfg(feature = "sync")]
pub(crate) enum Names {
    /// The tables of `serve`.
    Schema(Schema),
    /// The tables of an application.
    Prefix(Prefix),
}

#[cfg(feature = "sync")]
impl NameArgs {
    /// Returns the names that the arguments or the environment select.
    pub(crate) fn names(&self) -> Result<Names, Failure> {
        match &self.prefix {
            Some(prefix) => Ok(Names::Prefix(prefix.clone())),
            None => Schema::find(self.schema.as_ref()).map(Names::Schema),
        }
    }

    pub(crate) fn prefix(&self, kind: DatabaseKind) -> Result<Prefix, Failure> {
        Ok(match self.names()? {
            Names::Schema(schema) => Prefix::of_server(&schema, kind),
            Names::Prefix(prefix) => prefix,
        })
    }
}

/// The arguments that select the objects and the Clerk instance.
#[derive(Debug, clap::Args)]
pub(crate) struct ApiArgs {
    /// Content of the raw columns, as in your application
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Raw::Public)]
    pub(crate) raw: Raw,

    /// Refuse other Clerk instances than this id [default: $CLERK_INSTANCE_ID]
    #[arg(long, value_name = "ID", help_heading = "Clerk")]
    pub(crate) instance: Option<String>,

    /// URL of the Backend API
    #[arg(long, value_name = "URL", default_value = DEFAULT_API_URL, help_heading = "Clerk")]
    pub(crate) api_url: String,

    /// Share of Clerk's rate limit to use
    ///
    /// The requests of your application count too.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, help_heading = "Clerk")]
    pub(crate) api_share: f64,
}

/// What the `raw` column stores.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Raw {
    /// All data except private metadata and secrets
    Public,
    /// All data, including private metadata
    Full,
    /// Nothing
    Off,
}
