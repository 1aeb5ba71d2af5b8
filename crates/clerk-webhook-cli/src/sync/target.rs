//! The tables of clerk-webhook-sync in either database.

use std::cmp::Ordering;
use std::sync::Arc;

use clerk_webhook_sync::{
    BackendApi, BackfillOptions, ClerkSync, ImportError, RawColumn, ReconcileOptions, Refreshed, Report,
    SchemaVersion, SyncDatabase,
};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Executor, PgPool, Postgres, Row, Sqlite, SqlitePool, Type};

use super::args::{Raw, TableArgs};
use super::failure::explain_database;
use super::{ApiArgs, Prefix};
use crate::database::{self, SqlDatabase};
use crate::environment::{self, Variable};
use crate::failure::Failure;

/// The variables with the URL of the database, and with a file that contains the URL.
const DATABASE_VARIABLES: [&str; 2] = ["DATABASE_URL", "DATABASE_URL_FILE"];

/// The variable with the id of the Clerk instance.
const INSTANCE_VARIABLE: &str = "CLERK_INSTANCE_ID";

/// The tables, with their prefix.
pub(crate) struct Target {
    pub(crate) sync: AnySync,
    pub(crate) prefix: Prefix,
    /// The instance that the arguments or the environment name.
    pub(crate) instance: Option<String>,
}

pub(crate) enum AnySync {
    Sqlite(ClerkSync<Sqlite>),
    Postgres(ClerkSync<Postgres>),
}

impl AnySync {
    /// Returns the kind of the database.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// What to do if the SQLite file does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IfMissing {
    Fail,
    Create,
}

/// Evaluates an expression for the sync of either database.
macro_rules! on {
    ($target:expr, $sync:ident => $work:expr) => {
        match $target {
            $crate::sync::AnySync::Sqlite($sync) => $work,
            $crate::sync::AnySync::Postgres($sync) => $work,
        }
    };
}
pub(crate) use on;

impl Target {
    /// Opens the database that the arguments or the environment name.
    pub(crate) async fn open(args: &TableArgs, if_missing: IfMissing) -> Result<Self, Failure> {
        let (database, source) = database(args)?;
        let prefix = args.names.prefix(database.kind())?;
        let sync = match database {
            SqlDatabase::Sqlite(options) => {
                let pool = match if_missing {
                    IfMissing::Fail => database::open_sqlite(*options, source).await,
                    IfMissing::Create => database::open_or_create_sqlite(*options, source).await,
                };
                AnySync::Sqlite(named(ClerkSync::new(pool?), &prefix)?)
            }
            SqlDatabase::Postgres(options) => {
                let pool = database::open_postgres(*options, source).await?;
                AnySync::Postgres(named(ClerkSync::new(pool), &prefix)?)
            }
        };
        Ok(Self { sync, prefix, instance: None })
    }

    /// Returns the tables without connecting to the database.
    pub(crate) fn unconnected(args: &TableArgs) -> Result<Self, Failure> {
        let (database, _) = database(args)?;
        let prefix = args.names.prefix(database.kind())?;
        let sync = match database {
            SqlDatabase::Sqlite(options) => {
                let pool = SqlitePool::connect_lazy_with(*options);
                AnySync::Sqlite(named(ClerkSync::new(pool), &prefix)?)
            }
            SqlDatabase::Postgres(options) => {
                let pool = PgPool::connect_lazy_with(*options);
                AnySync::Postgres(named(ClerkSync::new(pool), &prefix)?)
            }
        };
        Ok(Self { sync, prefix, instance: None })
    }

    /// Applies the settings of the arguments.
    pub(crate) fn with_settings(self, args: &ApiArgs, keeps_waitlist: bool) -> Result<Self, Failure> {
        let variable = environment::only(&[INSTANCE_VARIABLE])?;
        let instance = args.instance.clone().or_else(|| variable.map(Variable::announced));
        let raw = match args.raw {
            Raw::Public => RawColumn::Redacted,
            Raw::Full => RawColumn::Full,
            Raw::Off => RawColumn::Off,
        };
        let sync = match self.sync {
            AnySync::Sqlite(sync) => AnySync::Sqlite(set(sync, raw, instance.as_deref(), keeps_waitlist)),
            AnySync::Postgres(sync) => AnySync::Postgres(set(sync, raw, instance.as_deref(), keeps_waitlist)),
        };
        Ok(Self { sync, instance, ..self })
    }

    pub(crate) async fn version(&self) -> Result<SchemaVersion, Failure> {
        let version = on!(&self.sync, sync => sync.schema_version().await);
        version.map_err(|error| explain_database(&error))
    }

