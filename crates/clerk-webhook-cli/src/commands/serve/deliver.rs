//! Verifies deliveries, and applies each in one transaction.
//!
//! The transaction marks the message as handled, writes the rows of the sync, and stores the event in the queue
//! of the forward. The answer is 2xx only after the commit.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{
    Answer, Event, Failure as HandlerFailure, Handled, Observation, Outcome, ReceiveError, SigningSecret,
    Timestamp, Verifier,
};
use clerk_webhook_queue::{PostgresQueue, SqliteQueue};
use clerk_webhook_store::{
    DeliveryTransaction, ExactlyOnce, PostgresStore, SharedTransaction, SqliteStore, TransactionalStore,
};
use clerk_webhook_sync::{Applied, ClerkSync, IgnoredReason, SyncDatabase, SyncError};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use metrics::counter;
use sqlx::{Postgres, Sqlite};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::metrics::names;
use super::start::{Open, Opened};
use super::traces;

/// The size above which a body needs one of [`LARGE_BODIES`] permits. Nearly all events are smaller.
const LARGE: usize = 64 * 1024;

/// The number of large bodies in memory at the same time, before they are verified.
const LARGE_BODIES: usize = 32;

/// How long the statements of a delivery may take. The transaction begins within 5 s, so a database that hangs delays
/// the answer by 13 s. The sender waits for 15 s.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(8);

/// The endpoint of the deliveries.
pub(super) struct Deliveries {
    verifier: Verifier,
    engine: Engine,
    large_bodies: Semaphore,
    /// The time of the last verified delivery, and of the last answer with 2xx, in milliseconds; 0 if none.
    last_at: AtomicI64,
    last_success_at: AtomicI64,
}

enum Engine {
    Sqlite(Applier<Sqlite, SqliteStore, SqliteQueue>),
    Postgres(Applier<Postgres, PostgresStore, PostgresQueue>),
}

/// Applies events in the deliveries' transactions.
struct Applier<DB: SyncDatabase, S, Q> {
    once: ExactlyOnce<S>,
    sync: ClerkSync<DB>,
    queue: Option<Q>,
}

impl Deliveries {
    pub(super) fn new(verifier: Verifier, opened: &Opened) -> Self {
        let engine = match opened {
            Opened::Sqlite(open) => Engine::Sqlite(Applier::new(open)),
            Opened::Postgres(open) => Engine::Postgres(Applier::new(open)),
        };
        Self {
            verifier,
            engine,
            large_bodies: Semaphore::new(LARGE_BODIES),
            last_at: AtomicI64::new(0),
            last_success_at: AtomicI64::new(0),
        }
    }

    /// Replaces the signing secrets. The next delivery is verified with them.
    pub(super) fn replace_secrets(&self, secrets: Vec<SigningSecret>) -> Result<(), String> {
        self.verifier.replace_secrets(secrets).map_err(|error| error.to_string())
    }

    /// Receives a delivery, and returns the answer to the sender.
    pub(super) async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<Bytes> {
        let span = traces::delivery(request.uri().path());
        let response = self.handle(request).instrument(span.clone()).await;
        traces::record_status(&span, response.status(), response.status().is_server_error());
        response
    }

    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Bytes> {
        let event = match self.receive(request).await {
            Ok(event) => event,
            Err(error) => {
                Observation::refused(&error);
                return Answer::from(&error).into();
            }
        };
        // The task continues if the sender closes the connection.
        let answer = tokio::spawn(async move { self.answer(event).await }.in_current_span()).await;
        answer.unwrap_or(Answer::from(Outcome::StoreUnavailable)).into()
    }

    /// Reads and verifies a delivery, with limits on its size and on the time that it takes to arrive.
    async fn receive(&self, request: Request<Incoming>) -> Result<Event, ReceiveError> {
        let (head, mut body) = request.into_parts();
        let mut delivery = self.verifier.begin_receive(&head.headers)?;
        delivery.expect_content_length(&head.headers)?;
        let reading = async {
            let (mut length, mut permit) = (0, None);
            while let Some(frame) = body.frame().await {
                // Trailers are not signed. They are treated as empty frames.
                let data = frame.map_err(ReceiveError::body_failed)?.into_data().unwrap_or_default();
                length += data.len();
                if length > LARGE && permit.is_none() {
                    permit = self.large_bodies.acquire().await.ok();
                }
                delivery.push(data)?;
            }
            delivery.finish()
        };
        let received = tokio::time::timeout(self.verifier.read_timeout(), reading).await;
        received.unwrap_or_else(|_| Err(ReceiveError::body_timeout()))
    }

