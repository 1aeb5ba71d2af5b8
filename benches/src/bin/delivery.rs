//! Prints a delivery that is signed at the current time: header lines, an empty line, the body.
//!
//! `delivery <kind>` prints a delivery, `delivery --list` the kinds, `delivery --secret` the signing secret.

use std::env;
use std::io::{self, Write as _};
use std::process::ExitCode;

use bytes::Bytes;
use clerk_webhook_benches::delivery::{FOREIGN, SECRET, SignedDelivery};
use http::header::{CONTENT_LENGTH, HOST};
use serde_json::{Value, json};

/// The name of a kind of delivery and the function that creates it.
type Kind = (&'static str, fn() -> SignedDelivery);

const KINDS: &[Kind] = &[
    ("valid", SignedDelivery::user_created),
    ("valid-large", large),
    ("forged", SignedDelivery::forged),
    ("forged-unsigned", unsigned),
    ("forged-stale", stale),
    ("256-signatures", || signatures(256)),
    ("1000-signatures", || signatures(1000)),
];

/// The size of the large body, in bytes.
const LARGE: usize = 256 * 1024;

fn main() -> io::Result<ExitCode> {
    let argument = env::args().nth(1).unwrap_or_default();
    match argument.as_str() {
        "--list" => KINDS.iter().for_each(|(kind, _)| println!("{kind}")),
        "--secret" => println!("{SECRET}"),
        _ => match KINDS.iter().find(|(kind, _)| *kind == argument) {
            Some((_, make)) => print(&make())?,
            None => {
                eprintln!("usage: delivery <kind>; `delivery --list` prints the kinds");
                return Ok(ExitCode::FAILURE);
            }
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn print(delivery: &SignedDelivery) -> io::Result<()> {
    let mut output = io::stdout().lock();
    for (name, value) in &delivery.headers {
        // The client writes these two.
        if name != HOST && name != CONTENT_LENGTH {
            writeln!(output, "{name}: {}", value.to_str().unwrap())?;
        }
    }
    writeln!(output)?;
    output.write_all(&delivery.body)
}

/// Returns a `user.created` that consists almost entirely of metadata.
fn large() -> SignedDelivery {
    let mut event: Value = serde_json::from_slice(&SignedDelivery::user_created().body).unwrap();
    let visit =
        json!({ "at": 1_759_999_998_500_u64, "page": "/settings/profile", "tags": ["new", "mobile"] });
    let missing = LARGE - event.to_string().len();
    let visits = vec![visit.clone(); missing / (visit.to_string().len() + 1)];
    event["data"]["public_metadata"]["visits"] = visits.into();
    SignedDelivery::new(Bytes::from(event.to_string()))
}

fn unsigned() -> SignedDelivery {
    let mut delivery = SignedDelivery::user_created();
    for name in ["svix-id", "svix-timestamp", "svix-signature"] {
        delivery.headers.remove(name);
    }
    delivery
}

fn stale() -> SignedDelivery {
    SignedDelivery::signed_ago(SignedDelivery::user_created().body, 3600)
}

/// Returns a delivery with `count` signatures, of which only the last one matches.
fn signatures(count: usize) -> SignedDelivery {
    SignedDelivery::user_created().with_signatures_before(&format!("{FOREIGN} "), count - 1)
}
