//! The names of the three signature headers.

use clap::ValueEnum;
use clerk_webhook_core::HeaderFamily;

/// The argument that selects the names of the signature headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeaderNames {
    /// svix-id, svix-timestamp, svix-signature
    #[default]
    Svix,
    /// webhook-id, webhook-timestamp, webhook-signature
    Webhook,
}

impl From<HeaderNames> for HeaderFamily {
    fn from(names: HeaderNames) -> Self {
        match names {
            HeaderNames::Svix => Self::Svix,
            HeaderNames::Webhook => Self::Webhook,
        }
    }
}
