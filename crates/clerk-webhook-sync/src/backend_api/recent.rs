//! The endpoints that have answered recently.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long an answer proves that an endpoint exists.
const RECENT: Duration = Duration::from_secs(10);

/// When each endpoint succeeded last.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<HashMap<&'static str, Instant>>);

impl Recent {
    pub(super) fn insert(&self, endpoint: &'static str) {
        let mut endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.insert(endpoint, Instant::now());
    }

    pub(super) fn contains(&self, endpoint: &str) -> bool {
        let endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        endpoints.get(endpoint).is_some_and(|succeeded| succeeded.elapsed() < RECENT)
    }
}
