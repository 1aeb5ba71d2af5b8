//! Replaces the command in builds without the `queue` feature.

use super::args::Args;
use crate::failure::Failure;
use crate::output::Output;

pub(crate) fn run(_: Args, _: &Output) -> Result<(), Failure> {
    Err(Failure::usage(
        "this clerk-webhook was built without the queue feature: \
         cargo install --path crates/clerk-webhook-cli --features queue",
    ))
}
