//! Faults that a client must survive or report.

use std::time::Duration;

use crate::history::Random;

/// The maximum number of consecutive requests that fail, so that retries can succeed.
const IN_A_ROW: u32 = 3;

/// A fault of the Backend API, or of the network in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Status 429 with `Retry-After: 1`.
    TooManyRequests,
    /// Status 500, 502, 503 or 504. Only 500 has a JSON body.
    ServerError,
    /// A response with a [`Delay`].
    Slow,
    /// A response whose body ends before its `Content-Length`.
    CutOff,
    /// Status 200 with a page in HTML.
    NotJson,
    /// Status 404 with a page in HTML, as from a wrong base URL.
    NotFoundWithoutJson,
    /// Status 403.
    Forbidden,
    /// A response that shows the objects as they were some seconds ago.
    Stale,
}

impl Fault {
    /// The faults that end if the client retries.
    pub const TRANSIENT: &[Self] = &[Self::TooManyRequests, Self::ServerError, Self::Slow, Self::CutOff];
}

/// How long a client waits for a response with [`Fault::Slow`].
///
/// The fake API never sleeps. It adds this value to the response's extensions, and the caller waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay(pub Duration);

/// Faults at random requests. The same seed produces the same faults for the same number of requests.
///
/// At most three consecutive requests fail.
#[derive(Clone, Debug)]
#[must_use]
pub struct Faults {
    random: Random,
    percent: u8,
    kinds: Vec<Fault>,
    delay: Duration,
    pub(super) staleness: Duration,
    in_a_row: u32,
}

impl Faults {
    /// Returns [`Fault::TRANSIENT`] at 20 % of the requests.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            percent: 20,
            kinds: Fault::TRANSIENT.to_vec(),
            delay: Duration::from_secs(2),
            staleness: Duration::from_secs(5),
            in_a_row: 0,
        }
    }

    /// Sets the kinds of faults.
    pub fn only(self, kinds: impl IntoIterator<Item = Fault>) -> Self {
        Self { kinds: kinds.into_iter().collect(), ..self }
    }

    /// Sets the share of requests that fail, in percent. The default is 20.
    pub fn percent(self, percent: u8) -> Self {
        Self { percent, ..self }
    }

    /// Sets the [`Delay`] of slow responses. The default is 2 s.
    pub fn delay(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    /// Sets how old stale responses are. The default is 5 s.
    pub fn staleness(self, staleness: Duration) -> Self {
        Self { staleness, ..self }
    }

    /// Returns the fault of the next request.
    pub(super) fn next(&mut self) -> Option<Fault> {
        let is_faulty = self.random.percent(u64::from(self.percent));
        if !is_faulty || self.kinds.is_empty() || self.in_a_row == IN_A_ROW {
            self.in_a_row = 0;
            return None;
        }
        self.in_a_row += 1;
        Some(self.random.pick(&self.kinds))
    }

    /// Returns the status of the next server error.
    pub(super) fn server_error(&mut self) -> u16 {
        self.random.pick(&[500, 502, 503, 504])
    }

    pub(super) fn next_delay(&self) -> Delay {
        Delay(self.delay)
    }
}
