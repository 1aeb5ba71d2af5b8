//! Replaces the command in builds without the `sync` feature.

use super::args::Args;
use crate::failure::Failure;
use crate::output::Output;
use crate::sync;

pub(crate) fn run(_: Args, _: &Output) -> Result<(), Failure> {
    Err(sync::unavailable())
}
