//! Follows the records of a stream, so that the client knows which jobs can be taken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::jetstream::Message;
use async_nats::jetstream::consumer::Consumer;
use async_nats::jetstream::consumer::push::{Ordered, OrderedConfig};
use clerk_webhook_core::Timestamp;
use futures_util::StreamExt as _;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::access::{Access, record_of};
use super::error::NatsQueueError;
use super::index::Index;
use super::log;

/// How often the task checks whether the client has reconnected.
const CHECK: Duration = Duration::from_secs(1);

/// The followers of a client, which starts a new one when the last one has ended.
#[derive(Default)]
pub(super) struct Followers {
    current: tokio::sync::Mutex<Option<Arc<Follower>>>,
    /// The last one that has read all records. Stays until its successor has read them too.
    complete: Mutex<Option<Arc<Follower>>>,
}

impl Followers {
    /// Returns the follower of the stream, and starts it if it does not run.
    pub(super) async fn current(
        &self,
        access: &Access,
        changed: &Arc<Notify>,
    ) -> Result<Arc<Follower>, NatsQueueError> {
        let mut current = self.current.lock().await;
        if let Some(follower) = current.as_ref().filter(|follower| follower.is_alive()) {
            return Ok(Arc::clone(follower));
        }
        let started = Arc::new(Follower::start(access, Arc::clone(changed)).await?);
        *current = Some(Arc::clone(&started));
        Ok(started)
    }

