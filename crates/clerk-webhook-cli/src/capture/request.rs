//! A request that was captured.

use bytes::Bytes;

use super::recorded::Recorded;
use crate::failure::Failure;

/// A request as it was captured; nothing in it has been verified.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capture {
    /// The file, and the line where it has several.
    pub(crate) place: String,
    /// What stands between method and version, where that is known: a path or a URL.
    pub(crate) target: Option<String>,
    /// In the order in which they came, repeated ones included, with names as they were written.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
    /// What a recording says about itself.
    pub(crate) recorded: Recorded,
}

/// The requests of files, and the files that could not be read.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    pub(crate) requests: Vec<Capture>,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A file that holds no request that can be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) place: String,
    /// What is wrong; begins with the place.
    pub(crate) error: String,
}

impl Captures {
    pub(crate) fn extend(&mut self, others: Self) {
        self.requests.extend(others.requests);
        self.unreadable.extend(others.unreadable);
    }

    /// Returns an error if no file could be read, so that nothing is left to do.
    pub(crate) fn require_any(self) -> Result<Self, Failure> {
        match self.unreadable.as_slice() {
            [one] if self.requests.is_empty() => Err(Failure::usage(&one.error)),
            [first, ..] if self.requests.is_empty() => Err(Failure::usage(format_args!(
                "none of {} files can be read; the first error: {}",
                self.unreadable.len(),
                first.error
            ))),
            _ => Ok(self),
        }
    }
}

impl From<Vec<Capture>> for Captures {
    fn from(requests: Vec<Capture>) -> Self {
        Self { requests, unreadable: Vec::new() }
    }
}

impl Capture {
    /// Returns the values of a header.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let same = move |(other, _): &&(String, Vec<u8>)| other.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| value.as_slice())
    }

    /// Returns the only value of a header, where it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut values = self.header(name);
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok().map(str::trim)
    }
}
