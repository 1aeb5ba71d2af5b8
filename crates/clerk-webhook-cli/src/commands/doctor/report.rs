//! The report: a line per check, and a summary.

use serde_json::json;

use super::check::{Check, Status};
use crate::failure::Failure;
use crate::output::{Output, style};

/// Prints and counts the checks.
#[derive(Debug)]
pub(super) struct Report<'o> {
    output: &'o Output,
    checks: Vec<Check>,
}

impl<'o> Report<'o> {
    pub(super) fn new(output: &'o Output) -> Self {
        Self { output, checks: Vec::new() }
    }

    /// Prints a check. Repeated advice is printed only once.
    pub(super) fn add(&mut self, check: Check) -> Result<(), Failure> {
        let output = self.output;
        let (colour, word) = match check.status {
            Status::Ok => (style::GOOD, "ok"),
            Status::Warn => (style::ODD, "warn"),
            Status::Bad => (style::BAD, "bad"),
            Status::Skipped => (style::QUIET, "-"),
        };
        output.line(format_args!("{colour}{word:<6}{colour:#}{:<12}{}", check.check, check.message))?;
        if let Some(advice) = &check.advice
            && !self.checks.iter().any(|printed| printed.advice == check.advice)
        {
            output.line(format_args!("{:18}→ {advice}", ""))?;
        }
        output.object(&check)?;
        self.checks.push(check);
        Ok(())
    }

    /// Prints the summary. Fails if the result of a check is bad.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let count = |status| self.checks.iter().filter(|check| check.status == status).count();
        let (warnings, bad) = (count(Status::Warn), count(Status::Bad));
        let (colour, verdict) = match (bad, warnings) {
            (0, 0) => (style::GOOD, "no problems".to_owned()),
            (0, warnings) => (style::ODD, format!("0 bad, {warnings} warn")),
            (bad, 0) => (style::BAD, format!("{bad} bad")),
            (bad, warnings) => (style::BAD, format!("{bad} bad, {warnings} warn")),
        };
        self.output.line(format_args!("\n{colour}{verdict}{colour:#}"))?;
        self.output.object(&json!({ "summary": {
            "checks": self.checks.len(),
            "warn": warnings,
            "bad": bad,
        }}))?;
        if bad == 0 { Ok(()) } else { Err(Failure::Negative) }
    }
}
