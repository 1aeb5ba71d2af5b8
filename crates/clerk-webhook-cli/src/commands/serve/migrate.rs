//! `db migrate`: creates or updates all tables of the server without starting it.

use clerk_webhook_sync::{SchemaVersion, SyncDatabase};
use sqlx::{Executor, Pool};

use super::start::schema::{Migrate, Tables};
use super::start::{postgres, sqlite};
use crate::database::{SqlDatabase, create_schema, open_or_create_sqlite, open_postgres, why};
use crate::failure::Failure;
use crate::sync::{Prefix, Schema, TableArgs, database};

/// Creates or updates the tables of the sync, the store and the queue. Returns their prefix, and the version before.
pub(crate) async fn migrate(args: &TableArgs, schema: &Schema) -> Result<(Prefix, SchemaVersion), Failure> {
    let (database, source) = database(args)?;
    let prefix = Prefix::of_server(schema, database.kind());
    let before = match database {
        SqlDatabase::Sqlite(options) => {
            let pool = open_or_create_sqlite(*options, source).await?;
            let tables = sqlite::tables(pool, schema, true)?;
            migrate_in(&tables, schema).await?
        }
        SqlDatabase::Postgres(options) => {
            let pool = open_postgres(*options, source).await?;
            let connection = pool.acquire().await;
            let mut connection = connection.map_err(|error| Failure::network(why(&error)))?;
            create_schema(&mut connection, schema.as_str()).await?;
            drop(connection);
            let tables = postgres::tables(pool, schema, true)?;
            migrate_in(&tables, schema).await?
        }
    };
    Ok((prefix, before))
}

async fn migrate_in<DB, S: Migrate, Q: Migrate>(
    tables: &Tables<DB, S, Q>,
    schema: &Schema,
) -> Result<SchemaVersion, Failure>
where
    DB: SyncDatabase,
    for<'p> &'p Pool<DB>: Executor<'p, Database = DB>,
{
    let before = tables.refuse_newer(schema).await?;
    tables.migrate(schema).await?;
    tables.sync.pool().close().await;
    Ok(before)
}
