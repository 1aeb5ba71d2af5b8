//! Deletes the ids of old messages from the store and the queue.

use std::time::Duration;

#[cfg(feature = "queue")]
use clerk_webhook_queue::{PostgresQueue, SqliteQueue};
use clerk_webhook_store::{PostgresStore, SqliteStore};
use serde_json::json;

use super::args::Purge;
use crate::database::DatabaseKind;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::GOOD;
use crate::sync::{AnySync, IfMissing, Names, Target, explain_database, is_missing};
use crate::text::counted;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) async fn purge(args: &Purge, output: &Output) -> Result<(), Failure> {
    let target = Target::open(&args.database, IfMissing::Fail).await?;
    let purged = purge_in(args, &target, output).await;
    target.close().await;
    purged
}

async fn purge_in(args: &Purge, target: &Target, output: &Output) -> Result<(), Failure> {
    let retention = DAY * args.days;
    let names = args.database.names.names()?;
    let kind = match &target.sync {
        AnySync::Sqlite(_) => DatabaseKind::Sqlite,
        AnySync::Postgres(_) => DatabaseKind::Postgres,
    };
    let table = match (&args.deliveries, &names) {
        (Some(table), _) => table.clone(),
        (None, Names::Schema(schema)) => schema.deliveries(kind),
        (None, Names::Prefix(_)) => "clerk_webhook_delivery".to_owned(),
    };
    let name = |error| Failure::usage(format_args!("--deliveries: {error}"));
    let deliveries = match &target.sync {
        AnySync::Sqlite(sync) => {
            let store = SqliteStore::new(sync.pool().clone()).table(&table).map_err(name)?;
            clerk_webhook_store::purge(&store, retention).await
        }
        AnySync::Postgres(sync) => {
            let store = PostgresStore::new(sync.pool().clone()).table(&table).map_err(name)?;
            clerk_webhook_store::purge(&store, retention).await
        }
    };
    let deliveries = known(deliveries)?;
    print(output, "store", &table, deliveries)?;
    #[cfg(feature = "queue")]
    let queue = {
        let name = |error| Failure::usage(format_args!("--queue: {error}"));
        let table = match (&args.queue, &names) {
            (Some(table), _) => table.clone(),
            (None, Names::Schema(schema)) => schema.queue(kind),
            (None, Names::Prefix(_)) => "clerk_webhook_queue".to_owned(),
        };
        let queue = match &target.sync {
            AnySync::Sqlite(sync) => {
                let queue = SqliteQueue::new(sync.pool().clone()).table(&table).map_err(name)?;
                clerk_webhook_queue::purge(&queue, retention).await
            }
            AnySync::Postgres(sync) => {
                let queue = PostgresQueue::new(sync.pool().clone()).table(&table).map_err(name)?;
                clerk_webhook_queue::purge(&queue, retention).await
            }
        };
        let queue = known(queue)?;
        print(output, "queue", &table, queue)?;
        queue
    };
    #[cfg(not(feature = "queue"))]
    let queue: Option<u64> = None;
    if (deliveries, queue) == (None, None) {
        return Err(Failure::usage(
            "this database has no table of a store or a queue. Check --database, and the names of the tables.",
        ));
    }
    Ok(())
}

/// Returns the number of deleted ids, or `None` if the table does not exist.
fn known(purged: Result<u64, sqlx::Error>) -> Result<Option<u64>, Failure> {
    match purged {
        Ok(number) => Ok(Some(number)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(explain_database(&error)),
    }
}

fn print(output: &Output, part: &str, table: &str, purged: Option<u64>) -> Result<(), Failure> {
    output.object(&json!({ "part": part, "table": table, "deleted": purged }))?;
    match purged {
        Some(number) => output.line(format_args!(
            "{GOOD}ok{GOOD:#}    {part:6} {table}: {} deleted",
            counted(number, "old message id", "old message ids")
        )),
        None => output.line(format_args!("-     {part:6} {table}: no such table")),
    }
}
