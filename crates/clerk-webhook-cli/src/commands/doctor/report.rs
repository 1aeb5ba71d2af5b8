//! The report: a line per check, and a summary.

use serde_json::json;

use super::check::{Check, Status};
use crate::failure::Failure;
use crate::output::{Output, style};

/// Prints and counts the checks.
#[derive(Debug)]
pub(super) struct Report<'o> {
    output: &'o Output,
    count: usize,
    warnings: usize,
    bad: usize,
    /// The advice that was printed before, so that it is not repeated.
    printed: Vec<String>,
}

impl<'o> Report<'o> {
    pub(super) fn new(output: &'o Output) -> Self {
        Self { output, count: 0, warnings: 0, bad: 0, printed: Vec::new() }
    }

    pub(super) fn add(&mut self, check: &Check) -> Result<(), Failure> {
        self.count += 1;
        self.warnings += usize::from(check.status == Status::Warn);
        self.bad += usize::from(check.status == Status::Bad);
        self.print(check)
    }

    fn print(&mut self, check: &Check) -> Result<(), Failure> {
        let output = self.output;
        let (colour, word) = match check.status {
            Status::Ok => (style::GOOD, "ok"),
            Status::Warn => (style::ODD, "warn"),
            Status::Bad => (style::BAD, "bad"),
            Status::Skipped => (style::QUIET, "-"),
        };
        output.line(format_args!("{colour}{word:<6}{colour:#}{:<12}{}", check.check, check.message))?;
        if let Some(advice) = &check.advice
            && !self.printed.contains(advice)
        {
            output.line(format_args!("{:18}→ {advice}", ""))?;
            self.printed.push(advice.clone());
        }
        output.object(check)
    }

    /// Prints the summary. Fails if the result of a check is bad.
    pub(super) fn finish(self) -> Result<(), Failure> {
        let (colour, verdict) = match (self.bad, self.warnings) {
            (0, 0) => (style::GOOD, "no problems".to_owned()),
            (0, warnings) => (style::ODD, format!("0 bad, {warnings} warn")),
            (bad, 0) => (style::BAD, format!("{bad} bad")),
            (bad, warnings) => (style::BAD, format!("{bad} bad, {warnings} warn")),
        };
        self.output.line(format_args!("\n{colour}{verdict}{colour:#}"))?;
        self.output.object(&json!({ "summary": {
            "checks": self.count,
            "warn": self.warnings,
            "bad": self.bad,
        }}))?;
        if self.bad == 0 { Ok(()) } else { Err(Failure::Negative) }
    }
}
