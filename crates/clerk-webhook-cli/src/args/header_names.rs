//! What the three headers of a signature are called.

use clap::ValueEnum;
use clerk_webhook_core::HeaderFamily;

/// The names, as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Names {
    /// svix-id, svix-timestamp, svix-signature
    #[default]
    Svix,
    /// webhook-id, webhook-timestamp, webhook-signature
    Webhook,
}

impl From<Names> for HeaderFamily {
    fn from(names: Names) -> Self {
        match names {
            Names::Svix => Self::Svix,
            Names::Webhook => Self::Webhook,
        }
    }
}
