//! Replaces the comparison in builds without the `sync` feature.

use clerk_webhook_test::History;

use crate::failure::Failure;
use crate::output::Output;

/// Cannot be constructed in a build without the `sync` feature.
#[derive(Debug)]
pub(crate) enum SyncCheck {}

impl SyncCheck {
    pub(crate) fn new(_: &str, _: &str) -> Result<Self, Failure> {
        Err(Failure::usage(
            "this clerk-webhook was built without the sync feature, which --expect-sync needs: \
             cargo install --path crates/clerk-webhook-cli --features sync",
        ))
    }

    pub(crate) async fn probe(&self) -> Result<(), Failure> {
        match *self {}
    }

    pub(crate) async fn run(&self, _: &History, _: &Output) -> Result<bool, Failure> {
        match *self {}
    }
}
