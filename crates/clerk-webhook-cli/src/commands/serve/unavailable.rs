//! Replaces the command in builds without the `serve` feature.

#[expect(dead_code, reason = "only the server uses the values")]
mod args;

pub(crate) use self::args::Args;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(_: Args, _: &Output) -> Result<(), Failure> {
    Err(Failure::usage(
        "this clerk-webhook was built without the serve feature: cargo install --path crates/clerk-webhook-cli --features \
         serve",
    ))
}
