//! Signs a body.

use clerk_webhook_test::Delivery;

use super::args::Args;
use super::report::{SignedRequest, write};
use crate::capture;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let secrets = args.secrets.secrets()?;
    let url = url(&args.to)?;
    let (_, body) = capture::contents(&args.body)?;
    let mut delivery =
        Delivery::of_body(body.clone()).secrets(secrets).at(args.at.0).header_family(args.headers.into());
    if let Some(id) = args.id {
        delivery = delivery.message_id(id);
    }
    let headers = delivery.headers();
    write(output, args.format, &SignedRequest { url: &url, path: &args.body, headers: &headers, body: &body })
}

/// Checks that a URL is absolute, and normalizes it for a request line.
fn url(text: &str) -> Result<String, Failure> {
    let is_absolute =
        |uri: &http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    match text.parse::<http::Uri>() {
        Ok(uri) if is_absolute(&uri) => Ok(uri.to_string()),
        _ => Err(Failure::usage(format_args!(
            "{} is not an HTTP URL such as http://127.0.0.1:3000/webhooks/clerk",
            text.escape_debug()
        ))),
    }
}
