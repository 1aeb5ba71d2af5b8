//! Reads what a response shows: who sent it, why it is not a success, and what to do.

mod body;
mod finding;
mod outcomes;
mod read;
mod refusals;
mod vendors;

pub(crate) use self::body::alike;
pub(crate) use self::finding::{Evidence, Kind};
pub(crate) use self::outcomes::outcome;
pub(crate) use self::read::read;
