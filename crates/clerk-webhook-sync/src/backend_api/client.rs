//! The settings of the client.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::base_url::{BaseUrl, InvalidBaseUrl};
use super::endpoint::MAX_LIMIT;
use super::event::ApiEvent;
use super::key::{InvalidSecretKey, SecretKey};
use super::pace::Pace;
use super::transport::{AnyTransport, Transport};

/// The window of Clerk's rate limits.
const WINDOW: Duration = Duration::from_secs(10);

/// The requests that Clerk allows for a production instance in [`WINDOW`].
const PRODUCTION_LIMIT: f64 = 1_000.0;

/// The requests that Clerk allows for a development instance in [`WINDOW`].
const DEVELOPMENT_LIMIT: f64 = 100.0;

const DEFAULT_SHARE: f64 = 0.5;
const SMALLEST_SHARE: f64 = 0.001;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

type Observer = Arc<dyn Fn(&ApiEvent) + Send + Sync>;

/// A client for Clerk's Backend API, which reads objects for an import.
///
/// Clones are cheap. They share the connections of the [`Transport`] and the rate limit. The secret key is
/// erased from memory with the last clone, and `Debug` does not show it. The `authorization` header of each
/// request contains a copy of the key, which the transport owns.
///
/// The client sends only GET requests. It retries a request up to 5 times if the response is 429, 500, 502,
/// 503 or 504, if the response is not complete, or after [`request_timeout`](Self::request_timeout). Before a
/// retry it waits 1, 2, 4, 8 and 16 seconds, and as long as `Retry-After` says, up to 30 s.
///
/// # Panics
///
/// The methods that use the client panic outside of a Tokio runtime with a timer.
#[derive(Clone)]
#[must_use]
pub struct BackendApi {
    pub(super) transport: AnyTransport,
    pub(super) key: Arc<SecretKey>,
    pub(super) base_url: Arc<BaseUrl>,
    pub(super) pace: Arc<Pace>,
    pub(super) timeout: Duration,
    pub(super) limit: u32,
    observers: Vec<Observer>,
}

impl BackendApi {
    /// Creates a client with a secret key (`sk_test_…` or `sk_live_…`).
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a secret key. The error states the mistake, and never the text.
    pub fn new(secret_key: &str, transport: impl Transport) -> Result<Self, InvalidSecretKey> {
        let key = SecretKey::parse(secret_key)?;
        Ok(Self {
            transport: AnyTransport::new(transport),
            pace: Arc::new(Pace::new(interval(&key, DEFAULT_SHARE))),
            key: Arc::new(key),
            base_url: Arc::default(),
            timeout: DEFAULT_TIMEOUT,
            limit: MAX_LIMIT,
            observers: Vec::new(),
        })
    }

    /// Sets the base URL, `https://api.clerk.com/v1` by default.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not a URL with https, or contains a user, a query or a fragment. Only
    /// a server on this machine can use http, because the requests contain the secret key.
    pub fn base_url(mut self, url: &str) -> Result<Self, InvalidBaseUrl> {
        self.base_url = Arc::new(BaseUrl::parse(url)?);
        Ok(self)
    }

    /// Sets the share of Clerk's rate limit that this client uses, 0.5 by default.
    ///
    /// Clerk allows 1,000 requests in 10 s for a production instance and 100 requests in 10 s for a
    /// development instance. The application's own requests count too. With the default share, the client
    /// sends a request every 20 ms or every 200 ms.
    ///
    /// # Errors
    ///
    /// Returns an error if the share is less than 0.001 or more than 1.
    pub fn share(mut self, share: f64) -> Result<Self, InvalidShare> {
        if !(SMALLEST_SHARE..=1.0).contains(&share) {
            return Err(InvalidShare);
        }
        self.pace = Arc::new(Pace::new(interval(&self.key, share)));
        Ok(self)
    }

    /// Sets how long the client waits for each response, 30 s by default.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Adds a function that is called for each answer and before each wait.
    ///
    /// The function must not block. Further calls add further functions.
    pub fn on_event(mut self, observer: impl Fn(&ApiEvent) + Send + Sync + 'static) -> Self {
        self.observers.push(Arc::new(observer));
        self
    }

    /// Sends requests without delay, and asks for short pages. It is not part of the public API.
    #[doc(hidden)]
    pub fn for_tests(mut self, limit: u32) -> Self {
        self.pace = Arc::new(Pace::new(Duration::ZERO));
        self.limit = limit;
        self
    }

    pub(super) fn emit(&self, event: &ApiEvent) {
        #[cfg(feature = "metrics")]
        if let ApiEvent::Answered { endpoint, status, elapsed } = *event {
            crate::metrics::answered(endpoint, status, elapsed);
        }
        for observer in &self.observers {
            observer(event);
        }
    }
}

/// Returns the time between two requests.
fn interval(key: &SecretKey, share: f64) -> Duration {
    let limit = if key.is_development() { DEVELOPMENT_LIMIT } else { PRODUCTION_LIMIT };
    WINDOW.div_f64(limit * share)
}

/// Omits the secret key.
impl fmt::Debug for BackendApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendApi")
            .field("key", &self.key)
            .field("base_url", &self.base_url.as_str())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The error for an invalid [`share`](BackendApi::share).
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidShare;

impl fmt::Display for InvalidShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the share of Clerk's rate limit is invalid. Use a number from {SMALLEST_SHARE} to 1.")
    }
}

/// Shows the same text as `Display`, because a user sees it if `main` returns the error.
impl fmt::Debug for InvalidShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for InvalidShare {}
