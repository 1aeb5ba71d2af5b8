//! Erases personal data, after a question.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::json;

use super::args::{ForgetEmail, ForgetUser};
use crate::failure::Failure;
use crate::output::style::GOOD;
use crate::output::{Output, note, printable};
use crate::send::client;
use crate::sync::{IfMissing, TableArgs, Target, explain_sync, on};

/// The maximum length of a printed id. Clerk's ids have at most 40 characters.
const LONGEST_ID: usize = 64;

pub(super) fn user(args: &ForgetUser, output: &Output) -> Result<(), Failure> {
    if !args.id.starts_with("user_") {
        return Err(Failure::usage("the id of a user begins with user_."));
    }
    confirm(args.yes, &format!("Erase the personal data of {}?", printable(&args.id, LONGEST_ID)))?;
    erase(&args.database, output, async |target| on!(&target.sync, sync => sync.forget_user(&args.id).await))
}

pub(super) fn email(args: &ForgetEmail, output: &Output) -> Result<(), Failure> {
    if !args.address.contains('@') {
        return Err(Failure::usage("an email address contains @."));
    }
    confirm(args.yes, "Erase the invitations and waitlist entries with this address?")?;
    erase(
        &args.database,
        output,
        async |target| on!(&target.sync, sync => sync.forget_email(&args.address).await),
    )
}

fn erase(
    database: &TableArgs,
    output: &Output,
    erase: impl AsyncFnOnce(&Target) -> Result<bool, clerk_webhook_sync::SyncError>,
) -> Result<(), Failure> {
    client::block_on(async {
        let target = Target::open(database, IfMissing::Fail).await?;
        target.check_version().await?;
        let erased = erase(&target).await.map_err(|error| explain_sync(&error, &target.prefix));
        target.close().await;
        let erased = erased?;
        output.object(&json!({ "erased": erased }))?;
        match erased {
            true => output.line(format_args!("{GOOD}erased{GOOD:#}")),
            false => output.line("nothing to erase"),
        }
    })
}

/// Fails unless the user wants to erase the data.
fn confirm(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(
            "cannot ask for confirmation, because standard input or standard error is not a terminal. Add --yes to erase \
             the data.",
        ));
    }
    // The answer is read even if the question cannot be printed. Only `y` erases.
    let _ = write!(anstream::stderr().lock(), "{question} It cannot be undone. [y/N] ");
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::usage(format_args!("cannot read the answer: {error}")))?;
    if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        return Ok(());
    }
    note("nothing was erased");
    Err(Failure::Negative)
}