    /// Returns the follower of the stream when it has read all records that the stream contained at its
    /// start.
    pub(super) async fn complete(
        &self,
        access: &Access,
        changed: &Arc<Notify>,
    ) -> Result<Arc<Follower>, NatsQueueError> {
        let follower = self.current(access, changed).await?;
        follower.reach(follower.first).await?;
        *self.complete.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&follower));
        Ok(follower)
    }

    /// Returns the last follower that has read all records, without waiting. It may have ended.
    pub(super) fn known(&self) -> Option<Arc<Follower>> {
        self.complete.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// An index of the stream, and the task that updates it.
pub(super) struct Follower {
    access: Access,
    index: Arc<Mutex<Index>>,
    /// The sequence up to which the index is complete. The task owns the sender, and drops it when it ends.
    applied: watch::Receiver<u64>,
    /// The sequence of the last record when the reading began.
    first: u64,
    /// When the server created the stream.
    created: i64,
    /// How often the client had connected when the reading began.
    connects: u64,
    is_ended: AtomicBool,
    task: AbortHandle,
}

impl Follower {
    /// Starts to follow the stream. `changed` is notified when a job may be ready.
    pub(super) async fn start(access: &Access, changed: Arc<Notify>) -> Result<Self, NatsQueueError> {
        let connects = access.connects();
        let info = access.info().await?.ok_or_else(|| access.missing_stream())?;
        let (created, last) = (millis(info.created), info.state.last_sequence);
        let records = Records::read(access).await?;
        let index = Arc::new(Mutex::new(Index::default()));
        let begin = if records.is_empty { last } else { 0 };
        let (sender, applied) = watch::channel(begin);
        let following = follow(access.clone(), connects, records, last, Arc::clone(&index), sender, changed);
        let task = tokio::spawn(following).abort_handle();
        let is_ended = AtomicBool::new(false);
        Ok(Self { access: access.clone(), index, applied, first: last, created, connects, is_ended, task })
    }

    /// Returns whether the task still updates the index.
    pub(super) fn is_alive(&self) -> bool {
        let is_ended = self.is_ended.load(Ordering::Relaxed) || self.applied.has_changed().is_err();
        !is_ended && self.access.connects() == self.connects
    }

    /// Ends the task, so that the next call reads the stream from its beginning.
    pub(super) fn end(&self) {
        self.is_ended.store(true, Ordering::Relaxed);
        self.task.abort();
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }

    /// Waits until the index contains the record with this sequence, and all records before it.
    pub(super) async fn reach(&self, sequence: u64) -> Result<(), NatsQueueError> {
        let mut applied = self.applied.clone();
        while *applied.borrow_and_update() < sequence {
            // The time limit applies to each record, because the first reading of a long stream takes longer.
            if !matches!(timeout(self.access.timeout, applied.changed()).await, Ok(Ok(()))) {
                self.end();
                return Err(NatsQueueError::Timeout(self.access.timeout));
            }
        }
        Ok(())
    }

    /// Waits until the index contains all records that the stream contained when this method was called.
    ///
    /// Ends the task and returns `false` if the stream is another one, or has lost its last records.
    pub(super) async fn sync(&self) -> Result<bool, NatsQueueError> {
        let applied = *self.applied.borrow();
        let info = self.access.info().await?.ok_or_else(|| self.access.missing_stream())?;
        if millis(info.created) != self.created || info.state.last_sequence < applied {
            self.end();
            return Ok(false);
        }
        self.reach(info.state.last_sequence).await?;
        let forgotten = self.index().forget_before(info.state.first_sequence);
        if forgotten > 0 {
            log::vanished_jobs(self.access.names.stream(), forgotten);
        }
        Ok(true)
    }

    /// Reserves a job that can be taken.
    pub(super) fn reserve(&self, one_object_at_a_time: bool) -> Option<Reserved> {
        let (id, sequence) = self.index().reserve(Instant::now(), one_object_at_a_time)?;
        Some(Reserved { index: Arc::clone(&self.index), id, sequence })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A job that no other call in this process tries to take until the value is dropped.
pub(super) struct Reserved {
    index: Arc<Mutex<Index>>,
    pub(super) id: Arc<str>,
    pub(super) sequence: u64,
}

impl Drop for Reserved {
    fn drop(&mut self) {
        lock(&self.index).release(&self.id, self.sequence);
    }
}

fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Updates the index until the server does not answer any more, or the follower is dropped.
///
/// Also ends when the consumer may have been created again, for example after a reconnect. The client
/// continues after the last sequence, but the server may have lost its last records or all files, so that
/// newer records have lower sequences.
async fn follow(
    access: Access,
    connects: u64,
    mut records: Records,
    last: u64,
    index: Arc<Mutex<Index>>,
    applied: watch::Sender<u64>,
    changed: Arc<Notify>,
) {
    let mut is_first = true;
    loop {
        let next = timeout(CHECK, records.next()).await;
        if access.connects() != connects {
            break;
        }
        let found = match next {
            Ok(Some(Ok(found))) => found,
            Ok(_) => break,
            Err(_) => continue,
        };
        if found.is_first && !is_first {
            break;
        }
        is_first = false;
        if let Some(record) = found.message.headers.as_ref().and_then(record_of) {
            if lock(&index).apply(found.sequence, record, found.began) {
                changed.notify_one();
            }
        } else if let Some(id) = access.names.id_of(&found.message.subject)
            && lock(&index).forget(&id, found.sequence)
        {
            log::unusable_job(access.names.stream(), &id, &access.foreign(found.sequence));
        }
        // If the last message of the stream was deleted, no message with its sequence arrives.
        let complete = if found.is_newest { found.sequence.max(last) } else { found.sequence };
        applied.send_modify(|applied| *applied = complete.max(*applied));
    }
    // A worker that waits for jobs starts the next task.
    drop(applied);
    changed.notify_one();
}

/// The messages of a stream from its beginning, without their bodies. Does not end with the newest message.
pub(super) struct Records {
    messages: Ordered,
    created: i64,
    started: Instant,
    is_empty: bool,
}

/// A message of the stream.
pub(super) struct Found {
    pub(super) message: Message,
    pub(super) sequence: u64,
    /// The time that had passed since the server stored the message when the reading began.
    pub(super) age: Duration,
    /// The time from which a lease or a delay is counted.
    began: Instant,
    /// Whether the message is the first one that the consumer has delivered.
    is_first: bool,
    /// Whether the server has no newer message yet.
    is_newest: bool,
}

impl Records {
    pub(super) async fn read(access: &Access) -> Result<Self, NatsQueueError> {
        access
            .bounded(async {
                let config = OrderedConfig {
                    deliver_subject: access.context.client().new_inbox(),
                    headers_only: true,
                    ..OrderedConfig::default()
                };
                let stream = access.stream().await?;
                let consumer: Consumer<OrderedConfig> =
                    stream.create_consumer(config).await.map_err(NatsQueueError::rejected)?;
                let started = Instant::now();
                let (created, is_empty) =
                    (consumer.cached_info().created, consumer.cached_info().num_pending == 0);
                let messages = consumer.messages().await.map_err(NatsQueueError::rejected)?;
                Ok(Self { messages, created: millis(created), started, is_empty })
            })
            .await
    }

    /// Returns the next message, when the server has one.
    pub(super) async fn next(&mut self) -> Option<Result<Found, NatsQueueError>> {
        let message = match self.messages.next().await? {
            Ok(message) => message,
            Err(error) => return Some(Err(NatsQueueError::rejected(error))),
        };
        let info = match message.info() {
            Ok(info) => info,
            Err(error) => return Some(Err(NatsQueueError::Rejected(error))),
        };
        let (sequence, is_first) = (info.stream_sequence, info.consumer_sequence == 1);
        let is_newest = info.pending == 0;
        // Both times are the server's, so the clock of this machine does not matter.
        let age = self.created.saturating_sub(millis(info.published));
        let age = Duration::from_millis(u64::try_from(age).unwrap_or_default());
        let now = Instant::now();
        let began = if age.is_zero() { now } else { self.started.checked_sub(age).unwrap_or(now) };
        Some(Ok(Found { message, sequence, age, began, is_first, is_newest }))
    }
}

/// Returns the milliseconds since the Unix epoch. `async-nats` can be built with other types of its times.
fn millis(time: impl Into<std::time::SystemTime>) -> i64 {
    Timestamp::from(time.into()).as_millis()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use async_nats::ConnectOptions;
    use clerk_webhook_store::Scope;
    use tokio::task::yield_now;

    use super::*;
    use crate::engines::nats::names::Names;

    #[tokio::test]
    async fn a_follower_is_not_alive_after_its_end_and_stops_its_task_on_drop() {
        let options = ConnectOptions::new().retry_on_initial_connect();
        let client = options.connect("nats://127.0.0.1:1").await.unwrap();
        let access = Access::new(client, Names::new("prefix", &Scope::default()), CHECK);
        let follower = |applied| Follower {
            access: access.clone(),
            index: Arc::default(),
            applied,
            first: 0,
            created: 0,
            connects: 0,
            is_ended: AtomicBool::new(false),
            task: tokio::spawn(pending::<()>()).abort_handle(),
        };
        let (sender, applied) = watch::channel(0);
        let (ended, other) = (follower(applied.clone()), follower(applied));
        assert!(ended.is_alive());
        // The task drops the sender later.
        ended.end();
        assert!(!ended.is_alive() && other.is_alive());
        drop(sender);
        assert!(!other.is_alive());

        let task = other.task.clone();
        drop(other);
        let stopped = async {
            while !task.is_finished() {
                yield_now().await
            }
        };
        timeout(CHECK * 60, stopped).await.unwrap();
    }
}
