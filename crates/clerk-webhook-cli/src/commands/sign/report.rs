//! The output formats of `sign`.

use std::io::{self, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_webhook_test::Delivery;
use serde_json::{Value, json};

use super::args::Format;
use crate::capture;
use crate::failure::Failure;
use crate::output::Output;

/// Prints a signed delivery. The URL is only in the formats of requests.
pub(super) fn write(output: &Output, format: Format, url: &str, delivery: &Delivery) -> Result<(), Failure> {
    let (headers, body) = (delivery.headers(), delivery.body());
    let mut stdout = io::stdout().lock();
    match if output.is_json() { Format::Json } else { format } {
        Format::Curl => writeln!(stdout, "{}", delivery.curl(url))?,
        Format::Http => {
            let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
            stdout.write_all(&capture::to_http_file(url, headers, &body))?;
        }
        Format::Headers => {
            let mut headers = headers.iter().filter(|(name, _)| *name != "content-type");
            headers.try_for_each(|(name, value)| writeln!(stdout, "{name}: {value}"))?;
        }
        Format::Json => {
            let headers: Value = headers.into_iter().map(|(name, value)| (name, json!(value))).collect();
            writeln!(stdout, "{}", json!({ "headers": headers, "body_b64": STANDARD.encode(&body) }))?;
        }
    }
    Ok(())
}
