//! Shows the state of the tables.

use clerk_webhook_core::Timestamp;
use clerk_webhook_sync::{ImportState, Resource};
use serde_json::{Map, Value, json};

use super::args::Status;
use crate::failure::Failure;
use crate::output::style::{ODD, QUIET, STRONG};
use crate::output::{Output, printable};
use crate::sync::{AnySync, IfMissing, TableStatus, Target, explain_database, explain_sync, on};
use crate::text::date;

/// The maximum length of a printed id. Clerk's ids have at most 40 characters.
const LONGEST_ID: usize = 64;

pub(super) async fn status(args: &Status, output: &Output) -> Result<(), Failure> {
    let target = Target::open(&args.database, IfMissing::Fail).await?;
    let shown = show(&target, output).await;
    target.close().await;
    shown
}

async fn show(target: &Target, output: &Output) -> Result<(), Failure> {
    target.check_version().await?;
    let version = target.version().await?.found;
    let state = on!(&target.sync, sync => sync.import_state().await);
    let state = state.map_err(|error| explain_sync(&error, &target.prefix))?;
    let mut tables = Vec::new();
    for resource in Resource::ALL {
        tables.push(TableStatus::read(target, *resource, &state).await?);
    }
    let kind = target.sync.kind();
    let tls = match &target.sync {
        AnySync::Sqlite(_) => None,
        AnySync::Postgres(_) => Some(has_tls(target).await?),
    };
    if output.is_json() {
        let tables = tables.iter().map(|table| {
            let times = [table.written_at, table.reconciled_at].map(|time| time.map(date));
            let value = json!({
                "live": table.live, "deleted": table.deleted, "written_at": times[0], "reconciled_at": times[1],
            });
            (table.resource.as_str().to_owned(), value)
        });
        return output.object(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "instance_id": state.instance_id,
            "database": {
                "kind": kind, "prefix": target.prefix.to_string(), "schema_version": version, "tls": tls,
            },
            "backfill": {
                "completed_at": state.backfilled_at.map(date), "incomplete": state.is_incomplete,
            },
            "tables": tables.collect::<Map<String, Value>>(),
        }));
    }
    let row = |name: &str, value: &str| output.line(format_args!("{QUIET}{name:<9}{QUIET:#} {value}"));
    let tls = match tls {
        Some(true) => ", with TLS",
        Some(false) => ", without TLS",
        None => "",
    };
    row("database", &format!("{kind}{tls}, tables {}…, version {version}", target.prefix))?;
    let instance = state.instance_id.as_deref().map(|id| printable(id, LONGEST_ID));
    row("instance", instance.as_deref().unwrap_or("unknown until the first import"))?;
    row("import", &import(&state))?;
    output.line(format_args!(
        "\n{QUIET}{:17}      live   deleted  last write            last comparison{QUIET:#}",
        "table"
    ))?;
    let shown = |time: Option<Timestamp>| time.map_or("-".to_owned(), date);
    for table in &tables {
        let TableStatus { resource, live, deleted, written_at, reconciled_at } = table;
        output.line(format_args!(
            "{STRONG}{resource:17}{STRONG:#} {live:>9} {deleted:>9}  {:20}  {}",
            shown(*written_at),
            shown(*reconciled_at)
        ))?;
    }
    if state.backfilled_at.is_none() {
        output.line(format_args!(
            "\n{ODD}warning{ODD:#} no import is complete: users without an event since the endpoint exists are missing. \
             Run: clerk-webhook backfill{}",
            target.prefix.option()
        ))?;
    }
    Ok(())
}

/// Says when the last import ended.
fn import(state: &ImportState) -> String {
    match (state.is_incomplete, state.backfilled_at) {
        (true, _) => "running or interrupted; `clerk-webhook backfill` continues it".to_owned(),
        (false, Some(at)) => format!("completed {}", date(at)),
        (false, None) => "never completed".to_owned(),
    }
}

/// Returns whether the connection to Postgres is encrypted, as far as the server knows.
async fn has_tls(target: &Target) -> Result<bool, Failure> {
    let query = "SELECT ssl::text FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";
    let rows = target.rows(query.to_owned(), 1).await.map_err(|error| explain_database(&error))?;
    Ok(rows.into_iter().flatten().flatten().next().as_deref() == Some("true"))
}
