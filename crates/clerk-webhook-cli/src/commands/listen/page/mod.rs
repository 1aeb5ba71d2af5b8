//! The page and its API, only for a browser on this machine.
//!
//! Threats:
//!
//! - Any page that is open in a browser can send requests to this server. With a domain that resolves to
//!   127.0.0.1, it could also read the responses (DNS rebinding).
//! - A tunnel, and another user of this machine, look like a local browser.
//!
//! So every request needs the token of this run: 128 random bits, which only the printed address contains.
//! The printed address sets the token as a cookie. Scripts cannot read this cookie, and other sites cannot
//! send it. The browser that `--open` starts gets a different address; see [`entrance`].
//!
//! A leaked token is not enough. A request must also come from this machine, use a name of this machine as
//! the host, and have no proxy headers. If the browser states the request's origin, it must be this
//! page. A request that changes something needs a header that other sites cannot send.

pub(super) mod access;
mod entrance;
pub(super) mod routes;
mod token;