    /// Fails unless the tables have this version.
    pub(crate) async fn check_version(&self) -> Result<(), Failure> {
        let (tables, option) = (self.prefix.described(), self.prefix.option());
        let SchemaVersion { found, needed, .. } = self.version().await?;
        let message = match found.cmp(&needed) {
            Ordering::Equal => return Ok(()),
            Ordering::Less if found == 0 && option.is_empty() => format!(
                "the database has no tables {tables}. Run: clerk-webhook db migrate. If your application has tables with \
                 another name, add --schema or --prefix."
            ),
            Ordering::Less if found == 0 => {
                format!("the database has no tables {tables}. Run: clerk-webhook db migrate{option}")
            }
            Ordering::Less => format!(
                "the tables {tables} are at version {found}, this version needs {needed}. Run: \
                 clerk-webhook db migrate{option}"
            ),
            Ordering::Greater => format!(
                "the tables {tables} are at version {found}, newer than {needed}. Upgrade clerk-webhook."
            ),
        };
        Err(Failure::Schema(message))
    }

    pub(crate) async fn backfill(
        &self,
        api: &BackendApi,
        options: BackfillOptions,
    ) -> Result<Report, ImportError> {
        on!(&self.sync, sync => sync.backfill(api, options).await)
    }

    pub(crate) async fn reconcile(
        &self,
        api: &BackendApi,
        options: ReconcileOptions,
    ) -> Result<Report, ImportError> {
        on!(&self.sync, sync => sync.reconcile(api, options).await)
    }

    pub(crate) async fn refresh(&self, api: &BackendApi, id: &str) -> Result<Refreshed, ImportError> {
        on!(&self.sync, sync => sync.refresh(api, id).await)
    }

    /// Closes the connections.
    pub(crate) async fn close(&self) {
        on!(&self.sync, sync => sync.pool().close().await);
    }

    /// Reads rows whose columns are texts. The query must contain only names that are safe.
    pub(crate) async fn rows(
        &self,
        query: String,
        columns: usize,
    ) -> Result<Vec<Vec<Option<String>>>, sqlx::Error> {
        on!(&self.sync, sync => fetch(sync.pool(), query, columns).await)
    }
}

/// Returns the database that the arguments or the environment name, and the source of its name.
pub(crate) fn database(args: &TableArgs) -> Result<(SqlDatabase, &'static str), Failure> {
    let [url, file] = DATABASE_VARIABLES;
    let (text, source) = match &args.database {
        Some(text) => (text.clone(), "--database"),
        None => match environment::var_or_file(url, file)? {
            Some(variable) => (variable.announced(), url),
            None => {
                return Err(Failure::usage(
                    "no database. Pass --database with a SQLite file or a URL such as postgres://host/database, or set \
                     DATABASE_URL.",
                ));
            }
        },
    };
    let database = SqlDatabase::of(&text).ok_or_else(|| {
        Failure::usage(format_args!(
            "{source} does not name a database that this command supports. Pass the path of a SQLite file, or a URL \
             such as sqlite:app.db or postgres://host/database."
        ))
    })?;
    Ok((database, source))
}

fn named<DB: SyncDatabase>(sync: ClerkSync<DB>, prefix: &Prefix) -> Result<ClerkSync<DB>, Failure> {
    sync.prefix(&prefix.to_string()).map_err(|error| Failure::usage(format_args!("--prefix: {error}")))
}

fn set<DB: SyncDatabase>(
    sync: ClerkSync<DB>,
    raw: RawColumn,
    instance: Option<&str>,
    keeps_waitlist: bool,
) -> ClerkSync<DB> {
    let sync = sync.raw(raw);
    let sync = match instance {
        Some(id) => sync.instance_id(id),
        None => sync,
    };
    if keeps_waitlist { sync.keep_waitlist() } else { sync }
}

async fn fetch<'p, DB>(
    pool: &'p sqlx::Pool<DB>,
    query: String,
    columns: usize,
) -> Result<Vec<Vec<Option<String>>>, sqlx::Error>
where
    DB: sqlx::Database,
    &'p sqlx::Pool<DB>: Executor<'p, Database = DB>,
    usize: ColumnIndex<DB::Row>,
    for<'r> Option<String>: Decode<'r, DB>,
    Option<String>: Type<DB>,
{
    let query = AssertSqlSafe(Arc::<str>::from(query));
    let rows = pool.fetch_all(sqlx::raw_sql(query)).await?;
    rows.iter().map(|row| (0..columns).map(|column| row.try_get(column)).collect()).collect()
}
