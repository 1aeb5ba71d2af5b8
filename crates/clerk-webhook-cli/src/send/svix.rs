//! What Svix does with an answer: its schedule of attempts.
//!
//! Source: docs.svix.com/retries and /receiving/delivery-control, and Svix's server 1.100, whose jitter and treatment of
//! `Retry-After` the hosted service does not document. That server was seen to retry 429 as any other failure.

use std::time::Duration;

pub(crate) use clerk_webhook_core::sender::RESPONSE_TIMEOUT as TIMEOUT;
pub(crate) use clerk_webhook_core::sender::RETRY_JITTER_PERCENT as JITTER;
use clerk_webhook_core::sender::{MIN_DELAY_AFTER_TIMEOUT, RETRY_DELAYS};

/// What an endpoint answered, as far as it matters to Svix; no answer at all is `None` wherever one is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The header `Retry-After`.
    pub(crate) retry_after: Option<Duration>,
    /// The header `webhook-delivery`.
    pub(crate) control: Option<String>,
}

/// What Svix does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing more: it was delivered.
    Delivered,
    /// Nothing more: the endpoint does not want this message.
    Aborted,
    /// Nothing more, and no other message either.
    Disabled,
    /// Another attempt after this time, give or take the jitter.
    Retry(Duration),
    /// Nothing more: that was the last attempt.
    GivenUp,
}

/// Returns what follows the attempt of this number, counted from 1.
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

/// Returns the least delay before the next attempt.
fn floor(base: Duration, reply: Option<&Reply>) -> Duration {
    if reply.is_none() { base.max(MIN_DELAY_AFTER_TIMEOUT) } else { base }
}

impl Next {
    /// Returns the word for it in JSON.
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

/// Says what Svix does after the attempt of this number, as what follows its name: `tries again in 4–6 s …`.
pub(crate) fn explain(attempt: usize, reply: Option<&Reply>) -> String {
    let next = next(attempt, reply);
    let Some((from, to)) = next.window() else {
        let text = match next {
            Next::Delivered => "sends nothing more: it is delivered",
            Next::Aborted => "gives this message up, as webhook-delivery says",
            Next::Disabled => {
                "disables the endpoint, as webhook-delivery says: it gets no event until you enable it in the dashboard; then \
                 recover the failed messages there"
            }
            Next::GivenUp | Next::Retry(_) => "gives this message up: that was the last attempt",
        };
        return text.to_owned();
    };
    let base = RETRY_DELAYS.get(attempt.wrapping_sub(1)).copied().unwrap_or_default();
    let floor = floor(base, reply);
    let least = span(floor.as_secs_f64(), floor.as_secs_f64());
    let why = match reply.and_then(|reply| reply.retry_after) {
        Some(wanted) if wanted > floor * 2 => {
            format!("Retry-After counts up to twice the {least} of its schedule")
        }
        Some(wanted) if wanted < floor => format!("Retry-After makes it no shorter than {least}"),
        Some(_) => "as Retry-After says".to_owned(),
        None if floor > base => format!("at least {least} after no answer"),
        None => {
            let throttled = reply.is_some_and(|reply| reply.status == 429);
            let rest = if throttled { "; 429 does not lengthen the delay" } else { "" };
            format!("attempt {} of {}{rest}", attempt + 1, RETRY_DELAYS.len() + 1)
        }
    };
    format!("tries again in {} ({why})", span(from, to))
}

/// Writes a span of seconds in the unit that suits its end.
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
    fn an_answer_decides_what_follows() {
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
    fn what_follows_is_said_in_words() {
        for (attempt, reply, expected) in [
            (1, Some(reply(200, None, None)), "sends nothing more: it is delivered"),
            (1, Some(reply(500, None, None)), "tries again in 4–6 s (attempt 2 of 8)"),
            (
                1,
                Some(reply(409, Some(30), None)),
                "tries again in 8–12 s (Retry-After counts up to twice the 5 s of its schedule)",
            ),
            (1, Some(reply(503, Some(7), None)), "tries again in 5.6–8.4 s (as Retry-After says)"),
            (
                1,
                Some(reply(503, Some(1), None)),
                "tries again in 4–6 s (Retry-After makes it no shorter than 5 s)",
            ),
            (
                1,
                Some(reply(429, None, None)),
                "tries again in 4–6 s (attempt 2 of 8; 429 does not lengthen the delay)",
            ),
            (
                1,
                Some(reply(429, Some(600), None)),
                "tries again in 8–12 s (Retry-After counts up to twice the 5 s of its schedule)",
            ),
            (1, None, "tries again in 48–72 s (at least 60 s after no answer)"),
            (2, Some(reply(500, None, None)), "tries again in 4–6 min (attempt 3 of 8)"),
            (5, Some(reply(500, None, None)), "tries again in 4–6 h (attempt 6 of 8)"),
            (8, None, "gives this message up: that was the last attempt"),
            (
                1,
                Some(reply(422, None, Some("abort-message"))),
                "gives this message up, as webhook-delivery says",
            ),
            (
                1,
                Some(reply(422, None, Some("disable"))),
                "disables the endpoint, as webhook-delivery says: it gets no event until you enable it in the dashboard; then \
                 recover the failed messages there",
            ),
        ] {
            assert_eq!(explain(attempt, reply.as_ref()), expected, "{attempt} {reply:?}");
        }
    }
}
