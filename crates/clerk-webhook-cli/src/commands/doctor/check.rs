//! What is looked at, and what was found.

use serde::Serialize;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    Ok,
    Warn,
    Bad,
    /// It could not be made, and nothing is said.
    Skipped,
}

/// One line of the list.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Check {
    /// The stable name of what was looked at.
    pub(super) check: &'static str,
    pub(super) status: Status,
    /// The stable name of what was found.
    pub(super) finding: &'static str,
    pub(super) message: String,
    /// What to do about it.
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
