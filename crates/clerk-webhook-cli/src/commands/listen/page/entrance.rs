//! The address that `--open` gives to the browser: it opens the page once.
//!
//! Every user of a machine can read the arguments of its processes, and the browser gets the address as an argument. So that
//! address has a code instead of the token. A second use proves that somebody else has read the code and may have been the
//! first to use it, so it closes what the first use has opened. So does the printed address, whose user has no need of the
//! code, and a code that no browser has used soon is no longer valid.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::token::{is_same, random};

/// What comes before the code in the query.
pub(super) const CODE: &str = "code=";

/// How long the browser may take to start.
const LIFETIME: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Entrance {
    code: String,
    made_at: Instant,
    /// The value of the cookie for the code.
    pass: String,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unused,
    Used,
    Closed,
}

/// What a use of the code leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'e> {
    /// The value of the cookie.
    Pass(&'e str),
    /// The code was used before; `closes` says whether its pass was valid until now.
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

    /// Uses the code up; `None` if it is another one.
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

    /// Closes the entrance and what it has opened, and returns whether that was open.
    pub(super) fn close(&self) -> bool {
        self.change(|_| State::Closed) == State::Used
    }

    /// Changes the state, and returns what it was before.
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

    /// Waits until the pass is no longer valid.
    pub(super) async fn closed(&self) {
        // The sender is in this value, so waiting cannot fail.
        let _ = self.state.subscribe().wait_for(|state| *state == State::Closed).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_use_of_the_code_closes_what_the_first_has_opened() {
        let entrance = Entrance::new().unwrap();
        assert!(!entrance.admits(&entrance.pass) && entrance.code != entrance.pass);
        assert_eq!(entrance.enter(&entrance.pass), None);
        assert_eq!(entrance.enter(&entrance.code), Some(Entry::Pass(&entrance.pass)));
        assert!(entrance.admits(&entrance.pass) && !entrance.admits(&entrance.code));
        assert_eq!(entrance.enter(&entrance.code), Some(Entry::Refused { closes: true }));
        assert!(!entrance.admits(&entrance.pass));
        assert_eq!(entrance.enter(&entrance.code), Some(Entry::Refused { closes: false }));
        assert!(!entrance.admits(&entrance.pass));
    }

    #[test]
    fn a_code_that_was_not_used_soon_opens_nothing() {
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
