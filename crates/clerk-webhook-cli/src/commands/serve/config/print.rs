//! `--print-config`: the values and their origins, without secrets.

use serde_json::{Map, Value, json};

use super::sources::Origin;
use crate::failure::Failure;
use crate::output::style::QUIET;
use crate::output::{Output, printable};

/// The maximum length of a value, in characters.
const SHOWN: usize = 200;

const REDACTED: &str = "[redacted]";

/// A setting as it is shown.
pub(in super::super) struct Shown {
    key: &'static str,
    /// `None` if the setting is missing.
    value: Option<String>,
    origin: String,
}

impl Shown {
    pub(super) fn new(key: &'static str, text: &str, origin: &Origin) -> Self {
        let value = (!text.is_empty()).then(|| printable(text, SHOWN));
        Self { key, value, origin: origin.to_string() }
    }

    pub(super) fn redacted(key: &'static str, origin: &Origin) -> Self {
        Self { key, value: Some(REDACTED.to_owned()), origin: origin.to_string() }
    }
}

/// Prints the settings, one per line, or as one object with `--json`.
pub(in super::super) fn print(shown: &[Shown], output: &Output) -> Result<(), Failure> {
    let settings = shown
        .iter()
        .map(|Shown { key, value, origin }| ((*key).to_owned(), json!({ "value": value, "origin": origin })));
    output.object(&Value::Object(settings.collect::<Map<_, _>>()))?;
    for Shown { key, value, origin } in shown {
        let value = value.as_deref().unwrap_or("-");
        output.line(format_args!("{key:16} {value}  {QUIET}({origin}){QUIET:#}"))?;
    }
    Ok(())
}
