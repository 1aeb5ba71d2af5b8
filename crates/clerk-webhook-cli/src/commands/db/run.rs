//! Performs the actions.

use serde_json::json;

use super::args::{Action, Args, Grants, Migrate, View};
use super::{forget, purge, sql, status};
use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::GOOD;
use crate::send::client;
use crate::sync::{IfMissing, Target, explain_database, on};

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    match args.action {
        Action::Migrate(args) => client::block_on(migrate(&args, &output.up_to_the_result())),
        Action::Status(args) => client::block_on(status::status(&args, output)),
        Action::Grants(Grants { role, prefix }) => print(output, &sql::grants(&role, &prefix)?),
        Action::View(View { prefix }) => print(output, &sql::view(&prefix)),
        Action::Purge(args) => client::block_on(purge::purge(&args, &output.up_to_the_result())),
        Action::ForgetUser(args) => forget::user(&args, &output.up_to_the_result()),
        Action::ForgetEmail(args) => forget::email(&args, &output.up_to_the_result()),
    }
}

async fn migrate(args: &Migrate, output: &Output) -> Result<(), Failure> {
    let target = Target::open(&args.database, IfMissing::Create).await?;
    let migrated = migrate_in(&target, output).await;
    target.close().await;
    migrated
}

async fn migrate_in(target: &Target, output: &Output) -> Result<(), Failure> {
    let (before, newest) = target.version().await?;
    if before > newest {
        return target.check_version().await;
    }
    on!(&target.sync, sync => sync.migrate().await).map_err(|error| match error {
        sqlx::Error::Configuration(reason) => Failure::usage(reason),
        error => explain_database(&error),
    })?;
    let prefix = &target.prefix;
    output.object(&json!({
        "prefix": prefix.to_string(), "version_before": before, "version": newest,
    }))?;
    match before {
        0 => output.line(format_args!("{GOOD}created{GOOD:#} the tables {prefix}…, version {newest}")),
        _ if before < newest => output.line(format_args!(
            "{GOOD}updated{GOOD:#} the tables {prefix}… from version {before} to {newest}"
        )),
        _ => output.line(format_args!("the tables {prefix}… are up to date, version {newest}")),
    }
}

/// Prints statements.
fn print(output: &Output, sql: &str) -> Result<(), Failure> {
    output.object(&json!({ "sql": sql }))?;
    output.line(sql.trim_end())
}
