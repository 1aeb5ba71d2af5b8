//! Opens SQLite.

use std::time::Duration;

use clerk_webhook_queue::SqliteQueue;
use clerk_webhook_store::SqliteStore;
use clerk_webhook_sync::ClerkSync;
use sqlx::Sqlite;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions};

use super::opened::Open;
use super::schema::Tables;
use super::{clerk, folder};
use crate::commands::serve::config::Config;
use crate::database::{DatabaseKind, why};
use crate::failure::Failure;
use crate::sync::{Prefix, Schema};

/// How long a statement waits for the connection, and how long it waits for the lock of another process. Both
/// together end before the sender closes the connection.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) async fn open(
    config: &Config,
    options: &SqliteConnectOptions,
) -> Result<Open<Sqlite, SqliteStore, SqliteQueue>, Failure> {
    let file = options.get_filename().to_owned();
    folder::check(&file)?;
    // A check creates no file, and does not change the journal mode.
    let options = match (config.check, file.exists()) {
        (true, false) => SqliteConnectOptions::new().in_memory(true),
        (true, true) => options.clone(),
        (false, _) => options.clone().create_if_missing(true).journal_mode(SqliteJournalMode::Wal),
    };
    let options = options.busy_timeout(PATIENCE);
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(PATIENCE);
    let pool = pool
        .connect_with(options)
        .await
        .map_err(|error| Failure::network(format_args!("cannot open {}: {}", file.display(), why(&error))))?;
    let tables = tables(pool, &config.schema, config.forward.is_some())?;
    let (tables, is_complete) = tables.prepare(config).await?;
    let clerk = clerk::check(config, &tables.sync, is_complete).await?;
    Ok(Open {
        store: tables.store,
        sync: clerk::restrict(tables.sync, clerk.instance_id.as_deref()),
        queue: tables.queue,
        api: clerk.api,
        instance_id: clerk.instance_id,
        tls: None,
    })
}

/// Returns the parts that have tables.
pub(in super::super) fn tables(
    pool: SqlitePool,
    schema: &Schema,
    with_queue: bool,
) -> Result<Tables<Sqlite, SqliteStore, SqliteQueue>, Failure> {
    let kind = DatabaseKind::Sqlite;
    let store = SqliteStore::new(pool.clone()).table(&schema.deliveries(kind));
    let queue = SqliteQueue::new(pool.clone()).table(&schema.queue(kind));
    let prefix = Prefix::of_server(schema, kind).to_string();
    Ok(Tables {
        sync: ClerkSync::new(pool).prefix(&prefix).map_err(Failure::usage)?,
        store: store.map_err(Failure::usage)?,
        queue: Some(queue.map_err(Failure::usage)?).filter(|_| with_queue),
    })
}
