//! The report about an attempt, for `--each`.

use std::time::Duration;

use http::Uri;
use serde_json::json;

use super::plan::PlannedDelivery;
use super::tally::label;
use crate::failure::Failure;
use crate::output::{Output, style};
use crate::send::client::{Answer, SendError};
use crate::send::svix::Next;
use crate::text::type_width;

/// A finished attempt.
#[derive(Debug)]
pub(super) struct AttemptReport<'a> {
    pub(super) delivery: &'a PlannedDelivery,
    pub(super) attempt: usize,
    pub(super) url: &'a Uri,
    /// Whether the history is sent to several URLs.
    pub(super) several_urls: bool,
    pub(super) result: &'a Result<Answer, SendError>,
    pub(super) resent: bool,
    pub(super) next: Next,
    /// The delay of the next attempt, with jitter.
    pub(super) delay: Option<Duration>,
}

impl AttemptReport<'_> {
    pub(super) fn show(&self, output: &Output) -> Result<(), Failure> {
        if output.is_json() {
            return output.object(&self.object());
        }
        let PlannedDelivery { event, copy, .. } = self.delivery;
        let color = if self.next == Next::Delivered { style::GOOD } else { style::ODD };
        let took = self.result.as_ref().map_or(0.0, |answer| millis(answer.elapsed));
        let then = match self.delay {
            Some(delay) => format!(", retry in {:.0} s", delay.as_secs_f64()),
            None if self.next == Next::Delivered => String::new(),
            None => format!(", {}", self.next.word().replace('_', " ")),
        };
        let resent = if self.resent { ", sent twice" } else { "" };
        let place = if self.several_urls { format!(" from {}", self.url) } else { String::new() };
        output.line(format_args!(
            "{} {:<width$} copy {copy}, attempt {}  {color}{}{color:#}{place} {took:.1} ms{resent}{then}",
            event.message_id(),
            event.event_type().as_str(),
            self.attempt,
            label(self.result),
            width = type_width()
        ))
    }

    fn object(&self) -> serde_json::Value {
        let PlannedDelivery { event, copy, .. } = self.delivery;
        let answer = self.result.as_ref().ok();
        let reply = answer.map(Answer::reply);
        let planned = match self.next {
            Next::Retry(planned) => Some(planned.as_secs_f64()),
            _ => None,
        };
        json!({
            "type": "attempt",
            "message_id": event.message_id(),
            "event_type": event.event_type().as_str(),
            "copy": copy,
            "attempt": self.attempt,
            "url": self.url.to_string(),
            "resent": self.resent,
            "outcome": label(self.result),
            "status": answer.map(|answer| answer.status.as_u16()),
            "error": self.result.as_ref().err().map(ToString::to_string),
            "milliseconds": answer.map(|answer| millis(answer.elapsed)),
            "retry_after": reply.as_ref().and_then(|reply| reply.retry_after).map(|wait| wait.as_secs()),
            "webhook_delivery": reply.and_then(|reply| reply.control),
            "next": self.next.word(),
            "planned_delay_seconds": planned,
            "delay_seconds": self.delay.map(|delay| delay.as_secs_f64()),
        })
    }
}

fn millis(duration: Duration) -> f64 {
    // A resolution of one microsecond is sufficient for a network request.
    duration.as_micros() as f64 / 1000.0
}
