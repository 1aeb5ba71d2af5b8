//! The queue in NATS JetStream.

mod access;
pub(crate) mod error;
mod follower;
mod index;
mod jobs;
mod log;
mod migrate;
mod names;
mod purge;
mod record;
mod room;
mod take;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use clerk_webhook_core::{Event, Verifier};
use clerk_webhook_store::Scope;
use percent_encoding::percent_decode_str;
use tokio::sync::Notify;

use crate::queue::delivery_queue::{DeliveryQueue, Enqueued};

use self::access::{Access, Appended, PENDING, RESERVED};
use self::error::{NatsQueueError, TRIES};
use self::follower::{Follower, Followers};
use self::names::Names;
use self::record::Record;
use self::room::Room;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(4);

/// A queue in a stream of NATS JetStream, for any number of machines.
///
/// The queue needs a NATS server of version 2.9 or later with JetStream. Call [`migrate`](Self::migrate) when
/// the application starts.
///
/// # Guarantee
///
/// - [`enqueue`](DeliveryQueue::enqueue) returns after JetStream has acknowledged the event.
/// - Each message is one subject of the stream, which contains only the last record of the message: its state
///   and its body. A client replaces a record only if no other client has changed it. Each change is a single
///   write, so it happens completely or not at all. A worker that has lost its lease cannot change the job.
/// - A duplicate is found by its subject, not by JetStream's window of message ids. The queue knows a message
///   until it is purged, also after a restart of the NATS server.
/// - Each job is handled at least once, and two workers never hold a live lease of one job. After a crash, the job
///   can be taken again when its lease expires. See [`Worker`](crate::Worker#guarantee-at-least-once), and
///   [Clusters](#clusters) for streams with several replicas.
/// - A queue prefers older jobs, but does not guarantee an order.
/// - One unusable job does not stop the others. If a job exceeds a limit that was lowered, workers log an
///   error once, and try again every minute. If another program publishes to the job's subject, the job is
///   lost.
///
/// # Clusters
///
/// The leader of a stream with several replicas compares the expected record before it replicates the new one.
/// Two clients can therefore both receive an acknowledgment, at least with nats-server 2.9. After each change
/// of a job, the queue writes an empty message and reads the job again. The client whose record is last owns
/// the job. `enqueue` does not need this, but concurrent deliveries of one message can each return
/// [`Enqueued::New`]. The event is stored once.
///
/// If the leader changes during these steps, two workers can still take the same job. Pass the
/// [message id](clerk_webhook_core::Context::message_id) as the idempotency key to every service that a
/// handler calls.
///
/// Use nats-server 2.10.19 or later for streams with several replicas. With earlier versions, the replicas of
/// a stream can differ after concurrent deliveries of one message (nats-server issue 5644).
///
/// # Durability
///
/// JetStream writes each message to a file before it acknowledges the message. It flushes the file to the
/// disk only every 2 minutes by default (`sync_interval`). A crash of the nats-server process loses nothing,
/// but a crash of its machine can lose up to 2 minutes of acknowledged events. Set `sync_interval: always`
/// (nats-server 2.10 or later). Three [`replicas`](Self::replicas) without this setting usually survive the
/// crash of one machine, but not a power failure of all machines.
///
/// # Clocks
///
/// Leases and delays do not depend on the clocks of the workers. A worker counts them from the time at which
/// it learns of them, on a monotonic clock. When a worker connects, it uses the NATS server's clock to find
/// out how old the existing leases are, so keep the clocks of the servers in a cluster synchronized.
/// `enqueued_at`, `died_at` and [`Worker::max_age`](crate::Worker::max_age) use the client's clock, and
/// [`purge`](crate::purge()) uses the NATS server's clock.
///
/// # Limits
///
/// - A process that runs a worker, or calls a method such as [`stats`](crate::JobQueue::stats), reads the
///   records of all known messages, without their bodies. It keeps those that have not ended in memory: a few
///   hundred bytes for each waiting message and each dead letter. A purge makes this first reading faster.
/// - A process reads the records again after each reconnect, because the server may have lost the last ones.
///   It takes no job until it has read them all. Running jobs continue and keep their leases.
/// - Every change of a job except `complete` and `discard` writes the event's body again, including each
///   renewal.
/// - JetStream deletes an old body from its index immediately, but the file can contain the bytes until the
///   NATS server compacts it.
/// - The NATS server's `max_payload` (1 MiB by default) must be at least 16 KiB larger than the body limit of
///   the verifier. See [`body_limit`](Self::body_limit).
/// - If the account or the disk is full, the NATS server rejects new events, and the sender receives a 503. It
///   then also rejects the changes of jobs. Set [`max_bytes`](Self::max_bytes), which only limits new events.
///
/// # Permissions
///
/// With the default names, a user whose permissions are restricted needs to subscribe to `_INBOX.>` and to
/// publish to these subjects:
///
/// | process | subjects |
/// |---|---|
/// | calls only `enqueue` or `answer` | `clerk_webhook.clerk.>` |
/// | also sets [`max_bytes`](Self::max_bytes) | `$JS.API.STREAM.INFO.clerk_webhook_clerk` |
/// | also calls [`migrate`](Self::migrate) | `$JS.API.STREAM.*.clerk_webhook_clerk` |
/// | runs a worker, or calls other methods of the queue | all of these, `$JS.API.STREAM.MSG.*.clerk_webhook_clerk`, `$JS.API.CONSUMER.>` and `$JS.FC.>` |
///
/// # Retention
///
/// When a job is done, the queue deletes the body of the event, and keeps the message id. Call
/// [`purge`](crate::purge()) once a day to delete old message ids.
///
/// # Examples
///
/// ```no_run
/// use clerk_webhook_queue::{DeliveryQueue as _, Enqueued, NatsQueue};
///
/// # async fn run(event: clerk_webhook_core::Event) -> Result<(), Box<dyn std::error::Error>> {
/// let queue = NatsQueue::connect("nats://127.0.0.1:4222").await?;
/// queue.migrate().await?;
///
/// assert_eq!(queue.enqueue(&event).await?, Enqueued::New);
/// assert_eq!(queue.enqueue(&event).await?, Enqueued::Duplicate);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NatsQueue {
    client: Client,
    access: Access,
    scope: Scope,
    replicas: Option<usize>,
    body_limit: usize,
    room: Room,
    /// What this client knows about the stream, from the first call of a worker on.
    followers: Arc<Followers>,
    /// Wakes a worker in this process.
    changed: Arc<Notify>,
}

