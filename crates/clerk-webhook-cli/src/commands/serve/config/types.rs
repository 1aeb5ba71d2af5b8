//! Types of settings.

use clerk_webhook_core::SigningSecret;

use super::secrets::SecretSource;
use crate::send::endpoint::Endpoint;

/// The optional tables that are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct KeptTables {
    pub(in super::super) sessions: bool,
    pub(in super::super) billing: bool,
    pub(in super::super) waitlist: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum LogFormat {
    Text,
    Json,
}

/// The application that receives each event.
pub(in super::super) struct ForwardConfig {
    pub(in super::super) endpoint: Endpoint,
    /// `None` if the forward is signed with the first signing secret.
    pub(super) secret: Option<SecretSource>,
}

impl ForwardConfig {
    /// Returns the secret that signs the forward. `signing` are the secrets of the endpoint.
    pub(in super::super) fn secret(&self, signing: &SecretSource) -> Option<SigningSecret> {
        self.secret.as_ref().unwrap_or(signing).current().into_iter().next()
    }

    pub(in super::super) fn reload(&self) -> Result<bool, String> {
        self.secret.as_ref().map_or(Ok(false), SecretSource::reload)
    }
}
