//! The counters and the summary.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::plan::PlannedDelivery;
use crate::output::style;
use crate::send::client::{Answer, SendError, SendErrorKind};
use crate::send::svix::Next;
use crate::text::{counted, type_width};

/// The maximum numbers of undelivered messages in the text output and in the JSON output.
const SHOWN: usize = 20;
const LISTED: usize = 1000;

/// The maximum number of outcomes that are counted separately, because an endpoint can return any word.
const OUTCOMES: usize = 100;

/// Why the run ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The endpoint responded with `webhook-delivery: disable`, after which Svix sends nothing more.
    Disabled,
    /// The user pressed Ctrl-C.
    Interrupted,
}

/// Counts messages, deliveries, attempts, and responses.
#[derive(Debug, Default)]
pub(super) struct Tally {
    duration: Duration,
    copies: u32,
    messages: u64,
    deliveries: u64,
    /// The number of deliveries for which no further attempt follows.
    pub(super) ended: u64,
    attempts: u64,
    resent: u64,
    aborted: u64,
    delivered: u64,
    undelivered: u64,
    outcomes: BTreeMap<String, Count>,
    /// The latencies of responses, in microseconds.
    latencies: Vec<u32>,
    /// The messages with copies that have not ended.
    open: BTreeMap<u64, OpenMessage>,
    undelivered_messages: Vec<OpenMessage>,
    pub(super) stop: Option<Stop>,
}

#[derive(Debug, Default)]
struct Count {
    attempts: u64,
    is_success: bool,
}

#[derive(Debug, Serialize)]
struct OpenMessage {
    message_id: String,
    event_type: String,
    #[serde(skip)]
    copies_left: u32,
    attempts: u64,
    #[serde(skip)]
    is_delivered: bool,
    last_outcome: Option<String>,
}

/// Returns the outcome of an attempt: the outcome in the body, else the status, else the connection error.
pub(super) fn label(result: &Result<Answer, SendError>) -> String {
    match result {
        Ok(answer) => {
            // The body is not trusted and is printed to a terminal, so only words are accepted.
            let is_word = |word: &String| {
                (1..=40).contains(&word.len())
                    && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            };
            answer.outcome().filter(is_word).unwrap_or_else(|| answer.status.as_u16().to_string())
        }
        Err(error) => match error.kind {
            SendErrorKind::Refused => "connection_refused".to_owned(),
            SendErrorKind::Timeout => "no_answer_in_time".to_owned(),
            SendErrorKind::Other => "connection_failed".to_owned(),
        },
    }
}

impl Tally {
    pub(super) fn new(copies: u32) -> Self {
        Self { copies, ..Self::default() }
    }

    /// Counts the start of a delivery.
    pub(super) fn begin(&mut self, planned: &PlannedDelivery) {
        self.deliveries += 1;
        self.open.entry(planned.message).or_insert_with(|| {
            self.messages += 1;
            OpenMessage {
                message_id: planned.event.message_id().to_string(),
                event_type: planned.event.event_type().to_string(),
                copies_left: self.copies,
                attempts: 0,
                is_delivered: false,
                last_outcome: None,
            }
        });
    }

    /// Counts the result of an attempt.
    pub(super) fn attempt(
        &mut self,
        planned: &PlannedDelivery,
        result: &Result<Answer, SendError>,
        resent: bool,
    ) {
        let label = label(result);
        let is_success = result.as_ref().is_ok_and(|answer| answer.status.is_success());
        self.attempts += 1;
        self.resent += u64::from(resent);
        if let Ok(answer) = result {
            self.latencies.push(u32::try_from(answer.elapsed.as_micros()).unwrap_or(u32::MAX));
        }
        if let Some(open) = self.open.get_mut(&planned.message) {
            open.attempts += 1;
            open.is_delivered |= is_success;
            if !open.is_delivered {
                open.last_outcome = Some(label.clone());
            }
        }
        let is_new = !self.outcomes.contains_key(&label);
        let label = if is_new && self.outcomes.len() >= OUTCOMES { "other".to_owned() } else { label };
        let count = self.outcomes.entry(label).or_default();
        count.attempts += 1;
        count.is_success |= is_success;
    }

    /// Counts the end of a delivery.
    pub(super) fn end(&mut self, planned: &PlannedDelivery, next: Next) {
        self.ended += 1;
        match next {
            Next::Aborted => self.aborted += 1,
            Next::Disabled => self.stop = Some(Stop::Disabled),
            _ => {}
        }
        let Some(open) = self.open.get_mut(&planned.message) else { return };
        open.copies_left -= 1;
        if open.copies_left == 0
            && let Some(open) = self.open.remove(&planned.message)
        {
            self.close(open);
        }
    }

    fn close(&mut self, open: OpenMessage) {
        if open.is_delivered {
            self.delivered += 1;
            return;
        }
        self.undelivered += 1;
        if self.undelivered_messages.len() < LISTED {
            self.undelivered_messages.push(open);
        }
    }

    /// Ends the run. Deliveries that have not ended are counted as undelivered.
    pub(super) fn finish(&mut self, duration: Duration) {
        self.duration = duration;
        for open in std::mem::take(&mut self.open).into_values() {
            self.close(open);
        }
        self.latencies.sort_unstable();
    }

