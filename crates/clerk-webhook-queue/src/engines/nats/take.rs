//! Takes jobs.

use std::time::Duration;

use bytes::Bytes;
use clerk_webhook_core::{Event, EventType, MessageId, Timestamp};
use clerk_webhook_store::{DeliveryKey, Lease, Owner};
use tokio::time::Instant;

use super::NatsQueue;
use super::error::{NatsQueueError, TRIES};
use super::follower::{Follower, Reserved};
use super::log::{unusable_job, vanished_jobs};
use super::record::{Record, State};
use crate::engines::common::{CRASHED, NOT_AN_EVENT};
use crate::queue::job_queue::{Job, TakeOptions};
use crate::queue::log;

/// How long a job that cannot be read or written is skipped.
const UNUSABLE: Duration = Duration::from_secs(60);

/// The result of an attempt to take a reserved job.
enum Taken {
    Job(Box<Job>),
    /// Another client has changed the job, or the job is dead now.
    Gone,
}

impl NatsQueue {
    /// Takes the first job that can be taken.
    pub(super) async fn take_next(&self, options: &TakeOptions) -> Result<Option<Job>, NatsQueueError> {
        let mut is_synced = false;
        for _ in 0..TRIES * 16 {
            let follower = self.follower().await?;
            let Some(reserved) = follower.reserve(options.one_object_at_a_time) else {
                if is_synced {
                    return Ok(None);
                }
                self.synced().await?;
                is_synced = true;
                continue;
            };
            is_synced = false;
            match Box::pin(self.take_reserved(&follower, &reserved, options)).await {
                Ok(Taken::Job(job)) => return Ok(Some(*job)),
                Ok(Taken::Gone) => {}
                // Another job may be usable.
                Err(error @ (NatsQueueError::Foreign { .. } | NatsQueueError::TooLarge { .. })) => {
                    let until = Instant::now() + UNUSABLE;
                    if follower.index().postpone(&reserved.id, reserved.sequence, until) {
                        unusable_job(self.access.names.stream(), &reserved.id, &error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Tries to take a job.
    async fn take_reserved(
        &self,
        follower: &Follower,
        reserved: &Reserved,
        options: &TakeOptions,
    ) -> Result<Taken, NatsQueueError> {
        let Some(stored) = self.access.read(&reserved.id).await? else {
            if follower.index().forget(&reserved.id, reserved.sequence) {
                vanished_jobs(self.access.names.stream(), 1);
            }
            return Ok(Taken::Gone);
        };
        let record = &stored.record;
        if stored.sequence < reserved.sequence {
            // The server has lost its last records.
            follower.end();
            return Ok(Taken::Gone);
        }
        if stored.sequence > reserved.sequence {
            follower.reach(stored.sequence).await?;
            return Ok(Taken::Gone);
        }
        let Some(message_id) = record.message_id() else { return Err(self.access.foreign(stored.sequence)) };
        if record.attempts >= options.max_attempts {
            let dead = record.used_up(CRASHED);
            if self.replace(follower, &dead, stored.body, stored.sequence).await?.is_some() {
                self.log_dead_letter(&message_id, &dead);
            }
            return Ok(Taken::Gone);
        }

        let owner = Owner::random();
        let taken = record.taken(owner, options.lease);
        let body = stored.body.clone();
        let Some(sequence) = self.replace(follower, &taken, body, stored.sequence).await? else {
            return Ok(Taken::Gone);
        };
        let taken = taken.after(stored.sequence);
        if options.one_object_at_a_time && taken.object.is_some() {
            // Two clients may take two jobs about an object at the same time. The stream has an order, and
            // the client with the later record gives its job back.
            let reached = follower.reach(sequence).await;
            if reached.is_err() || follower.index().is_overtaken(&reserved.id, Instant::now(), sequence) {
                let mut back = taken.ready(record.attempts, Duration::ZERO);
                if record.state == State::Running {
                    back.error = Some(CRASHED.to_owned());
                }
                self.replace(follower, &back, stored.body, sequence).await?;
                return reached.map(|()| Taken::Gone);
            }
        }

        let key = DeliveryKey::new(self.scope.clone(), message_id.clone());
        let lease = Lease::new(key, owner, taken.attempts);
        let attempted_at = Timestamp::from_millis(record.attempted_at);
        if let Ok(event) = Event::from_trusted(message_id.clone(), attempted_at, stored.body.clone()) {
            let enqueued_at = Timestamp::from_millis(record.enqueued_at);
            return Ok(Taken::Job(Box::new(Job::new(lease, event, enqueued_at))));
        }
        let dead = taken.buried(NOT_AN_EVENT);
        self.log_dead_letter(&message_id, &dead);
        self.replace(follower, &dead, stored.body, sequence).await?;
        Ok(Taken::Gone)
    }

    /// Replaces a record, also in the index. Returns the new sequence, or `None` if another client replaced
    /// the record first.
    async fn replace(
        &self,
        follower: &Follower,
        record: &Record,
        body: Bytes,
        expected: u64,
    ) -> Result<Option<u64>, NatsQueueError> {
        // Other clients count the lease from a later time.
        let began = Instant::now();
        let replaced = self.access.write(record, body, expected).await?;
        match replaced {
            Some(sequence) => drop(follower.index().apply(sequence, record.after(expected), began)),
            None => drop(follower.sync().await?),
        }
        Ok(replaced)
    }

    fn log_dead_letter(&self, id: &MessageId, record: &Record) {
        let event_type = EventType::from(&*record.event_type);
        let error = record.error.as_deref().unwrap_or_default();
        log::dead_letter(&self.scope, id, &event_type, record.attempts, error);
    }
}
