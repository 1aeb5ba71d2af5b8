//! A check and its result.

use serde::Serialize;

use crate::send::client::Answer;

/// The result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Ok,
    Warn,
    Bad,
    /// The check was not possible.
    Skipped,
}

/// A check with its result: one line of the report.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    /// The stable name of the check.
    pub(super) check: &'static str,
    pub(super) status: Status,
    /// The stable name of the finding.
    pub(super) finding: &'static str,
    pub(super) message: String,
    /// What to do about the finding.
    pub(super) advice: Option<String>,
}

impl Check {
    pub(super) fn ok(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, finding: "ok", message: message.into(), advice: None }
    }

    pub(super) fn skipped(check: &'static str, message: impl Into<String>) -> Self {
        Self { status: Status::Skipped, finding: "skipped", ..Self::ok(check, message) }
    }

    pub(super) fn warn(
        check: &'static str,
        finding: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { status: Status::Warn, finding, advice: Some(advice.into()), ..Self::ok(check, message) }
    }

    pub(super) fn bad(
        check: &'static str,
        finding: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { status: Status::Bad, ..Self::warn(check, finding, message, advice) }
    }
}

/// The response to the signed delivery of `--send`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signed<'a> {
    NotSent,
    Unanswered,
    Answered(&'a Answer),
}

impl<'a> Signed<'a> {
    pub(super) fn answer(self) -> Option<&'a Answer> {
        if let Self::Answered(answer) = self { Some(answer) } else { None }
    }
}
