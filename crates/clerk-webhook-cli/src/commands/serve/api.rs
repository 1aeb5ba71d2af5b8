//! The client for Clerk's Backend API, which a reload of the secret key replaces.

use std::sync::{Mutex, PoisonError};

use clerk_webhook_sync::BackendApi;

use super::config::Config;
use crate::failure::Failure;
use crate::sync;

/// The client; `None` without a secret key.
pub(super) struct Api(Mutex<Option<BackendApi>>);

impl Api {
    pub(super) fn new(api: Option<BackendApi>) -> Self {
        Self(Mutex::new(api))
    }

    pub(super) fn current(&self) -> Option<BackendApi> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Creates a client with the current key. Runs in progress continue with the earlier key.
    pub(super) fn renew(&self, config: &Config) -> Result<(), Failure> {
        let Some(api) = client(config)? else { return Ok(()) };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(api);
        Ok(())
    }
}

/// Creates the client with the current key; `None` without a key.
pub(super) fn client(config: &Config) -> Result<Option<BackendApi>, Failure> {
    let Some(key) = &config.api_key else { return Ok(None) };
    let url = config.api_url.as_deref().unwrap_or(sync::DEFAULT_API_URL);
    sync::client(&key.current(), url, config.api_share).map(Some)
}
