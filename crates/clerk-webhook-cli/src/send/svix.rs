//! Svix's reaction to a response, including its retry schedule.
//!
//! Sources: docs.svix.com/retries and /receiving/delivery-control. The jitter and the treatment of
//! `Retry-After` are not documented for the hosted service and were taken from the Svix server 1.100. That
//! server retries 429 like any other failure.

use std::time::Duration;

pub(crate) use clerk_webhook_core::sender::RESPONSE_TIMEOUT as TIMEOUT;
pub(crate) use clerk_webhook_core::sender::RETRY_JITTER_PERCENT as JITTER;
use clerk_webhook_core::sender::{MIN_DELAY_AFTER_TIMEOUT, RETRY_DELAYS};

/// The parts of a response that affect Svix's next action. In parameters, `None` means that no response was
/// received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The `Retry-After` header.
    pub(crate) retry_after: Option<Duration>,
    /// The `webhook-delivery` header.
    pub(crate) control: Option<String>,
}

/// Svix's next action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// No further attempt, because the message was delivered.
    Delivered,
    /// No further attempt, because the endpoint aborted this message.
    Aborted,
    /// No further attempts and no further messages, because the endpoint is disabled.
    Disabled,
    /// Another attempt after this delay, plus or minus the jitter.
    Retry(Duration),
    /// No further attempt, because this was the last attempt.
    GivenUp,
}

/// Returns the action after this attempt, counted from 1.
pub(crate) fn next(attempt: usize, reply: Option<&Reply>) -> Next {
    if let Some(reply) = reply {
        if (200..300).contains(&reply.status) {
            return Next::Delivered;
        }
        match reply.control.as_deref() {
            Some("abort-message") => return Next::Aborted,
            Some("disable") => return Next::Disabled,
            _ => {}
        }
    }
    let Some(&base) = attempt.checked_sub(1).and_then(|index| RETRY_DELAYS.get(index)) else {
        return Next::GivenUp;
    };
    let base = floor(base, reply);
    let wanted = reply.and_then(|reply| reply.retry_after).unwrap_or(base);
    Next::Retry(wanted.clamp(base, base * 2))
}

/// Returns the minimum delay before the next attempt.
fn floor(base: Duration, reply: Option<&Reply>) -> Duration {
    if reply.is_none() { base.max(MIN_DELAY_AFTER_TIMEOUT) } else { base }
}

impl Next {
    /// Returns the name of the action in JSON.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Aborted => "aborted",
            Self::Disabled => "disabled",
            Self::Retry(_) => "retry",
            Self::GivenUp => "given_up",
        }
    }

    /// Returns the earliest and the latest delay of the next attempt, in seconds.
    pub(crate) fn window(self) -> Option<(f64, f64)> {
        let Self::Retry(delay) = self else { return None };
        let percent = |percent: u32| (delay * percent / 100).as_secs_f64();
        Some((percent(100 - JITTER), percent(100 + JITTER)))
    }
}

/// Describes Svix's action after this attempt, as the predicate of a sentence: `retries in 4–6 s …`.
pub(crate) fn explain(attempt: usize, reply: Option<&Reply>) -> String {
    let next = next(attempt, reply);
    let Some((from, to)) = next.window() else {
        let text = match next {
            Next::Delivered => "does not retry: it counts 2xx as delivered",
            Next::Aborted => "does not retry: webhook-delivery aborts the message",
            Next::Disabled => {
                "disables the endpoint because of webhook-delivery: it receives no events until you enable it in the \
                 dashboard, where you can also recover the failed messages"
            }
            Next::GivenUp | Next::Retry(_) => "does not retry: this was the last attempt",
        };
        return text.to_owned();
    };
    let base = RETRY_DELAYS.get(attempt.wrapping_sub(1)).copied().unwrap_or_default();
    let floor = floor(base, reply);
    let least = span(floor.as_secs_f64(), floor.as_secs_f64());
    let why = match reply.and_then(|reply| reply.retry_after) {
        Some(wanted) if wanted > floor * 2 => {
            format!("Retry-After is limited to twice the scheduled {least}")
        }
        Some(wanted) if wanted < floor => format!("Retry-After cannot shorten the delay below {least}"),
        Some(_) => "according to Retry-After".to_owned(),
        None if floor > base => format!("at least {least} after a timeout"),
        None => {
            let throttled = reply.is_some_and(|reply| reply.status == 429);
            let rest = if throttled { "; 429 does not lengthen the delay" } else { "" };
            format!("attempt {} of {}{rest}", attempt + 1, RETRY_DELAYS.len() + 1)
        }
    };
    format!("retries in {} ({why})", span(from, to))
}

