//! Reads the rows that the statements return.

use bytes::Bytes;
use clerk_webhook_core::{EventType, MessageId, Timestamp};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::queue::dead_letters::{DeadLetter, EventTypeStats};

/// The state of the record of a claimed ticket.
pub(super) struct LockedRow {
    pub(super) known: bool,
    /// Missing if another transaction has locked the record.
    pub(super) state: Option<i16>,
    pub(super) object_id: Option<String>,
    /// Whether the job can be taken now. Missing for a job that is done or dead.
    pub(super) is_due: Option<bool>,
    /// When the ticket must be visible again if the job cannot be taken now, in milliseconds.
    pub(super) delay: i64,
    /// Whether the job has had all of its attempts.
    pub(super) is_last: bool,
    /// Whether no other transaction has locked the object.
    pub(super) is_alone: bool,
}

impl LockedRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            known: row.try_get("known")?,
            state: row.try_get("state")?,
            object_id: row.try_get("object_id")?,
            is_due: row.try_get::<Option<i64>, _>("wait")?.map(|wait| wait <= 0),
            delay: row.try_get::<Option<_>, _>("delay")?.unwrap_or_default(),
            is_last: row.try_get::<Option<_>, _>("is_last")?.unwrap_or_default(),
            is_alone: row.try_get("is_alone")?,
        })
    }
}

/// The record that the `TAKE` statement has changed.
pub(super) struct TakenRow {
    pub(super) message_id: MessageId,
    pub(super) event_type: EventType,
    pub(super) attempts: u32,
    pub(super) attempted_at: Timestamp,
    pub(super) enqueued_at: Timestamp,
    pub(super) payload: Bytes,
    pub(super) taken_at: Timestamp,
    /// When the ticket must be visible again, in milliseconds.
    pub(super) delay: i64,
}

impl TakenRow {
    pub(super) fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            message_id: message_id(row)?,
            event_type: event_type(row)?,
            attempts: attempts(row)?,
            attempted_at: time(row, "attempted_at")?,
            enqueued_at: time(row, "enqueued_at")?,
            payload: payload(row)?,
            taken_at: time(row, "taken_at")?,
            delay: row.try_get("delay")?,
        })
    }
}

pub(super) fn dead_letter(row: &PgRow) -> Result<DeadLetter, sqlx::Error> {
    let (id, body) = (message_id(row)?, payload(row)?);
    let mut letter = DeadLetter::new(id, event_type(row)?, time(row, "attempted_at")?, body);
    letter.attempts = attempts(row)?;
    letter.enqueued_at = time(row, "enqueued_at")?;
    letter.died_at = time(row, "ended_at")?;
    letter.last_error = row.try_get("last_error")?;
    Ok(letter)
}

pub(super) fn event_type_stats(row: &PgRow) -> Result<EventTypeStats, sqlx::Error> {
    let mut stats = EventTypeStats::new(event_type(row)?);
    stats.ready = count(row, "ready")?;
    stats.running = count(row, "running")?;
    stats.dead = count(row, "dead")?;
    stats.oldest_ready = row.try_get::<Option<i64>, _>("oldest_ready")?.map(Timestamp::from_millis);
    Ok(stats)
}

pub(super) fn event_type(row: &PgRow) -> Result<EventType, sqlx::Error> {
    Ok(EventType::from(row.try_get::<&str, _>("event_type")?))
}

pub(super) fn attempts(row: &PgRow) -> Result<u32, sqlx::Error> {
    let attempts = row.try_get::<i64, _>("attempts")?;
    attempts.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub(super) fn count(row: &PgRow, column: &str) -> Result<u64, sqlx::Error> {
    let count = row.try_get::<i64, _>(column)?;
    count.try_into().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub(super) fn message_id(row: &PgRow) -> Result<MessageId, sqlx::Error> {
    let id = row.try_get::<&str, _>("message_id")?;
    id.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn time(row: &PgRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    Ok(Timestamp::from_millis(row.try_get(column)?))
}

fn payload(row: &PgRow) -> Result<Bytes, sqlx::Error> {
    Ok(row.try_get::<Option<Vec<u8>>, _>("payload")?.unwrap_or_default().into())
}
