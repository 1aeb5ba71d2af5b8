//! Replaces the command in builds without the `serve` feature.

use super::args::Args;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(args: Args, _: &Output) -> Result<(), Failure> {
    let Args { url: _ } = args;
    Err(Failure::usage(
        "this clerk-webhook was built without the serve feature: cargo install --path crates/clerk-webhook-cli --features \
         serve",
    ))
}
