//! Requests that were captured, and the files they are in.
//!
//! Three forms are read: `.http` files, which hold one request as it was on the wire; lines of JSON as `clerk webhooks listen
//! --json` prints them; and folders of both. `listen --record` writes `.http`.

mod http_file;
mod lines;

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;

use crate::failure::Failure;

pub(crate) use http_file::write as to_http_file;

/// The largest file that is read: no webhook comes near it.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A request as it was captured; nothing in it has been verified.
#[derive(Clone, Debug)]
pub(crate) struct Capture {
    /// The file, and the line where it has several.
    pub(crate) place: String,
    /// What stands between method and version, where that is known: a path or a URL.
    pub(crate) target: Option<String>,
    /// In the order in which they came, repeated ones included, with names as they were written.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Bytes,
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

/// Reads all requests of a file or a folder, or of standard input for `-`.
///
/// A folder is read in the order of its names, as far as they end in `.http`, `.json`, `.jsonl` or `.ndjson`.
pub(crate) fn read(path: &Path) -> Result<Vec<Capture>, Failure> {
    if path == Path::new("-") {
        return read_file(path);
    }
    let cannot_read =
        |error: io::Error| Failure::usage(format_args!("cannot read {}: {error}", path.display()));
    if !fs::metadata(path).map_err(cannot_read)?.is_dir() {
        return read_file(path);
    }
    let entries = fs::read_dir(path).map_err(cannot_read)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(cannot_read)?;
    let of_ours = |extension: &std::ffi::OsStr| {
        ["http", "json", "jsonl", "ndjson"].iter().any(|known| extension == *known)
    };
    files.retain(|file| file.extension().is_some_and(of_ours));
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(format_args!(
            "{} has no files that end in .http, .json, .jsonl or .ndjson",
            path.display()
        )));
    }
    let captures = files.iter().map(|file| read_file(file)).collect::<Result<Vec<_>, _>>()?;
    Ok(captures.into_iter().flatten().collect())
}

/// Reads the one request of a file, whatever it looks like, or of standard input for `-`.
pub(crate) fn read_http(path: &Path) -> Result<Capture, Failure> {
    let (place, bytes) = text_contents(path)?;
    http_file::read(&place, &bytes).map_err(|why| Failure::usage(format_args!("{place}: {why}")))
}

/// Reads lines of JSON of a file, whatever they look like, or of standard input for `-`.
pub(crate) fn read_lines(path: &Path) -> Result<Vec<Capture>, Failure> {
    let (place, bytes) = text_contents(path)?;
    lines::read(&place, &bytes).map_err(|why| Failure::usage(format_args!("{place}: {why}")))
}

fn read_file(path: &Path) -> Result<Vec<Capture>, Failure> {
    let (place, bytes) = text_contents(path)?;
    let captures = if bytes.trim_ascii_start().starts_with(b"{") {
        lines::read(&place, &bytes)
    } else {
        http_file::read(&place, &bytes).map(|capture| vec![capture])
    };
    captures.map_err(|why| Failure::usage(format_args!("{place}: {why}")))
}

/// Reads as [`contents`] does, without the byte-order mark that editors put in front of a text.
fn text_contents(path: &Path) -> Result<(String, Bytes), Failure> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let (place, bytes) = contents(path)?;
    let start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    Ok((place, bytes.slice(start..)))
}

/// Reads a file to its end, or standard input for `-`; not what is too long to be webhooks.
pub(crate) fn contents(path: &Path) -> Result<(String, Bytes), Failure> {
    let (place, reader): (String, Box<dyn io::Read>) = if path == Path::new("-") {
        ("standard input".to_owned(), Box::new(io::stdin()))
    } else {
        let file = fs::File::open(path)
            .map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", path.display())))?;
        (path.display().to_string(), Box::new(file))
    };
    let mut bytes = Vec::new();
    reader
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format_args!("cannot read {place}: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(format_args!(
            "{place} has more than {MAX_BYTES} bytes, which is no capture of webhooks"
        )));
    }
    Ok((place, bytes.into()))
}
