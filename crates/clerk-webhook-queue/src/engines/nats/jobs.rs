//! Takes and ends jobs.

use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{EventType, MessageId, Timestamp};
use clerk_webhook_store::{Lease, LeaseState};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::time::{Instant, timeout_at};

use super::NatsQueue;
use super::access::Stored;
use super::error::{NatsQueueError, TRIES};
use super::purge;
use super::record::{Record, State};
use crate::queue::dead_letters::{DeadLetter, QueueStats};
use crate::queue::job_queue::{Job, JobQueue, TakeOptions};

/// The number of requests that a call sends at the same time.
const AT_ONCE: usize = 16;

/// A day: the longest time that a call to `wait` waits.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// A lease that ends within this time may already have expired for another client, which learned of it
/// earlier.
const MARGIN: Duration = Duration::from_millis(250);

/// What a call does with the record of a message.
enum Change {
    /// Replaces the record and keeps the body.
    To(Record),
    /// Replaces the record and deletes the body.
    End(Record),
    /// The record already has the state.
    Already,
    /// The caller may not change the record.
    Refused,
}

impl NatsQueue {
    /// Replaces the record of a message, and tries again if another client changes it at the same time.
    async fn change(
        &self,
        id: &MessageId,
        change: impl Fn(&Stored) -> Change,
    ) -> Result<bool, NatsQueueError> {
        for _ in 0..TRIES {
            let Some(stored) = self.access.read(id.as_str()).await? else { return Ok(false) };
            let (record, body) = match change(&stored) {
                Change::To(record) => (record, stored.body),
                Change::End(record) => (record, Bytes::new()),
                Change::Already => return Ok(true),
                Change::Refused => return Ok(false),
            };
            if self.access.write(&record, body, stored.sequence).await?.is_some() {
                return Ok(true);
            }
        }
        Err(NatsQueueError::Contended)
    }

    /// Ends an attempt. `again` is the state in which a second call with the same lease succeeds.
    async fn end(
        &self,
        lease: &Lease,
        again: Option<State>,
        end: impl Fn(&Record) -> Change,
    ) -> Result<LeaseState, NatsQueueError> {
        if lease.key().scope() != &self.scope {
            return Ok(LeaseState::Lost);
        }
        let ended = self.change(lease.key().message_id(), |stored| {
            let record = &stored.record;
            match record.state {
                _ if !record.is_owned_by(lease.owner()) => Change::Refused,
                State::Running => end(record),
                state if Some(state) == again => Change::Already,
                _ => Change::Refused,
            }
        });
        Ok(state_of(ended.await?))
    }

    /// Completes a job without reading its record. Returns `false` if the last record is not the known one.
    async fn complete_known(&self, lease: &Lease) -> Result<bool, NatsQueueError> {
        let Some(follower) = self.followers.known().filter(|_| lease.key().scope() == &self.scope) else {
            return Ok(false);
        };
        let known = follower.index().running(lease.key().message_id().as_str());
        let Some((record, sequence)) = known.filter(|(record, _)| record.is_owned_by(lease.owner())) else {
            return Ok(false);
        };
        let done = record.done(Some(lease.owner()));
        Ok(self.access.write(&done, Bytes::new(), sequence).await?.is_some())
    }

    /// Renews a lease that has expired, or may expire at any moment.
    async fn renew_late(&self, stored: Stored, by: Duration) -> Result<Option<LeaseState>, NatsQueueError> {
        let follower = self.synced().await?;
        let id = &stored.record.id;
        if follower.index().is_overtaken(id, Instant::now(), u64::MAX) {
            return Ok(Some(LeaseState::Lost));
        }
        let renewed = stored.record.renewed(by, None);
        let Some(sequence) = self.access.write(&renewed, stored.body.clone(), stored.sequence).await? else {
            return Ok(None);
        };
        follower.reach(sequence).await?;
        if !follower.index().is_overtaken(id, Instant::now(), sequence) {
            return Ok(Some(LeaseState::Held));
        }
        let expired = renewed.after(stored.sequence).renewed(Duration::ZERO, None);
        self.access.write(&expired, stored.body, sequence).await?;
        Ok(Some(LeaseState::Lost))
    }

    /// Reads a dead letter, or returns `None` if the message is not one any more.
    async fn read_dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, NatsQueueError> {
        let Some(stored) = self.access.read(id).await? else { return Ok(None) };
        let record = stored.record;
        let (State::Dead, Some(id)) = (record.state, record.message_id()) else { return Ok(None) };
        let attempted_at = Timestamp::from_millis(record.attempted_at);
        let mut letter = DeadLetter::new(id, (&*record.event_type).into(), attempted_at, stored.body);
        letter.attempts = record.attempts;
        letter.enqueued_at = Timestamp::from_millis(record.enqueued_at);
        letter.died_at = record.ended_at.map_or(letter.enqueued_at, Timestamp::from_millis);
        letter.last_error = record.error;
        Ok(Some(letter))
    }
}

impl JobQueue for NatsQueue {
    async fn take(&self, options: &TakeOptions) -> Result<Option<Job>, NatsQueueError> {
        self.take_next(options).await
    }

