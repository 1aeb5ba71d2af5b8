//! The address that `--open` passes to the browser. It opens the page once.
//!
//! The browser gets the address as an argument, and every user of the machine can read the arguments of
//! processes. So the address contains a code instead of the token:
//!
//! - The code works only once. A second use shows that another user has read the code and may have used it
//!   first, so it closes the page that the first use opened.
//! - Opening the printed address closes that page too, because its user does not need the code.
//! - The code expires after 60 s.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::token::{is_same, random};

/// The name of the query parameter for the code, with the equals sign.
pub(super) const CODE: &str = "code=";

/// How long the code is valid: enough for a browser to start.
const LIFETIME: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Entrance {
    code: String,
    made_at: Instant,
    /// The value of the cookie that the browser gets in exchange for the code.
    pass: String,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unused,
    Used,
    Closed,
}

/// The result of using the code.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'e> {
    /// The code was valid. Contains the value of the cookie.
    Pass(&'e str),
    /// The code was used before or has expired. `closes` tells whether this use invalidates the cookie of the
    /// first use.
    Refused { closes: bool },
}

impl Entrance {
    pub(super) fn new() -> Result<Self, getrandom::Error> {
        let state = watch::Sender::new(State::Unused);
        Ok(Self { code: random()?, made_at: Instant::now(), pass: random()?, state })
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// Uses the code. Returns `None` if the given code is a different one.
    pub(super) fn enter(&self, code: &str) -> Option<Entry<'_>> {
        self.enter_at(code, Instant::now())
    }

    fn enter_at(&self, code: &str, now: Instant) -> Option<Entry<'_>> {
        if !is_same(code, &self.code) {
            return None;
        }
        let is_late = now.saturating_duration_since(self.made_at) > LIFETIME;
        let before =
            self.change(|state| if state == State::Unused && !is_late { State::Used } else { State::Closed });
        Some(match before {
            State::Unused if !is_late => Entry::Pass(&self.pass),
            before => Entry::Refused { closes: before == State::Used },
        })
    }

    /// Invalidates the code and its cookie. Returns whether the cookie was valid.
    pub(super) fn close(&self) -> bool {
        self.change(|_| State::Closed) == State::Used
    }

    /// Changes the state, and returns the previous state.
    fn change(&self, next: impl Fn(State) -> State) -> State {
        let mut before = State::Unused;
        self.state.send_modify(|state| {
            before = *state;
            *state = next(before);
        });
        before
    }

    /// Returns whether a cookie with this value opens the page.
    pub(super) fn admits(&self, pass: &str) -> bool {
        *self.state.borrow() == State::Used && is_same(pass, &self.pass)
    }

    /// Waits until the cookie is no longer valid.
    pub(super) async fn closed(&self) {
        // `self` owns the sender, so waiting cannot fail.
        let _ = self.state.subscribe().wait_for(|state| *state == State::Closed).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_code_opens_nothing() {
        let entrance = Entrance::new().unwrap();
        let late = Instant::now() + LIFETIME + Duration::from_secs(1);
        assert_eq!(entrance.enter_at(&entrance.code, late), Some(Entry::Refused { closes: false }));
        assert_eq!(entrance.enter(&entrance.code), Some(Entry::Refused { closes: false }));
        assert!(!entrance.admits(&entrance.pass));
    }

    #[test]
    fn a_closed_entrance_opens_nothing() {
        let entrance = Entrance::new().unwrap();
        assert!(!entrance.close());
        assert_eq!(entrance.enter(&entrance.code), Some(Entry::Refused { closes: false }));

        let entrance = Entrance::new().unwrap();
        entrance.enter(&entrance.code).unwrap();
        assert!(entrance.close() && !entrance.admits(&entrance.pass));
    }
}
