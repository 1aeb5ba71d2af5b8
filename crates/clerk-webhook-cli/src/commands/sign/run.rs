//! Signs a body.

use clerk_webhook_test::Delivery;

use super::args::{Args, Format};
use super::report::write;
use crate::capture;
use crate::failure::Failure;
use crate::output::Output;
use crate::send::endpoint::Endpoint;

pub(crate) fn run(args: Args, output: &Output) -> Result<(), Failure> {
    let secrets = args.secrets.secrets()?;
    let url = match &args.to {
        Some(url) => Some(Endpoint::parse(url)?),
        // The other formats contain no URL.
        None if matches!(args.format, Format::Curl | Format::Http) => Some(Endpoint::of_environment("--to")?),
        None => None,
    };
    let url = url.map(|url| url.to_string()).unwrap_or_default();
    let (_, body) = capture::contents(&args.body)?;
    let mut delivery =
        Delivery::of_body(body).secrets(secrets).at(args.at.0).header_family(args.headers.into());
    if let Some(id) = args.id {
        delivery = delivery.message_id(id);
    }
    write(output, args.format, &url, &delivery)
}
