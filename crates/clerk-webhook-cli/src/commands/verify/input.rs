//! The input of `verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use clerk_webhook_core::HeaderFamily;

use crate::args::header_names::HeaderNames;
use crate::capture::{self, Capture, Captures};
use crate::failure::Failure;

/// The options for inputs other than the parts of a request. `requires` alone does not reject them in
/// combination with the option for a part.
const OTHERS: [&str; 3] = ["file", "request", "delivery"];

/// The arguments that select the requests to verify.
#[derive(Debug, Args)]
pub(super) struct InputArgs {
    /// File or folder with captured requests; - reads standard input
    ///
    /// A file contains a request as it was on the wire, a curl command, or JSON: an object with headers and body,
    /// an event of API Gateway, a HAR file, or lines of `clerk webhooks listen --json`.
    #[arg(value_name = "FILE", conflicts_with_all = ["request", "delivery", "body"])]
    file: Option<PathBuf>,

    /// File with one raw request: headers, an empty line, and the exact body; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["delivery", "body"])]
    request: Option<PathBuf>,

    /// File with JSON objects, such as the lines of `clerk webhooks listen --json`; - reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "body")]
    delivery: Option<PathBuf>,

    /// File with only the body; - reads standard input; pass the headers with --id,
    /// --timestamp, and --signature
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,

    /// Value of svix-id
    #[arg(long, value_name = "ID", requires = "body", conflicts_with_all = OTHERS, allow_hyphen_values = true)]
    id: Option<String>,

    /// Value of svix-timestamp
    #[arg(long, value_name = "SECONDS", requires = "body", conflicts_with_all = OTHERS, allow_hyphen_values = true)]
    timestamp: Option<String>,

    /// Value of svix-signature, with all its signatures
    #[arg(long, value_name = "LIST", requires = "body", conflicts_with_all = OTHERS, allow_hyphen_values = true)]
    signature: Option<String>,

    /// Names of the signature headers
    #[arg(long, value_name = "NAMES", default_value = "svix", requires = "body")]
    headers: HeaderNames,
}

impl InputArgs {
    /// Reads the requests.
    pub(super) fn captures(&self) -> Result<Captures, Failure> {
        if let Some(body) = &self.body {
            return Ok(vec![self.of_parts(body)?].into());
        }
        if let Some(path) = &self.request {
            return Ok(vec![capture::read_http(path)?].into());
        }
        if let Some(path) = &self.delivery {
            return Ok(capture::read_objects(path)?.into());
        }
        match &self.file {
            Some(path) => capture::read(path)?.require_any(),
            None => Err(Failure::usage(
                "no input: pass a file with a request (clerk-webhook verify request.http), - for standard input, or --body \
                 with --id, --timestamp, and --signature",
            )),
        }
    }

    /// Builds a request from its parts. If the option for a header is not given, the request lacks this
    /// header.
    fn of_parts(&self, path: &Path) -> Result<Capture, Failure> {
        let family: HeaderFamily = self.headers.into();
        let values = [&self.id, &self.timestamp, &self.signature];
        if values.iter().all(|value| value.is_none()) {
            return Err(Failure::usage(
                "--body needs the headers of the delivery: pass --id, --timestamp and --signature",
            ));
        }
        let headers = family.headers().into_iter().zip(values).filter_map(|(header, value)| {
            Some((header.as_str().to_owned(), value.as_ref()?.clone().into_bytes()))
        });
        let (place, body) = capture::contents(path)?;
        Ok(Capture { place, headers: headers.collect(), body, ..Capture::default() })
    }
}
