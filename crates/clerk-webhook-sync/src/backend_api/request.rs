//! Sends a request with its retries.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, USER_AGENT};
use tokio::time::{Instant, sleep_until, timeout};

use super::answer::{self, Instance, ReadAt, Refusal};
use super::client::BackendApi;
use super::endpoint::Request;
use super::error::BackendApiError;
use super::event::{ApiEvent, WaitReason};
use super::transport::{MAX_RESPONSE_BYTES, is_too_large};

/// The version of the API whose answers the crate reads.
const VERSION: &str = "2026-05-12";

const RETRIES: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_secs(1);
const MAX_DELAY: Duration = Duration::from_secs(30);
const MAX_JITTER_MILLIS: u64 = 500;

/// A failed attempt.
struct Failed {
    error: BackendApiError,
    retry: Option<Retry>,
}

struct Retry {
    reason: WaitReason,
    after: Option<Duration>,
}

impl BackendApi {
    /// Returns the id of the instance (`ins_…`) that the secret key belongs to.
    ///
    /// # Errors
    ///
    /// Returns an error if Clerk rejects the key, or does not answer after several attempts.
    pub async fn instance_id(&self) -> Result<String, BackendApiError> {
        self.instance().await.map(|instance| instance.id)
    }

    /// Returns the instance that the secret key belongs to.
    pub(crate) async fn instance(&self) -> Result<Instance, BackendApiError> {
        let (instance, _) = self.get(&Request::instance(), answer::instance).await?;
        Ok(instance)
    }

    /// Sends a request until it succeeds, up to 6 times, and reads the answer.
    pub(super) async fn get<T>(
        &self,
        request: &Request,
        read: impl Fn(&[u8]) -> serde_json::Result<T> + Send + Sync,
    ) -> Result<(T, ReadAt), BackendApiError> {
        let mut attempts = 1;
        loop {
            self.wait_for_turn().await;
            let Failed { error, retry } = match self.attempt(request, &read, attempts).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            let Some(retry) = retry.filter(|_| attempts <= RETRIES) else { return Err(error) };
            let delay = delay(attempts, retry.after);
            let end = Instant::now() + delay;
            if retry.reason == WaitReason::RateLimit {
                self.pace.pause_until(end);
            }
            self.emit(&ApiEvent::Waiting { delay, reason: retry.reason });
            sleep_until(end).await;
            attempts += 1;
        }
    }

    async fn wait_for_turn(&self) {
        let now = Instant::now();
        let turn = self.pace.take_turn(now);
        if turn > now {
            self.emit(&ApiEvent::Waiting { delay: turn - now, reason: WaitReason::Share });
            sleep_until(turn).await;
        }
    }

    async fn attempt<T>(
        &self,
        request: &Request,
        read: impl Fn(&[u8]) -> serde_json::Result<T>,
        attempts: u32,
    ) -> Result<(T, ReadAt), Failed> {
        let endpoint = request.endpoint;
        let Some(http_request) = self.http_request(request) else {
            return Err(Failed { error: BackendApiError::too_long_id(endpoint), retry: None });
        };
        let (started, clock) = (SystemTime::now(), Instant::now());
        let again = |reason, after| Some(Retry { reason, after });
        let response = match timeout(self.timeout, self.transport.send(http_request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if is_too_large(&error) => {
                return Err(Failed { error: BackendApiError::too_large(endpoint), retry: None });
            }
            Ok(Err(error)) => {
                let error = BackendApiError::incomplete(endpoint, Some(error), attempts);
                return Err(Failed { error, retry: again(WaitReason::NoResponse, None) });
            }
            Err(_) => {
                let error = BackendApiError::timeout(endpoint, self.timeout, attempts);
                return Err(Failed { error, retry: again(WaitReason::NoResponse, None) });
            }
        };
        let elapsed = clock.elapsed();
        let status = response.status().as_u16();
        self.emit(&ApiEvent::Answered { endpoint, status, elapsed });
        let read_at = ReadAt::new(response.headers(), started, elapsed);
        let body: &Bytes = response.body();
        if body.len() > MAX_RESPONSE_BYTES {
            return Err(Failed { error: BackendApiError::too_large(endpoint), retry: None });
        }
        if !response.status().is_success() {
            let refusal = Refusal::new(status, response.headers(), body, read_at);
            let after = refusal.retry_after;
            let retry = match status {
                429 => again(WaitReason::RateLimit, after),
                500 | 502 | 503 | 504 => again(WaitReason::Status(status), after),
                _ => None,
            };
            let error = BackendApiError::refused(endpoint, request.not_found, refusal, attempts);
            return Err(Failed { error, retry });
        }
        match read(body) {
            Ok(value) => Ok((value, read_at)),
            Err(error) if error.is_eof() => {
                let error = BackendApiError::incomplete(endpoint, None, attempts);
                Err(Failed { error, retry: again(WaitReason::NoResponse, None) })
            }
            Err(_) => {
                let error = BackendApiError::unreadable(endpoint, status, attempts);
                Err(Failed { error, retry: None })
            }
        }
    }

    /// Returns `None` if the URL is too long.
    fn http_request(&self, request: &Request) -> Option<http::Request<()>> {
        http::Request::get(format!("{}{}", self.base_url.as_str(), request.target))
            .header(AUTHORIZATION, self.key.header()?)
            .header("clerk-api-version", VERSION)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("clerk-webhook/", env!("CARGO_PKG_VERSION")))
            .body(())
            .ok()
    }
}

/// Returns how long to wait after a number of attempts.
fn delay(attempts: u32, retry_after: Option<Duration>) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << (attempts - 1).min(RETRIES));
    // The keys of the hasher are random.
    let jitter = RandomState::new().hash_one(attempts) % (MAX_JITTER_MILLIS + 1);
    let delay = doubled + Duration::from_millis(jitter);
    delay.max(retry_after.unwrap_or_default()).min(MAX_DELAY)
}
