//! `db migrate --schema`: creates or updates all tables of the server without starting it.

use clerk_webhook_sync::{SchemaVersion, SyncDatabase};
use serde_json::json;
use sqlx::{Executor, Pool};

use super::config::check_schema;
use super::start::schema::{Migrate, Tables};
use super::start::{postgres, sqlite};
use crate::database::{SqlDatabase, open_or_create_sqlite, open_postgres, why};
use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::{GOOD, QUIET};
use crate::sync::{Prefix, TableArgs, database};

/// Creates or updates the tables of the sync, the store and the queue.
pub(crate) async fn migrate(args: &TableArgs, schema: &str, output: &Output) -> Result<(), Failure> {
    check_schema(schema).map_err(|problem| Failure::usage(format_args!("--schema: {problem}")))?;
    let (database, source) = database(args)?;
    let prefix = |text: String| text.parse::<Prefix>().map_err(Failure::usage);
    match database {
        SqlDatabase::Sqlite(options) => {
            let pool = open_or_create_sqlite(*options, source).await?;
            let tables = sqlite::tables(pool, &prefix(format!("{schema}_"))?, true)?;
            migrate_in(&tables, schema, output).await
        }
        SqlDatabase::Postgres(options) => {
            let pool = open_postgres(*options, source).await?;
            let connection = pool.acquire().await;
            let mut connection = connection.map_err(|error| Failure::network(why(&error)))?;
            postgres::create_schema(&mut connection, schema).await?;
            drop(connection);
            let tables = postgres::tables(pool, &prefix(format!("{schema}."))?, schema, true)?;
            migrate_in(&tables, schema, output).await
        }
    }
}

async fn migrate_in<DB, S: Migrate, Q: Migrate>(
    tables: &Tables<DB, S, Q>,
    schema: &str,
    output: &Output,
) -> Result<(), Failure>
where
    DB: SyncDatabase,
    for<'p> &'p Pool<DB>: Executor<'p, Database = DB>,
{
    let SchemaVersion { found, needed, .. } = tables.refuse_newer(schema).await?;
    tables.migrate(schema).await?;
    tables.sync.pool().close().await;
    output.object(&json!({ "schema": schema, "version_before": found, "version": needed }))?;
    let (style, word) = match found {
        0 => (GOOD, "created"),
        _ if found < needed => (GOOD, "updated"),
        _ => (QUIET, "unchanged"),
    };
    output.line(format_args!("{style}{word}{style:#}: the tables of schema {schema}, version {needed}"))
}
