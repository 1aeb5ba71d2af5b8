//! `clerk-webhook sign`.

use std::io::Write as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use clap::ValueEnum;
use clerk_webhook_core::MessageId;
use clerk_webhook_test::Delivery;
use serde_json::{Map, Value, json};

use crate::args::header_names::Names;
use crate::args::moment::Moment;
use crate::args::secrets::SecretArgs;
use crate::capture;
use crate::failure::Failure;
use crate::output::Output;

/// The greatest body that fits into a command line everywhere.
const MAX_INLINE: usize = 100 * 1024;

/// Signs a body, and prints the headers, a curl line, a request or JSON
///
/// Nothing is sent. The body is signed to the byte, a line break at its end included. Several secrets make several
/// signatures, as during a rotation.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// File with the body, - for standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    body: PathBuf,

    #[command(flatten)]
    secrets: SecretArgs,

    /// What is printed
    #[arg(long, value_name = "FORMAT", default_value = "headers")]
    format: Format,

    /// The message id [default: a new one]
    #[arg(long, value_name = "ID")]
    id: Option<MessageId>,

    /// When it is signed: -10m, seconds since 1970, or 2026-01-31T12:00:00Z
    #[arg(long, value_name = "MOMENT", default_value = "now", allow_hyphen_values = true)]
    at: Moment,

    /// What the three headers are called: svix (svix-id, …) or webhook (webhook-id, …)
    #[arg(long, value_name = "NAMES", default_value = "svix", hide_possible_values = true)]
    headers: Names,

    /// Where curl and http send it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3000/webhooks/clerk")]
    to: String,
}

const EXAMPLES: &str = "\
Examples:
  printf '{\"data\":{},\"type\":\"user.created\"}' | clerk-webhook sign
  clerk-webhook sign --body event.json --format curl | sh
  clerk-webhook sign --body event.json --format http > request.http
  clerk-webhook sign --body event.json --at -1h --format json >> deliveries.ndjson";

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The three headers, one in a line
    Headers,
    /// A line for a shell
    Curl,
    /// The request, as verify and replay read it
    Http,
    /// Headers and body as an object
    Json,
}

impl Args {
    pub(crate) fn run(self, output: &Output) -> Result<(), Failure> {
        let secrets = self.secrets.secrets()?;
        let url = url(&self.to)?;
        let (_, body) = capture::contents(&self.body)?;
        let mut delivery =
            Delivery::of_body(body.clone()).secrets(secrets).at(self.at.0).header_family(self.headers.into());
        if let Some(id) = &self.id {
            delivery = delivery.message_id(id.clone());
        }
        let headers = delivery.headers();
        if output.is_json() || self.format == Format::Json {
            let value = |(name, value): &(&str, String)| ((*name).to_owned(), Value::from(value.as_str()));
            let headers: Map<String, Value> = headers.iter().map(value).collect();
            let object = json!({ "headers": headers, "body_b64": STANDARD.encode(&body) });
            writeln!(std::io::stdout().lock(), "{object}")?;
            return Ok(());
        }
        match self.format {
            Format::Curl => output.line(self.curl(&url, &headers, &body)?),
            Format::Http => {
                let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
                std::io::stdout().lock().write_all(&capture::to_http_file(&url, headers, &body))?;
                Ok(())
            }
            Format::Headers | Format::Json => headers
                .iter()
                .filter(|(name, _)| *name != "content-type")
                .try_for_each(|(name, value)| output.line(format_args!("{name}: {value}"))),
        }
    }

    /// Returns a line that a POSIX shell runs as it is.
    fn curl(&self, url: &str, headers: &[(&str, String)], body: &Bytes) -> Result<String, Failure> {
        // Braces and brackets in a URL mean several to curl.
        let globbing = if url.contains(['{', '}', '[', ']']) { "--globoff " } else { "" };
        let mut line = format!("curl {globbing}{}", quoted(url));
        for (name, value) in headers {
            line.push_str(" -H ");
            line.push_str(&quoted(&format!("{name}: {value}")));
        }
        if self.body.as_os_str() == "-" {
            let text = std::str::from_utf8(body)
                .ok()
                .filter(|text| !text.contains('\0') && text.len() <= MAX_INLINE);
            let Some(text) = text else {
                return Err(Failure::usage(
                    "this body does not fit into a command line: put it into a file, and name that with --body",
                ));
            };
            // Unlike --data, it does not take what begins with @ for a file.
            line.push_str(" --data-raw ");
            line.push_str(&quoted(text));
            return Ok(line);
        }
        let Some(path) = self.body.to_str() else {
            return Err(Failure::usage(
                "the name of the file is not text, so that no shell line can have it",
            ));
        };
        line.push_str(" --data-binary ");
        line.push_str(&quoted(&format!("@{path}")));
        Ok(line)
    }
}

/// Returns a URL that fits into a request line.
fn url(text: &str) -> Result<String, Failure> {
    let is_absolute =
        |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    match text.parse::<http::Uri>() {
        Ok(uri) if is_absolute(&uri) => Ok(uri.to_string()),
        _ => Err(Failure::usage(format_args!(
            "{} is not a URL, such as http://127.0.0.1:3000/webhooks/clerk",
            text.escape_debug()
        ))),
    }
}

/// Writes a text as one word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
