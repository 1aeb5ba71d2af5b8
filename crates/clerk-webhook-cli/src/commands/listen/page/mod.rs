//! The page, and what it asks for: for a browser on this machine and nobody else.
//!
//! Any page that is open in a browser can send requests to this server, and by a name of its own that leads to 127.0.0.1 it
//! could even read the answers. A tunnel or another user of this machine looks like a browser that runs on it, too. So every
//! request needs the token of this run, 128 random bits that only the printed address has: the page that is opened by it keeps
//! it as a cookie, which no script sees and no other site sends along. The browser that `--open` starts gets another address,
//! see [`entrance`].
//!
//! Besides, and so that a token which has leaked is not enough, a request has to come from this machine, under a name of
//! this machine, through no proxy that says so, and where a browser says from which page it comes, from ours. What is changed
//! by a request needs a header that no foreign page may send.

pub(super) mod access;
mod entrance;
pub(super) mod routes;
mod token;
