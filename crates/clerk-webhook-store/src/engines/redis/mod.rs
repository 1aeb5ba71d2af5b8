//! The store in Redis or Valkey.

mod script;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use ::redis::aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig};
use ::redis::{Client, FromRedisValue, RedisError, RedisResult};
use clerk_webhook_core::Timestamp;

use self::script::{CLAIM, END, FORGET, RENEW, Script};
use crate::store::claim::{Claim, Lease, LeaseState, Owner};
use crate::store::delivery_store::DeliveryStore;
use crate::store::key::DeliveryKey;
use crate::store::retention::{DEFAULT_RETENTION, MIN_RETENTION};

const DEFAULT_PREFIX: &str = "clerk-webhook";

/// 100 years: practically unlimited, and small enough that neither Redis nor Lua rounds it.
const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);

/// A store in Redis 6 or later, or in Valkey, on a single server or a cluster.
///
/// Each delivery is one key of about 200 bytes, `clerk-webhook:<scope>:<message id>`. In the message id, `:`
/// is written as `%3A` and `%` as `%25`, so that two deliveries never share a key. The key expires after the
/// [`retention`](Self::retention), 30 days by default, counted from the time when the delivery was completed,
/// released or forgotten, or its lease expired.
///
/// Each operation is a script that accesses only this key and takes one round trip. The store uses the
/// server's clock, so the clients' clocks do not matter. Clones share a connection.
///
/// # Server settings
///
/// If the server loses a key, a retry or resend of the delivery is handled again. Set:
///
/// - `maxmemory-policy noeviction`. With another policy, a server whose memory is full evicts keys. With
///   `noeviction`, it rejects claims, and the deliveries are answered with 503.
/// - `appendonly yes`. Without it, a restart loses everything since the last snapshot. With
///   `appendfsync everysec`, a crash loses about the last second.
///
/// After a failover, the new primary lacks the writes that were not replicated in time.
///
/// # Guarantee
///
/// At least once, and at most one run at a time. For exactly once, use the transactions of `SqliteStore` or
/// `PostgresStore`.
///
/// If a key is lost while its handler is running (by eviction or `FLUSHALL`), the run keeps its lease until
/// another client claims the delivery. A renewal restores the key, and a completion records the delivery as
/// completed.
///
/// [`forget`](DeliveryStore::forget) does not remove the key. It marks the delivery as released without an
/// owner, and resets the attempt number. A run in progress loses its lease.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use clerk_webhook_store::{Claim, DeliveryKey, DeliveryStore, LeaseState, RedisStore, Scope};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let store = RedisStore::connect("redis://127.0.0.1/").await?.prefix("shop:webhooks")?;
/// let key = DeliveryKey::new(Scope::default(), "msg_1".parse()?); // shop:webhooks:clerk:msg_1
/// let minute = Duration::from_secs(60);
///
/// let Claim::Acquired(lease) = store.claim(&key, minute).await? else { panic!("already claimed") };
/// assert!(matches!(store.claim(&key, minute).await?, Claim::InProgress { .. }));
/// assert_eq!(store.complete(&lease).await?, LeaseState::Held);
/// assert!(matches!(store.claim(&key, minute).await?, Claim::Duplicate { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisStore<C = ConnectionManager> {
    connection: C,
    prefix: Cow<'static, str>,
    retention: Duration,
    timeout: Duration,
}

impl RedisStore {
    /// Connects to `redis://[user:password@]host[:port][/database]`, and reconnects if the connection is
    /// lost.
    ///
    /// For TLS (`rediss://`), enable the `tokio-rustls-comp` or `tokio-native-tls-comp` feature of the
    /// `redis` crate.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid, or if the server does not answer within about 2 s.
    pub async fn connect(url: &str) -> RedisResult<Self> {
        // The defaults retry for up to 13 s, and the sender closes the connection after 15 s.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        Ok(Self::new(ConnectionManager::new_with_config(Client::open(url)?, config).await?))
    }
}