    async fn answer(&self, event: Event) -> Answer {
        self.last_at.store(Timestamp::now().as_millis(), Ordering::Relaxed);
        if let Some(index) = event.secret_index() {
            counter!(names::SECRET_MATCHES, "index" => index.to_string()).increment(1);
        }
        let answer = match &self.engine {
            Engine::Sqlite(applier) => applier.answer(event).await,
            Engine::Postgres(applier) => applier.answer(event).await,
        };
        if answer.outcome().is_acknowledged() {
            self.last_success_at.store(Timestamp::now().as_millis(), Ordering::Relaxed);
        }
        answer
    }

    /// Returns the time of the last verified delivery since the start.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        time(&self.last_at)
    }

    /// Returns the time of the last answer with 2xx since the start.
    pub(super) fn last_success_at(&self) -> Option<Timestamp> {
        time(&self.last_success_at)
    }

    /// Returns the number of deliveries in progress.
    pub(super) fn in_flight(&self) -> usize {
        match &self.engine {
            Engine::Sqlite(applier) => applier.once.in_flight(),
            Engine::Postgres(applier) => applier.once.in_flight(),
        }
    }

    /// Waits until no delivery is in progress, and stops those that are still running after `limit`. Returns
    /// their number.
    pub(super) async fn shutdown(&self, limit: Duration) -> usize {
        match &self.engine {
            Engine::Sqlite(applier) => applier.once.shutdown(limit).await,
            Engine::Postgres(applier) => applier.once.shutdown(limit).await,
        }
    }
}

fn time(millis: &AtomicI64) -> Option<Timestamp> {
    Some(millis.load(Ordering::Relaxed)).filter(|millis| *millis > 0).map(Timestamp::from_millis)
}

impl<DB, S, Q> Applier<DB, S, Q>
where
    DB: SyncDatabase,
    S: TransactionalStore<Transaction = DeliveryTransaction<DB>> + Clone,
    Q: EnqueueIn<DB>,
{
    fn new(open: &Open<DB, S, Q>) -> Self {
        Self {
            once: ExactlyOnce::new(open.store.clone()).handler_timeout(HANDLER_TIMEOUT),
            sync: open.sync.clone(),
            queue: open.queue.clone(),
        }
    }

    async fn answer(&self, event: Event) -> Answer {
        let (sync, queue) = (self.sync.clone(), self.queue.clone());
        let handler = move |event: Event, transaction: SharedTransaction<S::Transaction>| async move {
            let mut transaction = transaction.lock().await?;
            let applied = sync.apply_in(&mut transaction, &event).await.map_err(SyncError::into_failure)?;
            enqueue(queue.as_ref(), &mut transaction, &event, applied).await
        };
        self.once.run(event, handler).await
    }
}

/// Stores the event in the queue of the forward, if one is configured, in the delivery's transaction.
///
/// Events that the sync does not store are forwarded too, but events of another instance are not.
async fn enqueue<DB: SyncDatabase>(
    queue: Option<&impl EnqueueIn<DB>>,
    connection: &mut DB::Connection,
    event: &Event,
    applied: Applied,
) -> Result<Handled, HandlerFailure> {
    match (queue, applied) {
        (_, Applied::Ignored(IgnoredReason::OtherInstance)) | (None, Applied::Ignored(_)) => {
            Ok(Handled::Ignored)
        }
        (None, _) => Ok(Handled::Processed),
        (Some(queue), _) => {
            queue.enqueue_in(connection, event).await?;
            Ok(Handled::Processed)
        }
    }
}

/// A queue that stores an event in the transaction of its delivery.
trait EnqueueIn<DB: SyncDatabase>: Clone + Send + Sync + 'static {
    fn enqueue_in(
        &self,
        connection: &mut DB::Connection,
        event: &Event,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

impl EnqueueIn<Sqlite> for SqliteQueue {
    async fn enqueue_in(
        &self,
        connection: &mut sqlx::SqliteConnection,
        event: &Event,
    ) -> Result<(), sqlx::Error> {
        // A message that the queue knows is not stored again.
        Self::enqueue_in(self, connection, event).await.map(drop)
    }
}

impl EnqueueIn<Postgres> for PostgresQueue {
    async fn enqueue_in(
        &self,
        connection: &mut sqlx::PgConnection,
        event: &Event,
    ) -> Result<(), sqlx::Error> {
        Self::enqueue_in(self, connection, event).await.map(drop)
    }
}
