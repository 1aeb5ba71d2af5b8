//! What is printed: for people, or with `--json` for programs.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

/// Where results go; colours only where a terminal shows them.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Returns whether programs read it.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line for people; nothing with `--json`.
    pub(crate) fn line(&self, line: impl fmt::Display) -> Result<(), Failure> {
        if !self.json {
            writeln!(anstream::stdout().lock(), "{line}")?;
        }
        Ok(())
    }

    /// Writes a line for programs; nothing without `--json`.
    pub(crate) fn object(&self, value: &impl Serialize) -> Result<(), Failure> {
        if self.json {
            let line = serde_json::to_string(value).map_err(io::Error::other)?;
            writeln!(io::stdout().lock(), "{line}")?;
        }
        Ok(())
    }

    /// Says why a command failed, and returns its exit code.
    pub(crate) fn report(&self, failure: &Failure) -> ExitCode {
        let told = match failure {
            Failure::Usage(message) => Some(("usage", message)),
            Failure::Network(message) => Some(("network", message)),
            Failure::Negative | Failure::OutputClosed => None,
        };
        if let Some((kind, message)) = told {
            // Where nobody reads it, the exit code still says it.
            let _ = self.object(&json!({ "error": { "kind": kind, "message": message } }));
            let _ = writeln!(anstream::stderr().lock(), "{}error:{:#} {message}", style::ERROR, style::ERROR);
        }
        ExitCode::from(failure.exit_code())
    }
}

/// Colours by meaning; written as `{GOOD}text{GOOD:#}`.
pub(crate) mod style {
    use anstyle::{AnsiColor, Style};

    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    pub(crate) const BAD: Style = AnsiColor::Red.on_default();
    pub(crate) const ODD: Style = AnsiColor::Yellow.on_default();
    pub(crate) const QUIET: Style = Style::new().dimmed();
    pub(crate) const STRONG: Style = Style::new().bold();
    pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
}