    async fn renew(&self, lease: &Lease, by: Duration) -> Result<LeaseState, NatsQueueError> {
        if lease.key().scope() != &self.scope {
            return Ok(LeaseState::Lost);
        }
        for _ in 0..TRIES {
            let Some(stored) = self.access.read(lease.key().message_id().as_str()).await? else {
                return Ok(LeaseState::Lost);
            };
            let record = &stored.record;
            if record.state != State::Running || !record.is_owned_by(lease.owner()) {
                return Ok(LeaseState::Lost);
            }
            // Does not wait for a follower that reads the stream again, because a lease could expire first.
            let (known, now) = (self.followers.known(), Instant::now());
            let remaining = known.as_ref().map_or(Duration::ZERO, |follower| {
                follower.index().remaining(&record.id, stored.sequence, now)
            });
            if record.object.is_some() && remaining < MARGIN {
                match Box::pin(self.renew_late(stored, by)).await? {
                    Some(state) => return Ok(state),
                    None => continue,
                }
            }
            let renewed = record.renewed(by, Some(record.since.unwrap_or(stored.sequence)));
            if let Some(sequence) = self.access.write(&renewed, stored.body, stored.sequence).await? {
                if let Some(follower) = known {
                    follower.index().apply(sequence, renewed.after(stored.sequence), now);
                }
                return Ok(LeaseState::Held);
            }
        }
        Err(NatsQueueError::Contended)
    }

    async fn complete(&self, lease: &Lease) -> Result<LeaseState, NatsQueueError> {
        if self.complete_known(lease).await? {
            return Ok(LeaseState::Held);
        }
        let done = |record: &Record| Change::End(record.done(Some(lease.owner())));
        self.end(lease, Some(State::Done), done).await
    }

    async fn retry(&self, lease: &Lease, after: Duration, error: &str) -> Result<LeaseState, NatsQueueError> {
        self.end(lease, None, |record| Change::To(record.retried(after, error))).await
    }

    async fn give_back(&self, lease: &Lease) -> Result<LeaseState, NatsQueueError> {
        let back = |record: &Record| record.ready(record.attempts.saturating_sub(1), Duration::ZERO);
        self.end(lease, None, |record| Change::To(back(record))).await
    }

    async fn bury(&self, lease: &Lease, error: &str) -> Result<LeaseState, NatsQueueError> {
        self.end(lease, Some(State::Dead), |record| Change::To(record.buried(error))).await
    }

    async fn wait(&self, limit: Duration) {
        let now = Instant::now();
        let end = now + limit.min(LONGEST_WAIT);
        let follower = timeout_at(end, self.followers.current(&self.access, &self.changed)).await;
        let due = match &follower {
            Ok(Ok(follower)) => follower.index().next_due(now),
            _ => None,
        };
        let until = due.map_or(end, |due| due.min(end));
        let _ = timeout_at(until, self.changed.notified()).await;
    }

    async fn stats(&self) -> Result<QueueStats, NatsQueueError> {
        let follower = self.synced().await?;
        let stats = follower.index().stats(Instant::now());
        Ok(stats)
    }

    async fn dead_letters(&self, limit: u32) -> Result<Vec<DeadLetter>, NatsQueueError> {
        let follower = self.synced().await?;
        let dead = follower.index().dead(None);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let letters = stream::iter(dead.into_iter().take(limit))
            .map(async |(id, sequence)| {
                let letter = self.read_dead_letter(&id).await?;
                if letter.is_none() {
                    // Somebody has deleted the message on the server, or another client has changed it.
                    follower.index().forget(&id, sequence);
                }
                Ok(letter)
            })
            .buffered(AT_ONCE)
            .try_filter_map(async |letter| Ok(letter));
        letters.try_collect().await
    }

    async fn dead_letter(&self, message_id: &MessageId) -> Result<Option<DeadLetter>, NatsQueueError> {
        self.read_dead_letter(message_id.as_str()).await
    }

    async fn retry_dead(&self, message_id: &MessageId) -> Result<bool, NatsQueueError> {
        self.change(message_id, |stored| match stored.record.state {
            State::Dead => Change::To(stored.record.ready(0, Duration::ZERO)),
            _ => Change::Refused,
        })
        .await
    }

    async fn retry_all_dead(&self, event_type: Option<&EventType>) -> Result<u64, NatsQueueError> {
        let dead = self.synced().await?.index().dead(event_type.map(EventType::as_str));
        let mut retried = 0;
        // Oldest first. A dead letter with a newer record was buried again in the meantime.
        for (id, sequence) in dead.into_iter().rev() {
            let Ok(id) = id.parse::<MessageId>() else { continue };
            let is_retried = self.change(&id, |stored| {
                if stored.record.state == State::Dead && stored.sequence == sequence {
                    Change::To(stored.record.ready(0, Duration::ZERO))
                } else {
                    Change::Refused
                }
            });
            retried += u64::from(is_retried.await?);
        }
        Ok(retried)
    }

    async fn discard(&self, message_id: &MessageId) -> Result<bool, NatsQueueError> {
        self.change(message_id, |stored| match stored.record.state {
            State::Dead => Change::End(stored.record.done(None)),
            _ => Change::Refused,
        })
        .await
    }

    async fn purge(&self, older_than: Duration, limit: u32) -> Result<u64, NatsQueueError> {
        purge::purge(&self.access, older_than, limit).await
    }
}

fn state_of(is_held: bool) -> LeaseState {
    if is_held { LeaseState::Held } else { LeaseState::Lost }
}
