//! Captured requests and their files.
//!
//! `.http` files contain one request as it was on the wire; `listen --record` writes them, with comments before
//! the request. `objects` reads requests from JSON, and `curl` reads command lines. A folder can contain all of
//! these.

mod curl;
mod http_file;
mod objects;
mod read;
mod recorded;
mod request;

pub(crate) use self::http_file::write as to_http_file;
pub(crate) use self::read::{contents, read, read_http, read_objects};
pub(crate) use self::recorded::Recorded;
pub(crate) use self::request::{Capture, Captures, Unreadable};
