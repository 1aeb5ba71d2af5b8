//! Runs work that Ctrl-C can end.

use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::server::shutdown::interruption;

/// Waits for work. Returns `None` if Ctrl-C or SIGTERM comes first; the work is dropped then.
pub(crate) async fn until_interrupted<T>(work: impl Future<Output = T>) -> Option<T> {
    let interruption = interruption();
    tokio::select! {
        done = work => Some(done),
        () = interruption => None,
    }
}

/// Reports that Ctrl-C ended a run. Rows that were written stay.
pub(crate) fn interrupted(output: &Output, next: &str) -> Result<(), Failure> {
    output.object(&json!({ "type": "result", "result": "interrupted" }))?;
    output.line(format_args!("interrupted: rows that were written stay; {next}"))?;
    Err(Failure::Negative)
}
