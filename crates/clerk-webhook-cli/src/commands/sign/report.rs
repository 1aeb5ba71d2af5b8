//! The output formats of `sign`.

use std::io::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::args::Format;
use crate::capture;
use crate::failure::Failure;
use crate::output::Output;

/// The maximum size of a body in a command line, in bytes. All systems support arguments of this size.
const MAX_INLINE: usize = 100 * 1024;

/// A signed request.
#[derive(Debug)]
pub(super) struct SignedRequest<'a> {
    pub(super) url: &'a str,
    /// The file with the body, `-` for standard input.
    pub(super) path: &'a Path,
    pub(super) headers: &'a [(&'static str, String)],
    pub(super) body: &'a Bytes,
}

pub(super) fn write(output: &Output, format: Format, request: &SignedRequest<'_>) -> Result<(), Failure> {
    let SignedRequest { url, path, headers, body } = *request;
    if output.is_json() || format == Format::Json {
        let value = |(name, value): &(&str, String)| ((*name).to_owned(), Value::from(value.as_str()));
        let headers: Map<String, Value> = headers.iter().map(value).collect();
        let object = json!({ "headers": headers, "body_b64": STANDARD.encode(body) });
        writeln!(std::io::stdout().lock(), "{object}")?;
        return Ok(());
    }
    match format {
        Format::Curl => output.line(curl(path, url, headers, body)?),
        Format::Http => {
            let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
            std::io::stdout().lock().write_all(&capture::to_http_file(url, headers, body))?;
            Ok(())
        }
        Format::Headers | Format::Json => headers
            .iter()
            .filter(|(name, _)| *name != "content-type")
            .try_for_each(|(name, value)| output.line(format_args!("{name}: {value}"))),
    }
}

/// Returns a curl command for a POSIX shell.
fn curl(path: &Path, url: &str, headers: &[(&str, String)], body: &Bytes) -> Result<String, Failure> {
    // curl expands braces and brackets in a URL.
    let globbing = if url.contains(['{', '}', '[', ']']) { "--globoff " } else { "" };
    let mut line = format!("curl {globbing}{}", quoted(url));
    for (name, value) in headers {
        line.push_str(" -H ");
        line.push_str(&quoted(&format!("{name}: {value}")));
    }
    if path.as_os_str() == "-" {
        let text =
            std::str::from_utf8(body).ok().filter(|text| !text.contains('\0') && text.len() <= MAX_INLINE);
        let Some(text) = text else {
            return Err(Failure::usage(
                "the body is binary or too large for a command line: write it to a file, and pass the file with --body",
            ));
        };
        // Unlike --data, this option does not read a file if the text begins with @.
        line.push_str(" --data-raw ");
        line.push_str(&quoted(text));
        return Ok(line);
    }
    let Some(path) = path.to_str() else {
        return Err(Failure::usage("the file name is not valid UTF-8: rename the file"));
    };
    line.push_str(" --data-binary ");
    line.push_str(&quoted(&format!("@{path}")));
    Ok(line)
}

/// Quotes a text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