    /// Returns whether all messages were sent, and each got a 2xx response.
    pub(super) fn is_good(&self) -> bool {
        self.undelivered == 0 && self.stop.is_none()
    }

    fn rate(&self) -> f64 {
        self.attempts as f64 / self.duration.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Returns a percentile of the latencies, in milliseconds.
    fn latency(&self, percent: usize) -> Option<f64> {
        let place = (self.latencies.len() * percent).div_ceil(100).checked_sub(1)?;
        Some(f64::from(self.latencies[place]) / 1000.0)
    }

    pub(super) fn object(&self, scenario: &str, seed: u64) -> Value {
        let outcomes: BTreeMap<_, _> =
            self.outcomes.iter().map(|(label, count)| (label, count.attempts)).collect();
        json!({
            "type": "summary",
            "scenario": scenario,
            "seed": seed,
            "messages": self.messages,
            "deliveries": self.deliveries,
            "attempts": self.attempts,
            "resent": self.resent,
            "seconds": (self.duration.as_secs_f64() * 1000.0).round() / 1000.0,
            "attempts_per_second": self.rate().round(),
            "outcomes": outcomes,
            "median_milliseconds": self.latency(50),
            "p99_milliseconds": self.latency(99),
            "max_milliseconds": self.latency(100),
            "delivered": self.delivered,
            "undelivered": self.undelivered,
            "undelivered_messages": self.undelivered_messages,
            "stopped": self.stop.map(|stop| match stop {
                Stop::Disabled => "disabled",
                Stop::Interrupted => "interrupted",
            }),
        })
    }

    pub(super) fn lines(&self, retry: bool) -> Vec<String> {
        let seconds = self.duration.as_secs_f64();
        let mut lines = vec![format!(
            "  {:<10} {}, {}, {}",
            "sent",
            counted(self.messages, "message", "messages"),
            counted(self.deliveries, "delivery", "deliveries"),
            counted(self.attempts, "attempt", "attempts")
        )];
        if self.resent > 0 {
            lines.push(format!("  {:<10} {} immediately, after a failed connection", "resent", self.resent));
        }
        lines.push(format!("  {:<10} {seconds:.2} s, {:.0} attempts per second", "time", self.rate()));
        if let (Some(median), Some(most), Some(all)) = (self.latency(50), self.latency(99), self.latency(100))
        {
            lines.push(format!(
                "  {:<10} median {median:.1} ms, p99 {most:.1} ms, max {all:.1} ms",
                "latency"
            ));
        }
        let width = self.outcomes.keys().map(String::len).max().unwrap_or(0);
        for (place, (label, count)) in self.outcomes.iter().enumerate() {
            let colour = if count.is_success { style::GOOD } else { style::ODD };
            let title = if place == 0 { "outcomes" } else { "" };
            lines.push(format!("  {title:<10} {colour}{label:<width$}{colour:#}  {:>7}", count.attempts));
        }
        self.push_undelivered(&mut lines, retry);
        match self.stop {
            Some(Stop::Disabled) => lines.push(format!(
                "{}stopped{:#}: the endpoint responded with `webhook-delivery: disable`; Svix would stop sending until you enable \
                 the endpoint in the dashboard",
                style::BAD,
                style::BAD
            )),
            Some(Stop::Interrupted) => {
                lines.push(format!("{}interrupted{:#}: the history was not sent completely", style::ODD, style::ODD));
            }
            None => {}
        }
        lines
    }

    fn push_undelivered(&self, lines: &mut Vec<String>, retry: bool) {
        if self.undelivered == 0 && self.stop.is_some() {
            return;
        }
        if self.undelivered == 0 {
            let good = style::GOOD;
            lines.push(format!("{good}delivered{good:#}: every message got a 2xx response"));
            return;
        }
        let bad = style::BAD;
        lines.push(format!(
            "{bad}not delivered{bad:#}: {} of {} never got a 2xx response",
            self.undelivered,
            counted(self.messages, "message", "messages")
        ));
        let width = type_width();
        for message in self.undelivered_messages.iter().take(SHOWN) {
            let last = message.last_outcome.as_deref().unwrap_or("no response yet");
            lines.push(format!(
                "  {} {:<width$} {last} after {}",
                message.message_id,
                message.event_type,
                counted(message.attempts, "attempt", "attempts")
            ));
        }
        let more = self.undelivered.saturating_sub(SHOWN as u64);
        if more > 0 {
            lines.push(format!("  and {more} more; --json lists up to {LISTED}"));
        }
        if !retry && self.stop.is_none() {
            lines.push("Svix would retry these messages. To retry them here, use --retry.".to_owned());
        }
        let is_answered = self.latencies.len() as u64 == self.attempts;
        if let (Some(label), 1, true) = (self.outcomes.keys().next(), self.outcomes.len(), is_answered) {
            lines.push(format!(
                "Every attempt had the outcome {label}. To see why, run `clerk-webhook trigger user.created` with the same \
                 URL and secret."
            ));
        }
        if self.aborted > 0 {
            lines.push(format!(
                "{} aborted with `webhook-delivery: abort-message`, so Svix would not retry.",
                counted(self.aborted, "delivery was", "deliveries were")
            ));
        }
    }
}
