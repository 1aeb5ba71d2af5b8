//! The address that `--open` gives to the browser: it opens the page once.
//!
//! Every user of a machine can read the arguments of its processes, and the browser gets the address as an argument. So that
//! address has a code instead of the token. A second use proves that somebody else has read the code and may have been the
//! first to use it, so it closes what the first use has opened.

use tokio::sync::watch;

use super::{is_same, random};

/// What comes before the code in the query.
pub(super) const CODE: &str = "code=";

#[derive(Debug)]
pub(super) struct Entrance {
    code: String,
    /// The value of the cookie for the code.
    pass: String,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unused,
    Used,
    UsedAgain,
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
        Ok(Self { code: random()?, pass: random()?, state: watch::Sender::new(State::Unused) })
    }

    pub(super) fn code(&self) -> &str {
        &self.code
    }

    /// Uses the code up; `None` if it is another one.
    pub(super) fn enter(&self, code: &str) -> Option<Entry<'_>> {
        if !is_same(code, &self.code) {
            return None;
        }
        let mut before = State::Unused;
        self.state.send_modify(|state| {
            before = *state;
            *state = if before == State::Unused { State::Used } else { State::UsedAgain };
        });
        Some(match before {
            State::Unused => Entry::Pass(&self.pass),
            State::Used => Entry::Refused { closes: true },
            State::UsedAgain => Entry::Refused { closes: false },
        })
    }

    /// Returns whether a cookie with this value opens the page.
    pub(super) fn admits(&self, pass: &str) -> bool {
        *self.state.borrow() == State::Used && is_same(pass, &self.pass)
    }

    /// Waits until the pass is no longer valid.
    pub(super) async fn closed(&self) {
        // The sender is in this value, so waiting cannot fail.
        let _ = self.state.subscribe().wait_for(|state| *state == State::UsedAgain).await;
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
}
