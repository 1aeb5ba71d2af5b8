//! Captured requests and their files.
//!
//! Three formats are supported: `.http` files, which contain one request as it was on the wire; the JSON
//! lines that `clerk webhooks listen --json` prints; and folders of both. `listen --record` writes `.http`
//! files, with comments before the request.

mod http_file;
mod lines;
mod read;
mod recorded;
mod request;

pub(crate) use self::http_file::write as to_http_file;
pub(crate) use self::read::{contents, read, read_http, read_lines};
pub(crate) use self::recorded::Recorded;
pub(crate) use self::request::{Capture, Captures, Unreadable};
