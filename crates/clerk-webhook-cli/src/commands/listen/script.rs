//! `--respond`: a fixed sequence of responses.

use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One response: `500`, `409:30` with `Retry-After: 30`, or `timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Status { status: u16, retry_after: Option<u32> },
    NoResponse,
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "timeout" {
            return Ok(Self::NoResponse);
        }
        let wrong = || {
            "expected a status from 200 to 599, a status with Retry-After in seconds such as 409:30, or timeout"
                .to_owned()
        };
        let (status, delay) = match text.split_once(':') {
            Some((status, delay)) => (status, Some(delay)),
            None => (text, None),
        };
        let status = status.parse().ok().filter(|status| (200..=599).contains(status)).ok_or_else(wrong)?;
        let retry_after = delay.map(|delay| delay.parse().map_err(|_| wrong())).transpose()?;
        Ok(Self::Status { status, retry_after })
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status { status, retry_after: None } => write!(f, "{status}"),
            Self::Status { status, retry_after: Some(delay) } => write!(f, "{status}:{delay}"),
            Self::NoResponse => f.write_str("timeout"),
        }
    }
}

/// A sequence of responses. The last one repeats.
#[derive(Debug)]
pub(super) struct Script {
    steps: Vec<Step>,
    next: AtomicUsize,
}

impl Script {
    /// Creates the sequence. Returns `None` if there are no responses.
    pub(super) fn new(steps: Vec<Step>) -> Option<Self> {
        (!steps.is_empty()).then(|| Self { steps, next: AtomicUsize::new(0) })
    }

    pub(super) fn next(&self) -> Option<Step> {
        let last = self.steps.len().saturating_sub(1);
        let advance = |next: usize| Some(last.min(next + 1));
        let index = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, advance).unwrap_or(last);
        self.steps.get(index).copied()
    }
}

impl std::fmt::Display for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.steps.as_slice() {
            [one] => write!(f, "{one}"),
            [first @ .., last] => {
                let first: Vec<_> = first.iter().map(ToString::to_string).collect();
                write!(f, "{}, then {last}", first.join(", "))
            }
            [] => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_statuses_delays_and_timeout() {
        let status = |status, retry_after| Ok(Step::Status { status, retry_after });
        assert_eq!("500".parse(), status(500, None));
        assert_eq!("409:30".parse(), status(409, Some(30)));
        assert_eq!("timeout".parse(), Ok(Step::NoResponse));
        for wrong in ["", "199", "600", "x", "409:", "409:x", "409:-1", "70000", "Timeout"] {
            assert!(wrong.parse::<Step>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn repeats_the_last_response() {
        let step = |status| Step::Status { status, retry_after: None };
        let script = Script::new(vec![step(500), step(503), step(200)]).unwrap();
        assert_eq!(script.to_string(), "500, 503, then 200");
        let answers: Vec<_> = (0..5).filter_map(|_| script.next()).collect();
        assert_eq!(answers, [step(500), step(503), step(200), step(200), step(200)]);
        assert!(Script::new(Vec::new()).is_none());
    }
}