impl NatsQueue {
    /// Connects to `nats://[user:password@]host[:port]` or `nats://token@host[:port]`, and reconnects if the
    /// connection is lost.
    ///
    /// Special characters of the user, the password and the token must be percent-encoded.
    /// For TLS, credentials files or several servers, create a [`Client`] with the `async-nats` crate, and pass
    /// it to [`new`](Self::new).
    ///
    /// # Errors
    ///
    /// Returns an error if the URL is invalid, or if the server cannot be reached.
    pub async fn connect(url: &str) -> Result<Self, NatsQueueError> {
        let server: ServerAddr = url.parse().map_err(|error| NatsQueueError::Connect(Box::new(error)))?;
        let mut options =
            ConnectOptions::new().name("clerk-webhook-queue").connection_timeout(DEFAULT_TIMEOUT);
        // The client ignores the user and the password in a URL.
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        options = match (server.username(), server.password()) {
            (Some(user), Some(password)) => options.user_and_password(decoded(user), decoded(password)),
            (Some(token), None) => options.token(decoded(token)),
            (None, _) => options,
        };
        let client = tokio::time::timeout(DEFAULT_TIMEOUT, options.connect(server)).await;
        let client = client.map_err(|_| NatsQueueError::Timeout(DEFAULT_TIMEOUT))?;
        Ok(Self::new(client.map_err(|error| NatsQueueError::Connect(Box::new(error)))?))
    }

