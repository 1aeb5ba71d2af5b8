//! Performs the actions.

use clerk_webhook_sync::SchemaVersion;
use serde_json::json;

use super::args::{Action, Args, Grants, Migrate, View};
use super::{forget, purge, sql, status};
use crate::database::{DatabaseKind, create_schema};
use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::{GOOD, QUIET};
use crate::send::client;
use crate::sync::{AnySync, IfMissing, Names, Prefix, Target, explain_database, on};

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    match args.action {
        Action::Migrate(args) => client::block_on(migrate(&args, &output.up_to_the_result())),
        Action::Status(args) => client::block_on(status::status(&args, output)),
        // Only Postgres has roles, and the types of the view.
        Action::Grants(Grants { role, names }) => {
            print(output, &sql::grants(&role, &names.prefix(DatabaseKind::Postgres)?)?)
        }
        Action::View(View { names }) => print(output, &sql::view(&names.prefix(DatabaseKind::Postgres)?)),
        Action::Purge(args) => client::block_on(purge::purge(&args, &output.up_to_the_result())),
        Action::ForgetUser(args) => forget::user(&args, &output.up_to_the_result()),
        Action::ForgetEmail(args) => forget::email(&args, &output.up_to_the_result()),
    }
}

async fn migrate(args: &Migrate, output: &Output) -> Result<(), Failure> {
    if args.print {
        let target = Target::unconnected(&args.database)?;
        let sql = on!(&target.sync, sync => sync.migrations().collect::<Vec<_>>().join("\n"));
        return print(output, &sql);
    }
    let names = args.database.names.names()?;
    #[cfg(feature = "serve")]
    if let Names::Schema(schema) = &names {
        let (prefix, before) = crate::commands::serve::migrate(&args.database, schema).await?;
        return report(&prefix, &before, output);
    }
    let target = Target::open(&args.database, IfMissing::Create).await?;
    if let (Names::Schema(schema), AnySync::Postgres(sync)) = (&names, &target.sync) {
        let connection = sync.pool().acquire().await;
        let mut connection = connection.map_err(|error| explain_database(&error))?;
        create_schema(&mut connection, schema.as_str()).await?;
    }
    let migrated = migrate_in(&target, output).await;
    target.close().await;
    migrated
}

async fn migrate_in(target: &Target, output: &Output) -> Result<(), Failure> {
    let before = target.version().await?;
    if before.found > before.needed {
        return target.check_version().await;
    }
    on!(&target.sync, sync => sync.migrate().await).map_err(|error| match error {
        sqlx::Error::Configuration(reason) => Failure::usage(reason),
        error => explain_database(&error),
    })?;
    report(&target.prefix, &before, output)
}

/// Prints what a migration did. `before` is the version before it.
fn report(prefix: &Prefix, before: &SchemaVersion, output: &Output) -> Result<(), Failure> {
    let &SchemaVersion { found, needed, .. } = before;
    output.object(&json!({
        "prefix": prefix.to_string(), "version_before": found, "version": needed,
    }))?;
    let (style, word) = match found {
        0 => (GOOD, "created"),
        _ if found < needed => (GOOD, "updated"),
        _ => (QUIET, "unchanged"),
    };
    output.line(format_args!("{style}{word}{style:#}: the tables {prefix}…, version {needed}"))
}

/// Prints statements.
fn print(output: &Output, sql: &str) -> Result<(), Failure> {
    output.object(&json!({ "sql": sql }))?;
    output.line(sql.trim_end())
}
