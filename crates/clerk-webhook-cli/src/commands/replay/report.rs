//! The report about requests, their responses, and the summary.

use std::collections::BTreeMap;
use std::time::Duration;

use clerk_webhook_core::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::plan::{NOT_SENDABLE, Plan, PlannedRequest, label, listed};
use crate::capture::Unreadable;
use crate::diagnosis::TOLERANCE;
use crate::failure::Failure;
use crate::output::{Output, note, printable, style};
use crate::send::answer_report::{AnswerReport, in_words};
use crate::send::client::{Answer, SendError};

/// The result of a request, for `--json`.
#[derive(Serialize)]
struct RequestReport<'a> {
    #[serde(flatten)]
    item: &'a PlannedRequest,
    #[serde(flatten)]
    report: Option<&'a AnswerReport>,
    error: Option<String>,
}

/// The counters for the summary.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: usize,
    pub(super) delivered: usize,
    unanswered: usize,
    outcomes: BTreeMap<String, usize>,
}

/// Prints how many requests a correct endpoint will reject because of their age.
pub(super) fn note_age(items: &[PlannedRequest]) {
    let now = Timestamp::now().as_millis();
    let far = |at: Timestamp| u128::from(now.abs_diff(at.as_millis())) > TOLERANCE.as_millis();
    let stale = items.iter().filter(|item| item.signed_at.is_none_or(far)).count();
    if stale > 0 {
        note(format_args!(
            "{stale} of {} requests were not signed within the last five minutes, so the endpoint must reject them; without \
             --verbatim, `replay` verifies them and signs them again",
            items.len()
        ));
    }
}

/// Prints each unreadable file and each skipped request with the reason.
pub(super) fn show_unsent(output: &Output, plan: &Plan) -> Result<(), Failure> {
    for Unreadable { place, error } in &plan.unreadable {
        let shown = printable(error.as_bytes(), 300);
        output.line(format_args!("{}unreadable{:#}  {shown}", style::BAD, style::BAD))?;
        output.object(&json!({ "place": place, "unreadable": error }))?;
    }
    for skipped in &plan.skipped {
        // In this case, a different secret signed the request, or the recording was changed.
        let contradicts = skipped.recorded_verdict.as_deref() == Some("authentic");
        let contradiction = if contradicts { ", although it was recorded as authentic" } else { "" };
        output.line(format_args!(
            "{}  {}skipped{:#}  {}: {}{contradiction}",
            label(skipped.event_type.as_deref(), skipped.id.as_deref()),
            style::ODD,
            style::ODD,
            skipped.why.cause,
            skipped.why.reason
        ))?;
        output.object(skipped)?;
    }
    if plan.skipped.iter().any(|skipped| skipped.why.cause != NOT_SENDABLE) {
        note(
            "requests that do not verify with your secrets are never signed; run `clerk-webhook verify` to see why they do \
             not verify, or send them with their captured signatures with --include-refused",
        );
    }
    Ok(())
}

/// Prints the requests that would be sent.
pub(super) fn list(output: &Output, plan: &Plan) -> Result<(), Failure> {
    for item in &plan.items {
        output.line(format_args!(
            "{}  {} bytes  {}",
            item.label(),
            item.body.len(),
            printable(item.place.as_bytes(), 200)
        ))?;
        let mut object = json!(item);
        object["dry_run"] = json!(true);
        object["bytes"] = json!(item.body.len());
        output.object(&object)?;
    }
    let (strong, count, unsent) = (style::STRONG, plan.items.len(), plan.unsent());
    output.line(format_args!("{strong}{count} would be sent{unsent}{strong:#}"))?;
    if plan.is_complete() { Ok(()) } else { Err(Failure::Negative) }
}

impl Tally {
    /// Counts and prints a request's result.
    pub(super) fn add(
        &mut self,
        output: &Output,
        item: &PlannedRequest,
        answer: &Result<Answer, SendError>,
    ) -> Result<(), Failure> {
        self.sent += 1;
        let report = answer.as_ref().ok().map(AnswerReport::of);
        let word = match &report {
            Some(report) => report.outcome.map_or_else(|| report.status.to_string(), str::to_owned),
            None => "no answer".to_owned(),
        };
        *self.outcomes.entry(word).or_default() += 1;
        self.delivered += usize::from(report.as_ref().is_some_and(|report| report.delivered));
        self.unanswered += usize::from(report.is_none());
        let what = match (&report, answer) {
            (Some(report), _) => {
                format!("{:>7}  {}  {}", report.elapsed(), report.verdict(), report.summary())
            }
            (None, Err(error)) => format!("{}{error}{:#}", style::BAD, style::BAD),
            (None, Ok(_)) => String::new(),
        };
        output.line(format_args!("{}  {}", item.label(), what.trim_end()))?;
        output.object(&RequestReport {
            item,
            report: report.as_ref(),
            error: answer.as_ref().err().map(ToString::to_string),
        })
    }

    /// Prints the summary. `waiting` is the number of requests that were not sent.
    pub(super) fn show(
        &self,
        output: &Output,
        plan: &Plan,
        waiting: usize,
        elapsed: Duration,
    ) -> Result<(), Failure> {
        let sent = match self.sent {
            0 => "nothing sent".to_owned(),
            sent => format!("{sent} sent in {}: {}", in_words(elapsed), listed(&self.outcomes)),
        };
        let unsent = if waiting > 0 { format!("; {waiting} not sent") } else { String::new() };
        let (strong, skipped) = (style::STRONG, plan.unsent());
        output.line(format_args!("{strong}{sent}{unsent}{skipped}{strong:#}"))?;
        output.object(&json!({ "summary": {
            "captured": self.sent + waiting + plan.skipped.len(),
            "sent": self.sent,
            "delivered": self.delivered,
            "unanswered": self.unanswered,
            "outcomes": self.outcomes,
            "skipped": plan.skipped.len(),
            "skip_reasons": plan.causes(),
            "unreadable": plan.unreadable.len(),
        }}))
    }
}