    /// Creates a queue with the application's client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let scope = Scope::default();
        let names = Names::new(names::DEFAULT_PREFIX, &scope);
        Self {
            access: Access::new(client.clone(), names, DEFAULT_TIMEOUT),
            client,
            scope,
            replicas: None,
            body_limit: Verifier::DEFAULT_BODY_LIMIT,
            room: Room::default(),
            followers: Arc::default(),
            changed: Arc::default(),
        }
    }

    /// Sets the scope: the name of the endpoint, `clerk` by default.
    ///
    /// Endpoints with different handlers need different scopes. Each scope has its own stream,
    /// `clerk_webhook_<scope>`, with the subjects `clerk_webhook.<scope>.>`. In the names, `.` is written as
    /// `%2E` and `/` as `%2F`.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        let names = Names::new(self.access.names.prefix(), &scope);
        Self { scope, ..self.renamed(names) }
    }

    /// Sets the prefix of the names of the stream and its subjects, `clerk_webhook` by default.
    ///
    /// # Errors
    ///
    /// Returns an error unless the prefix consists of 1 to 64 ASCII letters, digits, `_` and `-`.
    pub fn prefix(self, prefix: &str) -> Result<Self, NatsQueueError> {
        if !names::is_prefix(prefix) {
            return Err(NatsQueueError::Prefix);
        }
        let names = Names::new(prefix, &self.scope);
        Ok(self.renamed(names))
    }

    fn renamed(self, names: Names) -> Self {
        let access = self.access.renamed(names);
        Self {
            access,
            room: self.room.for_another_stream(),
            followers: Arc::default(),
            changed: Arc::default(),
            ..self
        }
    }

    /// Sets the number of replicas of the stream, from 1 to 5.
    ///
    /// By default, [`migrate`](Self::migrate) creates a stream with one replica, and does not change the
    /// replicas of an existing stream.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// Sets how many bytes the stream may contain before new events are rejected. No limit by default.
    ///
    /// If the limit is reached, [`enqueue`](DeliveryQueue::enqueue) returns [`NatsQueueError::Full`], and the
    /// sender receives a 503 and retries. Workers can still take and end jobs, which the stream's own
    /// `max_bytes` would prevent: do not set it. The client asks for the size once per second, so several
    /// webhook servers together can exceed the limit by the events of a second.
    #[must_use]
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.room = Room::of(max_bytes);
        self
    }

    /// Sets the body limit of the verifier in bytes, [`Verifier::DEFAULT_BODY_LIMIT`] (2 MiB) by default.
    ///
    /// [`migrate`](Self::migrate) checks that the server's `max_payload` allows bodies of this size. If you
    /// set a lower limit in the verifier, set it here too.
    #[must_use]
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body_limit = bytes;
        self
    }

    /// Sets how long a request to the NATS server may take before it is an error, 4 s by default.
    ///
    /// If storing an event takes longer than 5 s, the webhook server answers `store_unavailable`, so a larger
    /// value does not help `enqueue`.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.access = Access::new(self.client.clone(), self.access.names, timeout);
        self.followers = Arc::default();
        self
    }

    /// Returns the client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Creates the stream if it is missing, and checks the settings of an existing one.
    ///
    /// Any number of processes may call this method at the same time. In an existing stream, the method
    /// changes the number of replicas if [`replicas`](Self::replicas) was called, and turns off settings that
    /// delete old messages.
    ///
    /// # Errors
    ///
    /// Returns an error if the server cannot be reached, if the stream has settings with which it cannot be a
    /// queue, or if the server's `max_payload` is too small for the [`body_limit`](Self::body_limit).
    pub async fn migrate(&self) -> Result<(), NatsQueueError> {
        migrate::migrate(&self.access, self.replicas, self.body_limit).await
    }

    /// Returns a follower that has read all records that the stream contained at its start.
    async fn follower(&self) -> Result<Arc<Follower>, NatsQueueError> {
        self.followers.complete(&self.access, &self.changed).await
    }

    /// Returns a follower that knows all records that the stream contains now.
    async fn synced(&self) -> Result<Arc<Follower>, NatsQueueError> {
        let follower = self.follower().await?;
        // A new follower knows all records when it is complete.
        if follower.sync().await? { Ok(follower) } else { self.follower().await }
    }

    async fn store(&self, event: &Event) -> Result<Enqueued, NatsQueueError> {
        let (record, body) = (Record::new(event), event.raw_body().clone());
        // The fields can be large only because of the event type, which is part of the body.
        let size = body.len() + record.event_type.len() + RESERVED;
        let max_payload = self.client.max_payload();
        if size > max_payload {
            return Err(NatsQueueError::TooLarge { size, max_payload });
        }
        self.room.enter(&self.access, size).await?;
        for _ in 0..TRIES {
            // If the server accepts two deliveries at the same time, they are the same event.
            match self.access.append(&record, body.clone(), 0).await? {
                Appended::Stored(_) => return Ok(Enqueued::New),
                Appended::Conflict => return Ok(Enqueued::Duplicate),
                // The cluster may lose the other delivery, which the sender then repeats.
                Appended::Pending => tokio::time::sleep(PENDING).await,
            }
        }
        Err(NatsQueueError::Contended)
    }
}

impl DeliveryQueue for NatsQueue {
    type Error = NatsQueueError;

    fn scope(&self) -> &Scope {
        &self.scope
    }

    async fn enqueue(&self, event: &Event) -> Result<Enqueued, NatsQueueError> {
        self.access.bounded(self.store(event)).await
    }
}

impl fmt::Debug for NatsQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsQueue")
            .field("stream", &self.access.names.stream())
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
