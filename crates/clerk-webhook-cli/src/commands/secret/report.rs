//! The report of `secret check`. It never contains the secret.

use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::output::style::{BAD, GOOD, ODD};
use crate::secret_check::Checked;

/// Prints whether a secret is usable. Also prints the secret's position if several secrets were given.
pub(super) fn write(
    output: &Output,
    position: usize,
    several: bool,
    checked: &Checked,
) -> Result<(), Failure> {
    let Checked { place, verdict, warnings } = checked;
    output.object(&json!({
        "place": place,
        "position": position,
        "usable": verdict.is_ok(),
        "bytes": verdict.as_ref().ok(),
        "problem": verdict.as_ref().err(),
        "warnings": warnings,
    }))?;
    let which = if several { format!("{place}, secret {position}") } else { place.clone() };
    match verdict {
        Ok(bytes) => output.line(format_args!("{GOOD}ok{GOOD:#}    {which}: a key of {bytes} bytes"))?,
        Err(problem) => output.line(format_args!("{BAD}bad{BAD:#}   {which}: {problem}"))?,
    }
    warnings.iter().try_for_each(|warning| output.line(format_args!("      {ODD}warning{ODD:#} {warning}")))
}
