//! `clerk-webhook sign`.

use crate::failure::Failure;
use crate::output::Output;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

impl Args {
    pub(crate) fn run(self, _output: &Output) -> Result<(), Failure> {
        Err(Failure::usage("sign is not there yet"))
    }
}