/// Formats a range of seconds in the unit that suits its upper end.
fn span(from: f64, to: f64) -> String {
    let (divisor, unit) = match to {
        ..120.0 => (1.0, "s"),
        ..7200.0 => (60.0, "min"),
        _ => (3600.0, "h"),
    };
    let number = |seconds: f64| {
        let text = format!("{:.1}", seconds / divisor);
        text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
    };
    let (from, to) = (number(from), number(to));
    if from == to { format!("{from} {unit}") } else { format!("{from}–{to} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, retry_after: Option<u64>, control: Option<&str>) -> Reply {
        Reply {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            control: control.map(str::to_owned),
        }
    }

    #[test]
    fn the_response_determines_the_next_action() {
        let seconds = |seconds| Next::Retry(Duration::from_secs(seconds));
        for (attempt, reply, expected) in [
            (1, Some(reply(200, None, None)), Next::Delivered),
            (1, Some(reply(299, None, Some("disable"))), Next::Delivered),
            (1, Some(reply(302, None, None)), seconds(5)),
            (1, Some(reply(500, None, None)), seconds(5)),
            (2, Some(reply(500, None, None)), seconds(300)),
            (1, Some(reply(409, Some(30), None)), seconds(10)),
            (1, Some(reply(503, Some(7), None)), seconds(7)),
            (1, Some(reply(503, Some(1), None)), seconds(5)),
            (1, Some(reply(429, None, None)), seconds(5)),
            (1, Some(reply(429, Some(60), None)), seconds(10)),
            (2, Some(reply(429, None, None)), seconds(300)),
            (1, None, seconds(60)),
            (1, Some(reply(422, None, Some("abort-message"))), Next::Aborted),
            (1, Some(reply(422, None, Some("disable"))), Next::Disabled),
            (7, Some(reply(500, None, None)), seconds(36_000)),
            (8, Some(reply(500, None, None)), Next::GivenUp),
        ] {
            assert_eq!(next(attempt, reply.as_ref()), expected, "{attempt} {reply:?}");
        }
    }

    #[test]
    fn explains_the_next_action() {
        for (attempt, reply, expected) in [
            (1, Some(reply(200, None, None)), "does not retry: it counts 2xx as delivered"),
            (1, Some(reply(500, None, None)), "retries in 4–6 s (attempt 2 of 8)"),
            (
                1,
                Some(reply(409, Some(30), None)),
                "retries in 8–12 s (Retry-After is limited to twice the scheduled 5 s)",
            ),
            (1, Some(reply(503, Some(7), None)), "retries in 5.6–8.4 s (according to Retry-After)"),
            (
                1,
                Some(reply(503, Some(1), None)),
                "retries in 4–6 s (Retry-After cannot shorten the delay below 5 s)",
            ),
            (
                1,
                Some(reply(429, None, None)),
                "retries in 4–6 s (attempt 2 of 8; 429 does not lengthen the delay)",
            ),
            (
                1,
                Some(reply(429, Some(600), None)),
                "retries in 8–12 s (Retry-After is limited to twice the scheduled 5 s)",
            ),
            (1, None, "retries in 48–72 s (at least 60 s after a timeout)"),
            (2, Some(reply(500, None, None)), "retries in 4–6 min (attempt 3 of 8)"),
            (5, Some(reply(500, None, None)), "retries in 4–6 h (attempt 6 of 8)"),
            (8, None, "does not retry: this was the last attempt"),
            (
                1,
                Some(reply(422, None, Some("abort-message"))),
                "does not retry: webhook-delivery aborts the message",
            ),
            (
                1,
                Some(reply(422, None, Some("disable"))),
                "disables the endpoint because of webhook-delivery: it receives no events until you enable it in the \
                 dashboard, where you can also recover the failed messages",
            ),
        ] {
            assert_eq!(explain(attempt, reply.as_ref()), expected, "{attempt} {reply:?}");
        }
    }
}
