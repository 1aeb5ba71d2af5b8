//! Requests that were captured, and the files they are in.
//!
//! Three forms are read: `.http` files, which hold one request as it was on the wire; lines of JSON as `clerk webhooks listen
//! --json` prints them; and folders of both. `listen --record` writes `.http`, with what it knows in comments in front.

mod http_file;
mod lines;
mod read;
mod recorded;
mod request;

pub(crate) use self::http_file::write as to_http_file;
pub(crate) use self::read::{contents, read, read_http, read_lines};
pub(crate) use self::recorded::Recorded;
pub(crate) use self::request::{Capture, Captures, Unreadable};
