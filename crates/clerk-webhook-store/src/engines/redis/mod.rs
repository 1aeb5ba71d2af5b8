//! A store in Redis.

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

/// As good as endless, and nothing that Redis or Lua would round.
const LONGEST: Duration = Duration::from_secs(36_500 * 24 * 60 * 60);

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);

/// A store in Redis or Valkey, from Redis 6 on, alone or as a cluster.
///
/// Each delivery is one key, `clerk-webhook:<scope>:<message id>`, of about 200 bytes. The key expires 30 days (by
/// default) after the delivery was completed, released, abandoned or forgotten. In the message id `:` is written as `%3A`
/// and `%` as `%25`, so that two deliveries never share a key. Every step is a script that touches this key alone and takes one
/// round trip. The clock is the server's. Clones share a connection.
///
/// # What the server has to be like
///
/// - `maxmemory-policy noeviction`: a server that evicts keys when its memory is full forgets deliveries, and those are
///   handled again. With `noeviction` it refuses claims instead, which is an error and is answered so.
/// - `appendonly yes`: without it, a restart forgets what came after the last snapshot; with `appendfsync everysec`, what
///   came in the last second or so.
/// - A replica that takes over does not know what had not been copied yet.
///
/// What is forgotten is handled once more when it comes again: this store promises "at least once, and one at a time". The
/// transactions of a database promise more.
///
/// If a key is lost while its handler runs (eviction, FLUSHALL), the run keeps its lease until another client claims the
/// delivery: a renewal restores the key, and a completion records the delivery as completed.
///
/// [`forget`](DeliveryStore::forget) does not remove the key. It marks the delivery as released without an owner, and resets
/// the number of the attempt. A run in progress then loses its lease.
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
/// let Claim::Acquired(lease) = store.claim(&key, minute).await? else { panic!("it is the first") };
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
    /// Connects to `redis://[user:password@]host[:port][/database]`, and reconnects whenever the connection is lost.
    ///
    /// For `rediss://`, switch on one of the features `tokio-rustls-comp` and `tokio-native-tls-comp` of the crate redis.
    ///
    /// # Errors
    ///
    /// Refuses what is not such an address, and a server that does not answer within about two seconds.
    pub async fn connect(url: &str) -> RedisResult<Self> {
        // The default asks again for up to thirteen seconds; by then the sender has nearly hung up.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(1)))
            .set_response_timeout(Some(Duration::from_secs(2)))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        Ok(Self::new(ConnectionManager::new_with_config(Client::open(url)?, config).await?))
    }
}

impl<C> RedisStore<C> {
    /// Takes a connection that its clones share: of one server, of a cluster, or of what sentinels point to.
    pub fn new(connection: C) -> Self {
        Self {
            connection,
            prefix: Cow::Borrowed(DEFAULT_PREFIX),
            retention: DEFAULT_RETENTION,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Sets what all keys begin with, in place of `clerk-webhook`.
    ///
    /// # Errors
    ///
    /// Refuses anything but 1 to 64 ASCII letters, digits, `_`, `-`, `.`, `/` and `:`.
    pub fn prefix(mut self, prefix: impl Into<Cow<'static, str>>) -> Result<Self, InvalidRedisSetting> {
        self.prefix = prefix.into();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:".contains(&byte);
        let valid = (1..=64).contains(&self.prefix.len()) && self.prefix.bytes().all(is_allowed);
        if valid { Ok(self) } else { Err(InvalidRedisSetting::Prefix) }
    }

    /// Sets for how long a delivery is remembered after it was completed, released, abandoned or forgotten, 30 days by default.
    ///
    /// # Errors
    ///
    /// Refuses less than [`MIN_RETENTION`], seven days.
    pub fn retention(mut self, retention: Duration) -> Result<Self, InvalidRedisSetting> {
        if retention < MIN_RETENTION {
            return Err(InvalidRedisSetting::Retention);
        }
        self.retention = retention;
        Ok(self)
    }

    /// Sets how long a question may take altogether, 4 s by default; then it is an error.
    ///
    /// It bounds every kind of connection, whatever that does to find a server that answers.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Returns the name of a key: prefix, scope and message id with colons in between.
    ///
    /// A prefix may have colons, so the id must not: its colons are escaped. The ids of Svix have neither `:` nor `%`.
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
    /// Runs a script, once more where the connection was lost: no harm is done by a step that is made twice.
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
        // The address of a connection can hold a password.
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
        // Nobody's, so that the run that is in progress cannot complete it, and released, so that it can be claimed.
        let arguments = self.arguments(&Lease::new(key.clone(), Owner::from_u128(0), 0), 'r');
        let (mut connection, key) = (self.connection.clone(), self.key(key));
        // Only once: the second time there is nothing to forget.
        self.bounded(async move { FORGET.run(&mut connection, &key, &arguments).await }).await
    }

    /// Does nothing and returns 0, since keys end by themselves: see [`retention`](Self::retention).
    async fn purge(&self, _older_than: Duration, _limit: u32) -> RedisResult<u64> {
        Ok(0)
    }
}

/// The error of a setting that a [`RedisStore`] refuses.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRedisSetting {
    /// The prefix is empty, too long, or has other characters than are allowed.
    Prefix,
    /// The retention is too short.
    Retention,
}

impl fmt::Display for InvalidRedisSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prefix => {
                "a prefix of keys consists of 1 to 64 ASCII letters, digits, `_`, `-`, `.`, `/` and `:`"
            }
            Self::Retention => "deliveries have to be remembered for at least 7 days",
        })
    }
}

debug_is_display!(InvalidRedisSetting);

impl Error for InvalidRedisSetting {}

fn held(answer: u8) -> LeaseState {
    if answer == 1 { LeaseState::Held } else { LeaseState::Lost }
}

/// Rounded up, so that no lease is shorter than was asked for.
fn millis(duration: Duration) -> u128 {
    duration.min(LONGEST).as_nanos().div_ceil(1_000_000)
}

fn is_connection_lost(error: &RedisError) -> bool {
    // After a timeout the server may be busy, and nothing gets better by asking once more.
    error.is_io_error() && !error.is_timeout()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_looked_at() {
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
            "deliveries have to be remembered for at least 7 days"
        });
    }

    /// Every text of one to so many of these characters.
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
    fn the_keys_of_usual_deliveries_are_readable() {
        let store = RedisStore::new(()).prefix("shop:webhooks").unwrap();
        let key = DeliveryKey::new(
            "mail/eu-1".parse().unwrap(),
            "msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa".parse().unwrap(),
        );
        assert_eq!(store.key(&key), "shop:webhooks:mail/eu-1:msg_2h4kPzT9QcVd8mWy1nRxBs6JfLa");
    }

    #[test]
    fn time_is_rounded_up_and_does_not_overflow() {
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(1500)), 1500);
        assert_eq!(millis(Duration::MAX), LONGEST.as_millis());
    }
}
