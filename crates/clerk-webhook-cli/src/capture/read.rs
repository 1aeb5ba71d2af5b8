//! Reads captured requests from files and folders.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use bytes::Bytes;

use super::request::{Capture, Captures, Unreadable};
use super::{curl, http_file, objects, recorded};
use crate::failure::Failure;
use crate::output::note_terminal_input;

/// The maximum size of a file, in bytes. Webhooks are far smaller.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads all requests in a file or folder, or from standard input for `-`.
///
/// In a folder, reads the files that end in `.http`, `.json`, `.jsonl`, `.ndjson` or `.har`, sorted by name. If
/// a file cannot be read, the others are still read.
pub(crate) fn read(path: &Path) -> Result<Captures, Failure> {
    let mut captures = Captures::default();
    if path == Path::new("-") {
        captures.add(path);
        return Ok(captures);
    }
    let cannot_read =
        |error: io::Error| Failure::usage(format_args!("cannot read {}: {error}", path.display()));
    if !fs::metadata(path).map_err(cannot_read)?.is_dir() {
        captures.add(path);
        return Ok(captures);
    }
    let entries = fs::read_dir(path).map_err(cannot_read)?;
    let mut files = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(cannot_read)?;
    let of_ours = |extension: &std::ffi::OsStr| {
        ["http", "json", "jsonl", "ndjson", "har"].iter().any(|known| extension == *known)
    };
    files.retain(|file| file.extension().is_some_and(of_ours));
    files.sort();
    if files.is_empty() {
        return Err(Failure::usage(format_args!(
            "{} contains no .http, .json, .jsonl, .ndjson or .har files",
            path.display()
        )));
    }
    for file in files {
        // Opens only regular files, because opening a named pipe would wait for a writer.
        match fs::metadata(&file) {
            Ok(metadata) if !metadata.is_file() => captures.unreadable.push(Unreadable {
                error: format!("{} is not a file", file.display()),
                place: file.display().to_string(),
            }),
            _ => captures.add(&file),
        }
    }
    Ok(captures)
}

/// Reads a file, or standard input for `-`, as one request, without detecting the format.
pub(crate) fn read_http(path: &Path) -> Result<Capture, Failure> {
    let (place, bytes) = text_contents(path).map_err(Failure::usage)?;
    let capture = http_file::read(&place, &bytes);
    capture.map(|capture| named(path, capture)).map_err(|why| Failure::usage(format_args!("{place}: {why}")))
}

/// Reads a file, or standard input for `-`, as JSON, without detecting the format.
pub(crate) fn read_objects(path: &Path) -> Result<Vec<Capture>, Failure> {
    let (place, bytes) = text_contents(path).map_err(Failure::usage)?;
    objects::read(&place, &bytes).map_err(|why| Failure::usage(format_args!("{place}: {why}")))
}

impl Captures {
    /// Reads a file, and adds its requests or the error.
    fn add(&mut self, path: &Path) {
        match read_file(path) {
            Ok(requests) => self.requests.extend(requests),
            Err(error) => self.unreadable.push(Unreadable { place: path.display().to_string(), error }),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<Capture>, String> {
    let (place, bytes) = text_contents(path)?;
    let start = bytes.trim_ascii_start();
    let captures = if start.starts_with(b"{") || start.starts_with(b"[") {
        objects::read(&place, &bytes)
    } else if let Some(command) = start.strip_prefix(b"$ ").unwrap_or(start).strip_prefix(b"curl")
        && command.first().is_some_and(u8::is_ascii_whitespace)
    {
        curl::read(&place, &format!("curl{}", String::from_utf8_lossy(command))).map(|capture| vec![capture])
    } else {
        http_file::read(&place, &bytes).map(|capture| vec![named(path, capture)])
    };
    captures.map_err(|why| format!("{place}: {why}"))
}

/// Takes the time of receipt from the file name if the recording does not contain it, because older versions
/// wrote it only to the file name.
fn named(path: &Path, mut capture: Capture) -> Capture {
    if capture.recorded.received_at.is_none() {
        capture.recorded.received_at =
            path.file_name().and_then(|name| recorded::time_in_name(name.to_str()?));
    }
    capture
}

/// Reads like [`contents`], and removes the byte-order mark that some editors add.
fn text_contents(path: &Path) -> Result<(String, Bytes), String> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let (place, bytes) = read_bytes(path)?;
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(format!("{place} is encoded as UTF-16. Save it as UTF-8"));
    }
    let start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    Ok((place, bytes.slice(start..)))
}

/// Reads a complete file, or standard input for `-`. Rejects files that are too large to be webhooks.
pub(crate) fn contents(path: &Path) -> Result<(String, Bytes), Failure> {
    read_bytes(path).map_err(Failure::usage)
}

fn read_bytes(path: &Path) -> Result<(String, Bytes), String> {
    let (place, reader): (String, Box<dyn io::Read>) = if path == Path::new("-") {
        note_terminal_input();
        ("standard input".to_owned(), Box::new(io::stdin()))
    } else {
        let file =
            fs::File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        (path.display().to_string(), Box::new(file))
    };
    let mut bytes = Vec::new();
    reader
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("cannot read {place}: {error}"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("{place} is larger than {MAX_BYTES} bytes, so it is not a capture of webhooks"));
    }
    Ok((place, bytes.into()))
}
