//! Replaces the commands in builds without the `sync` feature.

use crate::failure::Failure;

pub(crate) fn unavailable() -> Failure {
    Failure::usage(
        "this clerk-webhook was built without the sync feature: cargo install --path crates/clerk-webhook-cli",
    )
}
