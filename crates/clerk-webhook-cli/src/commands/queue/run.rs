//! Checks the arguments, asks before dead letters are discarded, and performs the action.

use std::io::{self, IsTerminal as _, Write as _};

use super::args::{Action, Args, Discard};
use super::database::perform;
use crate::failure::Failure;
use crate::output::{Output, note};
use crate::send::client;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let output = match &args.action {
        // All other actions report their result as the exit code, or change the queue.
        Action::List(_) | Action::Stats => output,
        _ => &output.up_to_the_result(),
    };
    if let Action::Retry(retry) = &args.action
        && !retry.all
        && retry.message_ids.is_empty()
    {
        return Err(Failure::usage("pass message ids, or --all, or --all --type TYPE"));
    }
    if let Action::Discard(discard) = &args.action
        && !is_confirmed(discard)?
    {
        note("nothing was discarded");
        return Err(Failure::Negative);
    }
    client::block_on(perform(&args.action, &args.queue, output))
}

/// Returns whether the user wants to discard the dead letters.
fn is_confirmed(discard: &Discard) -> Result<bool, Failure> {
    if discard.yes {
        return Ok(true);
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage(
            "cannot ask for confirmation, because standard input or standard error is not a terminal. Add --yes to \
             discard the events",
        ));
    }
    let events = match discard.message_ids.len() {
        1 => "the event of 1 dead letter? No worker will handle it.".to_owned(),
        number => format!("the events of {number} dead letters? No worker will handle them."),
    };
    // The answer is read even if the question cannot be printed. Only `y` discards.
    let _ = write!(anstream::stderr().lock(), "Delete {events} [y/N] ");
    let mut answer = String::new();
    io::stdin()
        .read_line(&mut answer)
        .map_err(|error| Failure::usage(format_args!("cannot read the answer: {error}")))?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}
