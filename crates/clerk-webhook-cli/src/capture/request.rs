//! Captured requests.

use bytes::Bytes;

use super::recorded::Recorded;
use crate::failure::Failure;

/// A captured request. Its content is not verified.
#[derive(Clone, Debug, Default)]
pub(crate) struct Capture {
    /// The source of the request: the file, followed by the number of the JSON object if the file can contain
    /// several.
    pub(crate) place: String,
    /// The request target (a path or a URL), if known.
    pub(crate) target: Option<String>,
    /// The headers in their original order, including repeated ones. The case of the names is preserved.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
    /// The metadata that `listen --record` wrote to the file.
    pub(crate) recorded: Recorded,
}

/// The requests that were read from files, and the files that could not be read.
#[derive(Debug, Default)]
pub(crate) struct Captures {
    pub(crate) requests: Vec<Capture>,
    pub(crate) unreadable: Vec<Unreadable>,
}

/// A file that could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) place: String,
    /// The error message, which begins with the place.
    pub(crate) error: String,
}

impl Captures {
    pub(crate) fn extend(&mut self, others: Self) {
        self.requests.extend(others.requests);
        self.unreadable.extend(others.unreadable);
    }

    /// Returns an error if no request could be read.
    pub(crate) fn require_any(self) -> Result<Self, Failure> {
        match self.unreadable.as_slice() {
            [one] if self.requests.is_empty() => Err(Failure::usage(&one.error)),
            [first, ..] if self.requests.is_empty() => Err(Failure::usage(format_args!(
                "none of the {} files could be read; the first error: {}",
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

    /// Returns the trimmed value of a header if it occurs once and is UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let mut values = self.header(name);
        let value = values.next()?;
        if values.next().is_some() {
            return None;
        }
        std::str::from_utf8(value).ok().map(str::trim)
    }
}