impl<C> RedisStore<C> {
    /// Creates a store with your own connection to a server, to a cluster, or through Sentinel.
    ///
    /// Clones of the connection must share it, as clones of [`ConnectionManager`] do.
    pub fn new(connection: C) -> Self {
        Self {
            connection,
            prefix: Cow::Borrowed(DEFAULT_PREFIX),
            retention: DEFAULT_RETENTION,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets the prefix of all keys, `clerk-webhook` by default.
    ///
    /// # Errors
    ///
    /// Returns an error unless the prefix consists of 1 to 64 ASCII letters, digits, `_`, `-`, `.`, `/` and
    /// `:`.
    pub fn prefix(mut self, prefix: impl Into<Cow<'static, str>>) -> Result<Self, InvalidRedisSetting> {
        self.prefix = prefix.into();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:".contains(&byte);
        let valid = (1..=64).contains(&self.prefix.len()) && self.prefix.bytes().all(is_allowed);
        if valid { Ok(self) } else { Err(InvalidRedisSetting::Prefix) }
    }

    /// Sets the retention: how long a key exists after its delivery was completed, released or forgotten, or
    /// its lease expired. 30 days by default.
    ///
    /// # Errors
    ///
    /// Returns an error if the retention is below [`MIN_RETENTION`], 7 days.
    pub fn retention(mut self, retention: Duration) -> Result<Self, InvalidRedisSetting> {
        if retention < MIN_RETENTION {
            return Err(InvalidRedisSetting::Retention);
        }
        self.retention = retention;
        Ok(self)
    }

    /// Sets how long an operation may take in total before it is an error, 4 s by default.
    ///
    /// The limit includes the time in which the connection reconnects or looks for another server.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the name of a key: prefix, scope and message id, separated by colons.
    ///
    /// Colons in the message id are escaped, because the prefix may contain colons. Svix's ids contain
    /// neither `:` nor `%`.
    fn key(&self, key: &DeliveryKey) -> String {
        let id = key.message_id().as_str().replace('%', "%25").replace(':', "%3A");
        format!("{}:{}:{id}", self.prefix, key.scope())
    }

    async fn bounded<T>(&self, question: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        let answer = tokio::time::timeout(self.timeout, question).await;
        answer.unwrap_or_else(|_| Err(RedisError::from(io::Error::from(io::ErrorKind::TimedOut))))
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> RedisStore<C> {
    /// Runs a script, and runs it again if the connection was lost. The scripts are safe to repeat.
    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        lease: &Lease,
        argument: impl fmt::Display,
    ) -> RedisResult<T> {
        let arguments = self.arguments(lease, argument);
        let (mut connection, key) = (self.connection.clone(), self.key(lease.key()));
        self.bounded(async move {
            match script.run(&mut connection, &key, &arguments).await {
                Err(error) if is_connection_lost(&error) => {
                    script.run(&mut connection, &key, &arguments).await
                }
                answer => answer,
            }
        })
        .await
    }

    fn arguments(&self, lease: &Lease, argument: impl fmt::Display) -> [String; 4] {
        let (owner, attempt, retention) = (lease.owner(), lease.attempt(), millis(self.retention));
        [owner.to_string(), attempt.to_string(), retention.to_string(), argument.to_string()]
    }
}

impl<C> fmt::Debug for RedisStore<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Omit the connection, because its URL may contain a password.
        f.debug_struct("RedisStore")
            .field("prefix", &self.prefix)
            .field("retention", &self.retention)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl<C: ConnectionLike + Clone + Send + Sync + 'static> DeliveryStore for RedisStore<C> {
    type Error = RedisError;

    async fn claim(&self, key: &DeliveryKey, lease: Duration) -> RedisResult<Claim> {
        let new = Lease::new(key.clone(), Owner::random(), 1);
        let (outcome, number): (u8, u64) = self.run(&CLAIM, &new, millis(lease)).await?;
        Ok(match outcome {
            0 => {
                let attempt = u32::try_from(number).unwrap_or(u32::MAX);
                Claim::Acquired(Lease::new(key.clone(), new.owner(), attempt))
            }
            1 => {
                let millis = i64::try_from(number).unwrap_or(i64::MAX);
                Claim::Duplicate { completed_at: Some(Timestamp::from_millis(millis)) }
            }
            _ => Claim::InProgress { retry_after: Duration::from_millis(number) },
        })
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> RedisResult<LeaseState> {
        self.run(&RENEW, lease, millis(by)).await.map(held)
    }

    async fn complete(&self, lease: &Lease) -> RedisResult<LeaseState> {
        self.run(&END, lease, 'c').await.map(held)
    }

    async fn release(&self, lease: &Lease) -> RedisResult<LeaseState> {
        self.run(&END, lease, 'r').await.map(held)
    }

    async fn forget(&self, key: &DeliveryKey) -> RedisResult<bool> {
        // The script stores no owner, so that a run in progress cannot complete the delivery, and marks the
        // delivery as released, so that it can be claimed.
        let arguments = self.arguments(&Lease::new(key.clone(), Owner::from_u128(0), 0), 'r');
        let (mut connection, key) = (self.connection.clone(), self.key(key));
        // Do not retry after a lost connection, because the second attempt would return `false`.
        self.bounded(async move { FORGET.run(&mut connection, &key, &arguments).await }).await
    }

    /// Does nothing and returns 0, because keys expire. See [`retention`](Self::retention).
    async fn purge(&self, _older_than: Duration, _limit: u32) -> RedisResult<u64> {
        Ok(0)
    }
}

/// The error for an invalid setting of a [`RedisStore`].
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRedisSetting {
    /// The prefix is empty, too long, or contains a character that is not allowed.
    Prefix,
    /// The retention is below 7 days.
    Retention,
}

impl fmt::Display for InvalidRedisSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => {
                "a key prefix consists of 1 to 64 ASCII letters, digits, `_`, `-`, `.`, `/` and `:`"
            }
            Self::Retention => "the retention must be at least 7 days",
        })
    }
}

