//! What Svix does with an answer: its schedule of attempts.
//!
//! Source: docs.svix.com/retries and /receiving/delivery-control, and Svix's server 1.100, whose jitter and treatment of
//! `Retry-After` the hosted service does not document.

use std::time::Duration;

/// How long Svix waits for an answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// How long Svix waits after each failed attempt; there are eight.
pub(crate) const SCHEDULE: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
];

/// How much a delay varies either way, in percent.
pub(crate) const JITTER: u32 = 20;

/// After 429 or no answer in time the next attempt is no earlier.
const THROTTLED: Duration = Duration::from_secs(60);

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
    let Some(&base) = attempt.checked_sub(1).and_then(|index| SCHEDULE.get(index)) else {
        return Next::GivenUp;
    };
    let throttled = reply.is_none_or(|reply| reply.status == 429);
    let base = if throttled { base.max(THROTTLED) } else { base };
    let wanted = reply.and_then(|reply| reply.retry_after).unwrap_or(base);
    Next::Retry(wanted.clamp(base, base * 2))
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
            (1, Some(reply(429, None, None)), seconds(60)),
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
    fn all_attempts_span_27_hours_and_a_half() {
        assert_eq!(SCHEDULE.iter().sum::<Duration>(), Duration::from_secs(27 * 3600 + 35 * 60 + 5));
    }
}