debug_is_display!(InvalidRedisSetting);

impl Error for InvalidRedisSetting {}

fn held(answer: u8) -> LeaseState {
    if answer == 1 { LeaseState::Held } else { LeaseState::Lost }
}

/// Returns whole milliseconds, rounded up, so that no lease is too short.
fn millis(duration: Duration) -> u128 {
    duration.min(LONGEST).as_nanos().div_ceil(1_000_000)
}

fn is_connection_lost(error: &RedisError) -> bool {
    // A timeout is not a lost connection: the server may be overloaded, so do not repeat the command.
    error.is_io_error() && !error.is_timeout()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_invalid_settings() {
        let store = RedisStore::new(());
        for prefix in ["a", "shop:webhooks/v1._-", &"x".repeat(64)] {
            assert!(store.clone().prefix(prefix.to_owned()).is_ok(), "{prefix:?}");
        }
        for prefix in ["", "two words", "{a}", "é", "a\n", "a*", &"x".repeat(65)] {
            let refused = store.clone().prefix(prefix.to_owned()).unwrap_err();
            assert_eq!(refused, InvalidRedisSetting::Prefix, "{prefix:?}");
        }
        assert!(store.clone().retention(MIN_RETENTION).is_ok());
        assert_eq!(store.retention(MIN_RETENTION - Duration::from_millis(1)).unwrap_err().to_string(), {
            "the retention must be at least 7 days"
        });
    }

    /// Returns every text of 1 to `longest` characters from the alphabet.
    fn texts(alphabet: &[&str], longest: usize) -> Vec<String> {
        let mut texts = vec![String::new()];
        for length in 0..longest {
            let shorter: Vec<_> = texts.iter().filter(|text| text.len() == length).cloned().collect();
            texts.extend(
                shorter.iter().flat_map(|text| alphabet.iter().map(move |last| format!("{text}{last}"))),
            );
        }
        texts.split_off(1)
    }

    #[test]
    fn two_deliveries_never_share_a_key() {
        let mut keys = std::collections::HashMap::new();
        for prefix in texts(&["a", ":", "/"], 3) {
            let store = RedisStore::new(()).prefix(prefix.clone()).unwrap();
            for scope in texts(&["a", "/"], 2) {
                for id in
                    texts(&["a", ":", "/", "%"], 3).iter().map(String::as_str).chain(["%3A", "a%25", "%253A"])
                {
                    let key = store.key(&DeliveryKey::new(scope.parse().unwrap(), id.parse().unwrap()));
                    let delivery = (prefix.clone(), scope.clone(), id.to_owned());
                    if let Some(other) = keys.insert(key.clone(), delivery.clone()) {
                        panic!("{delivery:?} and {other:?} share the key {key:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn keys_of_typical_message_ids_are_not_escaped() {
        let store = RedisStore::new(()).prefix("shop:webhooks").unwrap();
        let key = DeliveryKey::new(
            "mail/eu-1".parse().unwrap(),
            "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa".parse().unwrap(),
        );
        assert_eq!(store.key(&key), "shop:webhooks:mail/eu-1:msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa");
    }

    #[test]
    fn rounds_durations_up_without_overflow() {
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(1500)), 1500);
        assert_eq!(millis(Duration::MAX), 3_153_600_000_000);
    }
}
